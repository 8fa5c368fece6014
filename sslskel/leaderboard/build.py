"""The board: a pure function of the records. The same records in any order give the same board.

Rows are what was pretrained, columns what it was judged on. Records that differ in data,
benchmark version, protocol version or protocol options never share a column; pretrainings that
look the same are never averaged. What a board is made of is in ``model.py``, what a cell's number is
of in ``cells.py``, tests in ``significance.py``, names in ``labels.py``, sentences in ``findings.py``,
``notes.py`` and ``seeds.py``.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sslskel.leaderboard.cells import PerClip, cell_of, run_twice, same_weights
from sslskel.leaderboard.findings import across_findings, findings, highlights
from sslskel.leaderboard.imposed import imposed_options
from sslskel.leaderboard.labels import column_titles, names_of, row_labels
from sslskel.leaderboard.means import across_of, means_of, means_of_row
from sslskel.leaderboard.model import Board, Column, Mean, Row, RowKey
from sslskel.leaderboard.notes import notes_of
from sslskel.leaderboard.places import Places, leaks, without_training
from sslskel.leaderboard.seeds import Place, unshown_seeds
from sslskel.leaderboard.significance import marked, tested
from sslskel.leaderboard.sweeps import sweep_warnings, swept
from sslskel.results.record import DECLARED, Record

__all__ = ["Board", "build_board", "of_board"]

UNPROVEN = ("released", DECLARED)
"""Stand for the plugin of an encoder that came as a bare file or module: nothing proves that it saw no data."""


def build_board(
    records: Iterable[Record],
    *,
    benchmarks: Sequence[str] | None = None,
    protocols: Sequence[str] | None = None,
    per_clip: PerClip | None = None,
    unlearnt: Sequence[Record] = (),
) -> Board:
    """Make the board of these records, or of those of some benchmarks and protocols, in the order given.

    A benchmark is ``NAME``, for all of its splits, or ``NAME/SPLIT``.

    Without an order columns are sorted by benchmark, protocols that train a head before
    those that train nothing. Rows are ranked by the first column. With ``per_clip`` (see
    ``clip_scores.py``) intervals are over test clips too. ``unlearnt`` are no rows: they are of pretrainings in which
    nothing was learnt, beside which the rows of the same network and views stand in what was found.
    """
    known, doubts = _distinct(records)
    shown, at = of_board(known, benchmarks, protocols), Places(imposed_options([*known, *unlearnt]))
    warnings = sorted(doubts[record.identity] for record in shown if record.identity in doubts)
    members = at.by_column(shown)
    keys = _columns(members, benchmarks, protocols)
    titles = column_titles(keys)
    columns, means = tuple(replace(key, title=titles[key]) for key in keys), means_of(keys)
    rows, more = _rows(shown, at, keys, means, per_clip)
    warnings += more
    before = {without_training(row.key): row for row in _rows(unlearnt, at, keys, (), None)[0]}
    own = {row.key: before[key] for row in rows if (key := without_training(row.key)) in before}
    tests = [tested(rows, number, own) for number in range(len(columns))]
    ranked, names = _ranked(marked(rows, tests)), names_of(rows)
    notes, cautions = notes_of(columns, ranked, [members[key] for key in keys], shown)
    across = across_of(columns, means, ranked, names)
    return Board(
        columns,
        ranked,
        (*findings(columns, tests, names), *across_findings(across)),
        (
            *warnings,
            *unshown_seeds(columns, ranked, names, _by_place(known, at)),
            *sweep_warnings(columns, ranked, names),
            *cautions,
        ),
        notes,
        tuple(sorted({record.command for record in shown if record.command})),
        tuple(shown),
        means=means,
        across=across,
        over_clips=per_clip is not None,
        highlights=highlights(columns, tests, names, across),
    )


def of_board(
    records: Iterable[Record], benchmarks: Sequence[str] | None, protocols: Sequence[str] | None
) -> list[Record]:
    """The records of some benchmarks (``NAME`` or ``NAME/SPLIT``) and protocols, of all where None."""
    return [
        record
        for record in records
        if (benchmarks is None or _named(record.benchmark, benchmarks) is not None)
        and (protocols is None or record.protocol["name"] in protocols)
    ]


def _by_place(records: Iterable[Record], at: Places) -> Mapping[Place, Sequence[Record]]:
    records_at: dict[Place, Sequence[Record]] = {}
    for row, own in at.by_row(records).items():
        splits: dict[tuple[str, str], list[Record]] = defaultdict(list)
        for record in own:
            splits[record.benchmark["name"], record.benchmark["split"]].append(record)
        records_at |= {(row, *split): of_split for split, of_split in splits.items()}
    return records_at


def _distinct(records: Iterable[Record]) -> tuple[list[Record], dict[str, str]]:
    """Each identity once, sorted; a warning for each of which copies disagree."""
    copies: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        copies[record.identity].append(record)
    kept, doubts = [], {}
    for identity in sorted(copies):
        first, *others = copies[identity]
        if others:
            first, *others = sorted(copies[identity], key=lambda record: (record.created, record.to_json()))
        kept.append(first)
        if any(first.scores != other.scores for other in others):
            doubts[identity] = f"record {identity} exists with different scores; the one of {first.created} is shown"
    return kept, doubts


def _columns(
    members: Mapping[Column, Iterable[Record]], benchmarks: Sequence[str] | None, protocols: Sequence[str] | None
) -> tuple[Column, ...]:
    heads = {column: any(record.epoch is not None for record in own) for column, own in members.items()}

    def place(column: Column) -> tuple[Any, ...]:
        judged_on = {"name": column.benchmark, "split": column.split}
        benchmark = _named(judged_on, benchmarks) if benchmarks is not None else 0
        protocol = protocols.index(column.protocol) if protocols is not None else int(not heads[column])
        return benchmark, column.benchmark, column.split, protocol, column

    return tuple(sorted(heads, key=place))


def _named(benchmark: Mapping[str, Any], chosen: Sequence[str]) -> int | None:
    """Where a record's benchmark stands in a choice of ``NAME`` and ``NAME/SPLIT``; None where it does not."""
    names = (benchmark["name"], f"{benchmark['name']}/{benchmark['split']}")
    return min((chosen.index(name) for name in names if name in chosen), default=None)


