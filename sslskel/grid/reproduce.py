"""The papers' tables as grids: runs a table's rows here and compares them with what was printed.

Where printed numbers are of other data and sizes, their heights are not compared with ours; whether
they stand in the same order is. What differs from the paper's scripts is said below each table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from sslskel.errors import RunError
from sslskel.grid.deviations import deviations
from sslskel.grid.ensemble import fuse, stream_of
from sslskel.grid.jobs import side_by_side
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.grid.tables import Table, TableRow, read_table, request_of_row
from sslskel.leaderboard import build_board
from sslskel.leaderboard.cells import same_weights
from sslskel.leaderboard.compare import Comparison, Side, corrected, paired
from sslskel.leaderboard.formats.paper_table import PrintedRow, printed_table
from sslskel.plugins.registry import METHODS, PROTOCOLS
from sslskel.progress import SILENT, Reporter
from sslskel.results.record import Record
from sslskel.results.store import ResultStore


@dataclass(frozen=True)
class Reproduced:
    """A table with its measured records, in the order of the rows and of the seeds; none of a row that is absent."""

    table: Table
    benchmark: str
    records: tuple[tuple[Record, ...], ...]
    pairs: tuple[tuple[int, int, Comparison], ...]
    """(row, row, comparison) of every two rows, corrected for their number."""
    deviations: tuple[str, ...]
    """What was done otherwise than in the paper's scripts, and in these otherwise than in the paper."""

    def markdown(self) -> str:
        """The table as a page: measured and printed numbers, what differs, whether their order agrees, how made."""
        rows = [
            PrintedRow(
                row.name, row.published, row.printed_of, measured, row.absent, not row.absent and _described(row.method)
            )
            for row, measured in zip(self.table.rows, self.records, strict=True)
        ]
        board = build_board([record for measured in self.records for record in measured])
        table = self.table
        score = table.score or PROTOCOLS.get(table.protocol).primary
        about = (table.title, table.paper, table.note)
        return printed_table(*about, table.published, score, rows, self.pairs, self.deviations, board)


def requests_of_table(table: Table, request: GridRequest, mode: str | None = None) -> list[GridRequest]:
    """What every row that runs asks for. Raises ``UsageError`` where one does not fit the benchmark or preset."""
    requests = [request_of_row(row, table, request, mode) for row in table.runs]
    for one in requests:
        one.cells()
    return requests


def reproduce(
    name: str,
    request: GridRequest,
    *,
    mode: str | None = None,
    jobs: int | None = None,
    reporter: Reporter = SILENT,
) -> Reproduced:
    """Run every row of a table that is not there yet, with the same seeds, and compare every two of them.

    Benchmark, seeds, preset and overrides come from the request; methods, backbones, the protocol from the table.
    ``mode`` is one of ``sslskel.config.modes``: ``exact`` is what the papers' scripts compute.
    With ``jobs``, that many pretrainings of all rows run side by side, each a process. Raises
    ``UsageError`` before anything runs where a row does not fit the benchmark or preset,
    ``RunError`` where a cell failed, once all others have run. Interrupted, the same call continues.
    """
    table = read_table(name)
    requests = requests_of_table(table, request, mode)
    departs = deviations(table, request, mode)
    if jobs is not None:
        # Two rows may be of one pretraining.
        _, failures = side_by_side(list(dict.fromkeys(requests)), jobs, reporter)
        if failures:
            raise RunError(f"{table.name}: {'; '.join(failures)}; the same command continues")
    measured, failed = dict[str, tuple[Record, ...]](), list[str]()
    for row, one in zip(table.runs, requests, strict=True):
        reporter.line(f"{table.name}: {row.name}")
        result = run_grid(one, reporter)
        failed += [f"row '{row.name}': {failure}" for failure in result.failures]
        measured[row.name] = tuple(sorted(result.records, key=lambda record: record.seed))
    if failed:
        raise RunError(f"{table.name}: {'; '.join(failed)}; the same command continues")
    store = ResultStore(request.output)
    rows = [_fused(row, measured[row.name], store) if row.streams else measured.get(row.name, ()) for row in table.rows]
    return Reproduced(table, request.benchmarks[0], tuple(rows), _compared(table, rows, store), departs)


def _described(method: str) -> bool:
    return METHODS.get(method).card.described


def _fused(row: TableRow, records: Sequence[Record], store: ResultStore) -> tuple[Record, ...]:
    """One record per seed, of the weighted sum of its streams' logits."""
    by_seed: dict[int, dict[str, Record]] = {}
    for record in records:
        by_seed.setdefault(record.seed, {})[stream_of(record)] = record
    return tuple(fuse(store, parts, row.streams) for parts in by_seed.values())


def _compared(
    table: Table, rows: Sequence[Sequence[Record]], store: ResultStore
) -> tuple[tuple[int, int, Comparison], ...]:
    """Every two rows, by the table's own score."""
    score = table.score or PROTOCOLS.get(table.protocol).primary
    sides = [Side(row.name, same_weights(records)) for row, records in zip(table.rows, rows, strict=True)]
    places = list(combinations([at for at, row in enumerate(table.rows) if not row.absent], 2))
    comparisons = [
        paired(store, table.title, score, sides[one], sides[other], condition=table.condition) for one, other in places
    ]
    return tuple((*place, comparison) for place, comparison in zip(places, corrected(comparisons), strict=True))
