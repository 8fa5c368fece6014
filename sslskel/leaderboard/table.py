"""The board: a pure function of the records. The same records in any order give the same board.

Rows are what was pretrained, columns what it was judged on. Records that differ in data,
benchmark version or protocol version never share a column. Rendering is in ``render.py``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sslskel.results.record import Record
from sslskel.results.statistics import Summary, disjoint, summarise

UNLISTED = frozenset({"protocol", "engine"})
"""Configuration groups that do not tell rows apart: the first belongs to columns, the second is named itself."""


@dataclass(frozen=True, order=True)
class Column:
    """What a score is a score of."""

    benchmark: str
    split: str
    protocol: str
    recipe: str
    selection: str
    score: str
    benchmark_version: int
    protocol_version: int
    fingerprint: str
    options: str
    """Options of the protocol as canonical JSON: other options, other column."""

    @property
    def title(self) -> str:
        """For people; what all columns share is in the notes."""
        return f"{self.benchmark}/{self.split} {self.protocol} {self.score}"


@dataclass(frozen=True, order=True)
class RowKey:
    """What was pretrained."""

    method: str
    backbone: str
    preset: str
    precision: str
    streams: tuple[str, ...]
    method_version: int
    config: str
    """Configuration as canonical JSON, without groups that do not tell rows apart."""


@dataclass(frozen=True)
class Cell:
    """The seeds of one row in one column."""

    summary: Summary
    seeds: tuple[int, ...]
    scores: tuple[float, ...]
    bold: bool
    records: tuple[str, ...]
    """Identities, in the order of the seeds."""


@dataclass(frozen=True)
class Row:
    """One line of the board; ``cells`` follows the board's columns, None where nothing was run."""

    key: RowKey
    label: str
    cells: tuple[Cell | None, ...]
    mean: float | None
    """Over columns; None unless every cell is there."""
    parameters: int
    pretrain_seconds: float
    """Median over seeds."""


@dataclass(frozen=True)
class Board:
    """Columns, rows best first, and what must be said below them."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    commands: tuple[str, ...]


def build(records: Iterable[Record]) -> Board:
    """Make the board. Two different records of the same row, column and seed raise ``ValueError``."""
    table: dict[RowKey, dict[Column, dict[int, Record]]] = defaultdict(lambda: defaultdict(dict))
    ordered = sorted(records, key=lambda record: record.identity)
    for record in ordered:
        seeds = table[_row_key(record)][_column(record)]
        if record.seed in seeds and seeds[record.seed] != record:
            raise ValueError(
                f"records {seeds[record.seed].identity} and {record.identity} are for the same cell and seed"
            )
        seeds[record.seed] = record
    columns = tuple(sorted({column for cells in table.values() for column in cells}))
    leaders = {column: _leader(column, table) for column in columns}
    labels = _labels(sorted(table))
    rows = [_row(key, labels[key], table[key], columns, leaders) for key in sorted(table)]
    rows.sort(key=_rank)
    return Board(columns, tuple(rows), _notes(ordered, columns), tuple(sorted({r.command for r in ordered})))


def _column(record: Record) -> Column:
    benchmark, protocol = record.benchmark, record.protocol
    return Column(
        str(benchmark["name"]),
        str(benchmark["split"]),
        str(protocol["name"]),
        str(protocol["recipe"]),
        str(protocol["selection"]),
        record.primary,
        int(benchmark["version"]),
        int(protocol["version"]),
        str(benchmark["fingerprint"]),
        _canonical(record.config.get("protocol", {})),
    )


def _row_key(record: Record) -> RowKey:
    config = {group: values for group, values in record.config.items() if group not in UNLISTED}
    return RowKey(
        str(record.method["name"]),
        str(record.backbone["name"]),
        record.preset,
        record.precision,
        record.streams,
        int(record.method["version"]),
        _canonical(config),
    )


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _leader(column: Column, table: Mapping[RowKey, Mapping[Column, Mapping[int, Record]]]) -> RowKey | None:
    """The row whose cell is bold: best of the column, its interval disjoint from the runner-up's."""
    found = [
        (summarise([r.scores[column.score] for r in cells[column].values()]), key)
        for key, cells in table.items()
        if column in cells
    ]
    found.sort(key=lambda pair: (-pair[0].mean, pair[1]))
    if len(found) < 2 or not disjoint(found[0][0], found[1][0]):
        return None
    return found[0][1]