def _unproven(record: Record) -> bool:
    """True where what the encoder saw is unknown, or is what its owner says."""
    return record.method["plugin"] in UNPROVEN or not record.proven_origins


def _rows(
    records: Sequence[Record],
    at: Places,
    columns: Sequence[Column],
    means: Sequence[Mean],
    per_clip: PerClip | None,
) -> tuple[list[Row], list[str]]:
    """The rows of these records, by column; a warning for each column of which no number can be made."""
    table = {key: at.by_column(own) for key, own in at.by_row(records).items()}
    labels, rows, warnings = row_labels(sorted(table)), [], []
    for key in sorted(table):
        row, more = _row(key, labels[key], [table[key].get(one, []) for one in columns], columns, means, per_clip)
        rows.append(row)
        warnings += more
    return rows, warnings


def _row(
    key: RowKey,
    label: str,
    members: Sequence[Sequence[Record]],
    columns: Sequence[Column],
    means: Sequence[Mean],
    per_clip: PerClip | None,
) -> tuple[Row, list[str]]:
    """The row of these records, by column; a warning for each column of which no number can be made."""
    cells, warnings = [], []
    for column, own in zip(columns, members, strict=True):
        groups = same_weights(own)
        twice = run_twice(groups)
        if twice:
            warnings.append(_conflict(label, column, twice))
        doubts = {"leak": any(map(leaks, own)), "unproven": any(map(_unproven, own)), "swept": any(map(swept, own))}
        cells.append(cell_of(column, groups, **doubts, per_clip=per_clip) if own and not twice else None)
    records = [record for own in members for record in own]
    trained = any(record.seen or _unproven(record) for record in records)
    costs = (_median(records, "pretrain_seconds"), _median(records, "samples_per_second"))
    parameters = records[0].backbone["parameters"]
    return Row(key, label, tuple(cells), means_of_row(cells, means), None, trained, parameters, *costs), warnings


def _median(records: Sequence[Record], cost: str) -> float:
    """Over pretrainings, each counted once; the upper one of two in the middle, so that it was really measured."""
    amounts = {record.pretrain_identity: record.cost.get(cost) or 0.0 for record in records}
    return statistics.median_high(amounts.values())


def _conflict(label: str, column: Column, records: Sequence[Record]) -> str:
    differ = [
        name for name in ("pretrain_identity", "weights_sha256", "seen", "counts", "labels") if _differ(records, name)
    ]
    names = ", ".join(record.identity for record in records)
    return (
        f"{label} has no number on {column.benchmark}/{column.split} {column.protocol}: seed {records[0].trained_with}"
        f" was run more than once with the same options (records {names}; they differ in"
        f" {', '.join(differ) or 'identity'}); keep one"
    )


def _differ(records: Sequence[Record], name: str) -> bool:
    return any(getattr(record, name) != getattr(records[0], name) for record in records)


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
