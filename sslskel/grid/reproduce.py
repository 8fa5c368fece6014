"""The papers' tables as grids: runs a table's rows here and compares them with what was printed.

A table is a file of ``configs/table``. Printed numbers are of other data and sizes, so their
heights are not compared with ours; whether they stand in the same order is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from sslskel.errors import RunError, UsageError, did_you_mean
from sslskel.grid.jobs import side_by_side
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.leaderboard import build_board
from sslskel.leaderboard.cells import same_weights
from sslskel.leaderboard.compare import Comparison, Side, corrected, paired
from sslskel.leaderboard.formats.paper_table import printed_table
from sslskel.plugins.registry import PROTOCOLS, folder_files
from sslskel.progress import SILENT, Reporter
from sslskel.results.record import Record
from sslskel.results.store import ResultStore


@dataclass(frozen=True)
class TableRow:
    """One line of a paper's table."""

    name: str
    method: str
    backbone: str | None = None
    """None for the method's own."""
    overrides: tuple[str, ...] = ()
    scaled: Mapping[str, float] = field(default_factory=dict)
    """Option -> factor on the value that the preset gives it."""
    published: tuple[float | None, ...] = ()
    """In %, one per column of the table; None where the paper prints none."""


@dataclass(frozen=True)
class Table:
    """A paper's table: what it varies, and what it printed for which benchmark."""

    name: str
    title: str
    paper: str
    note: str
    protocol: str
    published: tuple[str, ...]
    """Columns as BENCHMARK/SPLIT, in transfers with what was pretrained on: BENCHMARK/SPLIT from BENCHMARK."""
    rows: tuple[TableRow, ...]
    score: str | None = None
    """Which score of the protocol is compared; None for the one that ranks."""
    condition: str | None = None
    """Which condition's predictions are paired, where the protocol has several."""


@dataclass(frozen=True)
class Reproduced:
    """A table with its measured records, in the order of the rows and of the seeds."""

    table: Table
    benchmark: str
    records: tuple[tuple[Record, ...], ...]
    pairs: tuple[tuple[int, int, Comparison], ...]
    """(row, row, comparison) of every two rows, corrected for their number."""

    def markdown(self) -> str:
        """The table as a page: measured and printed numbers, whether their order agrees, how they were made."""
        rows = [
            (row.name, row.published, measured) for row, measured in zip(self.table.rows, self.records, strict=True)
        ]
        board = build_board([record for measured in self.records for record in measured])
        table = self.table
        score = table.score or PROTOCOLS.get(table.protocol).primary
        return printed_table(table.title, table.paper, table.note, table.published, score, rows, self.pairs, board)


def tables() -> dict[str, Path]:
    """Names of the tables and their files."""
    return {file.stem: file for file in folder_files("sslskel.configs", "table", "*.yaml")}


def read_table(name: str) -> Table:
    """A table by name. Raises ``UsageError`` for one that is unknown or cannot be read."""
    known = tables()
    if name not in known:
        raise UsageError(f"there is no table '{name}'{did_you_mean(name, known)} (there are: {', '.join(known)})")
    try:
        content = yaml.safe_load(known[name].read_text(encoding="utf-8"))
        columns = tuple(content.get("published", ()))
        rows = tuple(_row(row, len(columns)) for row in content["rows"])
        options = {name: content[name] for name in ("score", "condition") if name in content}
        return Table(
            name,
            content["title"],
            content["paper"],
            content.get("note", ""),
            content["protocol"],
            columns,
            rows,
            **options,
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as fault:
        raise UsageError(f"table {known[name]} cannot be read: {str(fault).splitlines()[0]}") from fault


def _row(content: Mapping[str, Any], columns: int) -> TableRow:
    published = tuple(content.get("published", (None,) * columns))
    if len(published) != columns:
        raise ValueError(f"row '{content['name']}' has {len(published)} published numbers, the table {columns} columns")
    return TableRow(
        content["name"],
        content["method"],
        content.get("backbone"),
        tuple(content.get("overrides", ())),
        dict(content.get("scaled", {})),
        published,
    )


def reproduce(name: str, request: GridRequest, *, jobs: int | None = None, reporter: Reporter = SILENT) -> Reproduced:
    """Run every row of a table that is not there yet, with the same seeds, and compare every two of them.

    Benchmark, seeds, preset and overrides come from the request; methods, backbones, the protocol from the table.
    With ``jobs``, that many pretrainings of all rows run side by side, each a process. Raises
    ``UsageError`` before anything runs where a row does not fit the benchmark or preset,
    ``RunError`` where a cell failed. Interrupted, the same call continues.
    """
    table = read_table(name)
    requests = [request_of_row(row, table, request) for row in table.rows]
    for one in requests:
        one.cells()
    if jobs is not None:
        _, failures = side_by_side(requests, jobs, reporter)
        if failures:
            raise RunError(f"{table.name}: {failures[0]}; the same command continues")
    rows = []
    for row, one in zip(table.rows, requests, strict=True):
        reporter.line(f"{table.name}: {row.name}")
        result = run_grid(one, reporter)
        if result.failures:
            raise RunError(f"{table.name}, row '{row.name}': {result.failures[0]}; the same command continues")
        rows.append(tuple(sorted(result.records, key=lambda record: record.seed)))
    return Reproduced(table, request.benchmarks[0], tuple(rows), _compared(table, rows, ResultStore(request.output)))


def request_of_row(row: TableRow, table: Table, request: GridRequest) -> GridRequest:
    """What one row asks for; ``UsageError`` where a multiplied option is not a whole number."""
    plain = replace(request, methods=(row.method,), protocols=(table.protocol,), backbone=row.backbone, overrides=())
    scaled = _scaled(row, table, replace(plain, seeds=(0,), init=None))
    # As a variant, so that titles and logs of jobs say what tells a row from the others.
    return replace(plain, variants=((*row.overrides, *scaled, *request.overrides),))


def _scaled(row: TableRow, table: Table, request: GridRequest) -> list[str]:
    """Overrides that multiply what the preset says; ``UsageError`` where that is not a whole number."""
    if not row.scaled:
        return []
    [cell] = request.cells()
    plain, overrides = cell.resolved.plain(), []
    for option, factor in row.scaled.items():
        group, key = option.split(".")
        value = plain[group][key] * factor
        if value != round(value) or value < 1:
            raise UsageError(
                f"{table.name}, row '{row.name}' needs {option} = {plain[group][key]} x {factor:g}, which is not a"
                " whole number; choose another --preset"
            )
        overrides.append(f"{option}={round(value)}")
    return overrides


def _compared(
    table: Table, rows: Sequence[Sequence[Record]], store: ResultStore
) -> tuple[tuple[int, int, Comparison], ...]:
    """Every two rows, by the table's own score."""
    score = table.score or PROTOCOLS.get(table.protocol).primary
    sides = [Side(row.name, same_weights(records)) for row, records in zip(table.rows, rows, strict=True)]
    places = list(combinations(range(len(rows)), 2))
    comparisons = [
        paired(store, table.title, score, sides[one], sides[other], condition=table.condition) for one, other in places
    ]
    return tuple((*place, comparison) for place, comparison in zip(places, corrected(comparisons), strict=True))