def _row(
    key: RowKey,
    label: str,
    cells: Mapping[Column, Mapping[int, Record]],
    columns: Sequence[Column],
    leaders: Mapping[Column, RowKey | None],
) -> Row:
    made = tuple(
        _cell(column, cells[column], leaders[column] == key) if column in cells else None for column in columns
    )
    means = [cell.summary.mean for cell in made if cell is not None]
    records = [record for seeds in cells.values() for record in seeds.values()]
    seconds = sorted({r.pretrain_identity: r.cost.get("pretrain_seconds") or 0.0 for r in records}.values())
    return Row(
        key,
        label,
        made,
        sum(means) / len(means) if len(means) == len(made) else None,
        int(records[0].backbone.get("parameters", 0)),
        seconds[len(seconds) // 2],
    )


def _cell(column: Column, seeds: Mapping[int, Record], bold: bool) -> Cell:
    order = tuple(sorted(seeds))
    scores = tuple(float(seeds[seed].scores[column.score]) for seed in order)
    return Cell(summarise(scores), order, scores, bold, tuple(seeds[seed].identity for seed in order))


def _rank(row: Row) -> tuple[Any, ...]:
    """Best first by the first column, then the next; rows without a number last."""
    means = tuple(1.0 if cell is None else -cell.summary.mean for cell in row.cells)
    return (*means, row.key)


def _labels(keys: Sequence[RowKey]) -> dict[RowKey, str]:
    """The method's name, with the options in which rows of that name and preset differ."""
    labels = {}
    for key in keys:
        twins = [other for other in keys if other.method == key.method and other.preset == key.preset]
        own = _flat(json.loads(key.config))
        others = [_flat(json.loads(other.config)) for other in twins]
        names = sorted(name for name in own if any(other.get(name) != own[name] for other in others))
        if len({other.backbone for other in twins}) > 1:
            names = [name for name in names if not name.startswith("backbone.")]
        different = [f"{name}={own[name]}" for name in names]
        if len({other.method_version for other in twins}) > 1:
            different.append(f"version {key.method_version}")
        labels[key] = f"{key.method} ({', '.join(different)})" if different else key.method
    return labels


def _flat(config: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{group}.{name}": value for group, values in config.items() for name, value in values.items()}


def _notes(records: Sequence[Record], columns: Sequence[Column]) -> tuple[str, ...]:
    notes = []
    for column in columns:
        test = next((r.counts.get("test", 0) for r in records if _column(r) == column), 0)
        notes.append(
            f"{column.title}: recipe {column.recipe}, selection {column.selection}, {test} test clips, protocol version"
            f" {column.protocol_version}, benchmark version {column.benchmark_version}, data {column.fingerprint[:12]}"
        )
    notes += sorted({str(r.benchmark["warning"]) for r in records if r.benchmark.get("warning")})
    if records:
        notes.append(_cost_note(records))
    return tuple(notes)


def _cost_note(records: Sequence[Record]) -> str:
    pretrained = {r.pretrain_identity: r.cost.get("pretrain_seconds") or 0.0 for r in records}
    judged = sum(r.cost.get("evaluate_seconds") or 0.0 for r in records)
    machines = sorted({str(r.environment.get("cpu", "unknown")) for r in records})
    return (
        f"cost: {len(pretrained)} encoders in {sum(pretrained.values()) / 3600:.2f} h, {len(records)} evaluations in"
        f" {judged / 3600:.2f} h, on {', '.join(machines)}"
    )
