"""The papers' tables as grids: runs a table's rows here and sets them beside what was printed.

A table is a file of ``configs/table``. Printed numbers are of other data and sizes, so their
heights are not compared with ours; whether they stand in the same order is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import yaml

from sslskel.errors import RunError, UsageError, did_you_mean
from sslskel.grid.cell import grid
from sslskel.grid.jobs import Given, side_by_side
from sslskel.grid.run import bench
from sslskel.grid.stages import silent
from sslskel.leaderboard import build_board
from sslskel.leaderboard.compare import Difference, over_seeds, paired
from sslskel.leaderboard.formats.paper_table import printed_table
from sslskel.plugins.registry import PROTOCOLS, folder_files
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
    pairs: Literal["clips", "seeds"] = "clips"
    """Over what rows are paired: the test clips and seeds, or seeds alone where a clip has no prediction or several."""


@dataclass(frozen=True)
class Reproduced:
    """A table with its measured records, in the order of the rows and of the seeds."""

    table: Table
    benchmark: str
    records: tuple[tuple[Record, ...], ...]
    pairs: tuple[tuple[int, int, Difference], ...]
    """(row, row, comparison) of every two rows."""

    def markdown(self) -> str:
        """The table as a page: measured beside printed, the order in words, how it was made."""
        rows = [(row.name, row.published, found) for row, found in zip(self.table.rows, self.records, strict=True)]
        board = build_board([record for found in self.records for record in found])
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
        if content.get("pairs", "clips") not in ("clips", "seeds"):
            raise ValueError(f"pairs is '{content['pairs']}'; it must be clips or seeds")
        options = {name: content[name] for name in ("score", "condition", "pairs") if name in content}
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


def reproduce(
    name: str,
    *,
    benchmark: str = "synthetic",
    seeds: Sequence[int] = (0,),
    output: Path | str = "runs",
    split: str | None = None,
    preset: str | None = None,
    pretrain_on: str | None = None,
    overrides: Sequence[str] = (),
    jobs: int | None = None,
    say: Callable[[str], None] = silent,
    advance: Callable[..., None] = silent,
) -> Reproduced:
    """Run every row of a table that is not there yet, with the same seeds, and compare every two of them.

    With ``jobs``, that many pretrainings of all rows run side by side, each a process. Raises
    ``UsageError`` before anything runs where a row does not fit the benchmark or preset,
    ``RunError`` where a cell failed. Interrupted, the same call continues.
    """
    table = read_table(name)
    where: dict[str, Any] = {"split": split, "preset": preset, "pretrain_on": pretrain_on}
    cells = [
        (
            row,
            (*row.overrides, *_scaled(row, table, benchmark, **where), *overrides),
            {**where, "backbone": row.backbone},
        )
        for row in table.rows
    ]
    judged = ([table.protocol], [benchmark], seeds)
    for row, chosen, given in cells:
        grid([row.method], *judged, **given, overrides=chosen)
    if jobs is not None:
        grids = [Given([row.method], *judged, Path(output), **given, variants=[chosen]) for row, chosen, given in cells]
        _, failures = side_by_side(grids, jobs, say)
        if failures:
            raise RunError(f"{table.name}: {failures[0]}; the same command continues")
    rows = []
    for row, chosen, given in cells:
        say(f"{table.name}: {row.name}")
        result = bench([row.method], *judged, **given, output=output, overrides=chosen, say=say, advance=advance)
        if result.failures:
            raise RunError(f"{table.name}, row '{row.name}': {result.failures[0]}; the same command continues")
        rows.append(tuple(sorted(result.records, key=lambda record: record.seed)))
    return Reproduced(table, benchmark, tuple(rows), _pairs(table, rows, ResultStore(output)))


def _scaled(
    row: TableRow, table: Table, benchmark: str, split: str | None, preset: str | None, pretrain_on: str | None = None
) -> list[str]:
    """Overrides that multiply what the preset says; ``UsageError`` where that is no whole number."""
    if not row.scaled:
        return []
    where: dict[str, Any] = {"split": split, "backbone": row.backbone, "preset": preset, "pretrain_on": pretrain_on}
    [cell] = grid([row.method], [table.protocol], [benchmark], [0], **where)
    plain, overrides = cell.resolved.plain(), []
    for option, factor in row.scaled.items():
        group, key = option.split(".")
        value = plain[group][key] * factor
        if value != round(value) or value < 1:
            raise UsageError(
                f"{table.name}, row '{row.name}' needs {option} = {plain[group][key]} x {factor:g}, which is no whole"
                " number; choose another --preset"
            )
        overrides.append(f"{option}={round(value)}")
    return overrides


def _pairs(
    table: Table, rows: Sequence[Sequence[Record]], store: ResultStore
) -> tuple[tuple[int, int, Difference], ...]:
    found = []
    for one, other in combinations(range(len(rows)), 2):
        names = table.rows[one].name, table.rows[other].name
        pairs = list(zip(rows[one], rows[other], strict=True))
        found.append((one, other, _difference(table, names, pairs, store)))
    return tuple(found)


def _difference(
    table: Table, names: tuple[str, str], pairs: Sequence[tuple[Record, Record]], store: ResultStore
) -> Difference:
    if table.pairs == "clips":
        return paired(store, table.title, *names, pairs, table.condition)
    score = table.score or PROTOCOLS.get(table.protocol).primary
    return over_seeds(*names, [(one.scores[score], other.scores[score]) for one, other in pairs])
