"""The board: a pure function of the records. The same records in any order give the same board.

Rows are what was pretrained, columns what it was judged on. Records that differ in data,
benchmark version, protocol version or protocol options never share a column; seeds that
look the same are never averaged. What a board is made of is in ``model.py``, names
are in ``labels.py``, words below the table in ``notes.py``.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sslskel.config.compose import shaping
from sslskel.leaderboard.labels import column_titles, row_labels
from sslskel.leaderboard.model import Board, BoardCell, Column, Row, RowKey
from sslskel.leaderboard.notes import findings, notes_of
from sslskel.results.record import DECLARED, Record
from sslskel.results.statistics import disjoint, summarise

__all__ = ["Board", "build_board"]

UNLISTED = frozenset({"protocol", "engine"})
"""Configuration groups that do not tell rows apart: the first belongs to columns, the second is named itself."""
BOLD_SEEDS = 3
"""Fewest seeds of a bold cell: the 95 % interval of two is 18 s.d. wide."""
UNPROVEN = ("released", DECLARED)
"""Stand for the plugin of an encoder that came as a bare file or module: nothing proves that it saw no data."""

Seeds = dict[int, list[Record]]


def build_board(
    records: Iterable[Record],
    *,
    benchmarks: Sequence[str] | None = None,
    protocols: Sequence[str] | None = None,
) -> Board:
    """Make the board of these records, or of those of some benchmarks and protocols, in the order given.

    Without an order columns are sorted by benchmark, protocols that train a head before
    those that train nothing. Rows are ranked by the first column.
    """
    chosen, warnings = _distinct(
        record
        for record in records
        if (benchmarks is None or record.benchmark["name"] in benchmarks)
        and (protocols is None or record.protocol["name"] in protocols)
    )
    keys = _columns(chosen, benchmarks, protocols)
    table: dict[RowKey, dict[Column, Seeds]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for record in chosen:
        table[_row_key(record)][_column(record)][record.seed].append(record)
    labels = row_labels(sorted(table))
    rows = []
    for key in sorted(table):
        row, more = _row(key, labels[key], table[key], keys)
        rows.append(row)
        warnings += more
    titles = column_titles(keys)
    columns = tuple(replace(key, title=titles[key]) for key in keys)
    ranked = _ranked([_emboldened(row, _leaders(columns, rows)) for row in rows])
    members: dict[Column, list[Record]] = defaultdict(list)
    for record in chosen:
        members[_column(record)].append(record)
    notes, cautions = notes_of(columns, ranked, [members[key] for key in keys], chosen)
    commands = tuple(sorted({record.command for record in chosen if record.command}))
    return Board(columns, ranked, findings(columns, ranked), (*warnings, *cautions), notes, commands, tuple(chosen))


def _distinct(records: Iterable[Record]) -> tuple[list[Record], list[str]]:
    """Each identity once, sorted; a warning where copies of one disagree."""
    kept: dict[str, Record] = {}
    warnings = set()
    for record in sorted(records, key=lambda r: (r.identity, r.created, r.to_json())):
        first = kept.setdefault(record.identity, record)
        if first.scores != record.scores:
            warnings.add(f"record {record.identity} exists with different scores; the one of {first.created} is shown")
    return list(kept.values()), sorted(warnings)


def _columns(
    records: Sequence[Record], benchmarks: Sequence[str] | None, protocols: Sequence[str] | None
) -> tuple[Column, ...]:
    heads: dict[Column, bool] = defaultdict(bool)
    for record in records:
        heads[_column(record)] |= record.epoch is not None

    def place(column: Column) -> tuple[Any, ...]:
        benchmark = benchmarks.index(column.benchmark) if benchmarks is not None else 0
        protocol = protocols.index(column.protocol) if protocols is not None else int(not heads[column])
        return benchmark, column.benchmark, column.split, protocol, column

    return tuple(sorted(heads, key=place))


def _column(record: Record) -> Column:
    benchmark, protocol = record.benchmark, record.protocol
    return Column(
        benchmark["name"],
        benchmark["split"],
        protocol["name"],
        protocol["recipe"],
        protocol["selection"],
        record.primary,
        benchmark["version"],
        protocol["version"],
        benchmark["fingerprint"],
        _canonical(shaping("protocol", record.config.get("protocol", {}))),
    )


def _row_key(record: Record) -> RowKey:
    return RowKey(
        record.method["name"],
        record.backbone["name"],
        record.preset,
        record.streams,
        record.precision,
        record.method["version"],
        record.backbone["version"],
        _pretrained_on(record),
        _canonical(_shaping(record)),
    )


def _shaping(record: Record) -> dict[str, Any]:
    """The options that shaped the encoder; how to train is none of them where nothing was trained."""
    groups = {group: values for group, values in record.config.items() if group not in UNLISTED}
    if not record.seen:
        groups.pop("train", None)
    return {group: shaping(group, values) for group, values in groups.items()}


def _own(record: Record, seen: Mapping[str, Any]) -> bool:
    """True for the training part of the split on which the record was judged."""
    same_split = _same_data(record, seen) and seen["split"] == record.benchmark["split"]
    return same_split and seen["part"] in ("train", "fit", "validation")


def _same_data(record: Record, seen: Mapping[str, Any]) -> bool:
    judged = record.benchmark
    return bool(seen["fingerprint"] == judged["fingerprint"] or seen["dataset"] == judged["name"])


def _pretrained_on(record: Record) -> str:
    if all(_own(record, seen) for seen in record.seen):
        return ""
    return " + ".join(sorted(f"{seen['dataset']}/{seen['split']}/{seen['part']}" for seen in record.seen))


def _leaks(record: Record) -> bool:
    """True where pretraining saw clips of the test part, or may have.

    Records count the clips seen; where one cannot, another cut of the same data may hold test clips.
    """
    return any(
        seen["overlap"] > 0 if "overlap" in seen else _same_data(record, seen) and not _own(record, seen)
        for seen in record.seen
    )


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _row(key: RowKey, label: str, cells: Mapping[Column, Seeds], columns: Sequence[Column]) -> tuple[Row, list[str]]:
    made: list[BoardCell | None] = []
    warnings = []
    for column in columns:
        seeds = cells.get(column, {})
        twice = [seed for seed in sorted(seeds) if len(seeds[seed]) > 1]
        if twice:
            warnings.append(_conflict(label, column, twice[0], seeds[twice[0]]))
        made.append(_cell(column, {s: seeds[s][0] for s in sorted(seeds)}) if seeds and not twice else None)
    records = [record for seeds in cells.values() for same in seeds.values() for record in same]
    means = [cell.summary.mean for cell in made if cell is not None]
    comparable = len(means) == len(made) and len({column.score for column in columns}) == 1
    mean = sum(means) / len(means) if comparable else None
    trained = any(r.seen or not r.proven_origins or r.method["plugin"] in UNPROVEN for r in records)
    costs = (_median(records, "pretrain_seconds"), _median(records, "samples_per_second"))
    row = Row(key, label, tuple(made), mean, None, trained, records[0].backbone["parameters"], *costs)
    return row, warnings


def _median(records: Sequence[Record], cost: str) -> float:
    """Over pretrainings, each counted once; the upper one of two in the middle, so that it was really measured."""
    amounts = {record.pretrain_identity: record.cost.get(cost) or 0.0 for record in records}
    return statistics.median_high(amounts.values())


def _conflict(label: str, column: Column, seed: int, records: Sequence[Record]) -> str:
    differ = [
        name for name in ("pretrain_identity", "weights_sha256", "seen", "counts", "labels") if _differ(records, name)
    ]
    names = ", ".join(record.identity for record in records)
    return (
        f"{label} has no number on {column.benchmark}/{column.split} {column.protocol}: seed {seed} was run more than"
        f" once with the same options (records {names}; they differ in {', '.join(differ) or 'identity'}); keep one"
    )


def _differ(records: Sequence[Record], name: str) -> bool:
    return any(getattr(record, name) != getattr(records[0], name) for record in records)


def _cell(column: Column, seeds: Mapping[int, Record]) -> BoardCell:
    scores = tuple(float(record.scores[column.score]) for record in seeds.values())
    identities = tuple(record.identity for record in seeds.values())
    return BoardCell(summarise(scores), tuple(seeds), scores, identities, any(map(_leaks, seeds.values())))


def _leaders(columns: Sequence[Column], rows: Sequence[Row]) -> list[RowKey | None]:
    """Per column the row whose cell is bold.

    It is the best one whose pretraining saw no test clip, has three seeds or more, and its
    interval is disjoint from that of the runner-up.
    """
    leaders: list[RowKey | None] = []
    for position in range(len(columns)):
        fair = [(cell.summary, row.key) for row in rows if (cell := row.cells[position]) and not cell.leak]
        fair.sort(key=lambda pair: (-pair[0].mean, pair[1]))
        clear = len(fair) > 1 and fair[0][0].n >= BOLD_SEEDS and disjoint(fair[0][0], fair[1][0])
        leaders.append(fair[0][1] if clear else None)
    return leaders


def _emboldened(row: Row, leaders: Sequence[RowKey | None]) -> Row:
    cells = (
        replace(cell, bold=True) if cell and leader == row.key else cell
        for cell, leader in zip(row.cells, leaders, strict=True)
    )
    return replace(row, cells=tuple(cells))


def _ranked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Best first by the first column, then the next; rows without a number last."""

    def order(row: Row) -> tuple[Any, ...]:
        return (*(1.0 if cell is None else -cell.summary.mean for cell in row.cells), row.key)

    ordered = sorted(rows, key=order)
    firsts = [row.cells[0].summary.mean if row.cells[0] else None for row in ordered]
    return tuple(
        replace(row, rank=None if first is None else firsts.index(first) + 1)
        for row, first in zip(ordered, firsts, strict=True)
    )
