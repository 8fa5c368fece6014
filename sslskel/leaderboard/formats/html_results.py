"""The lines of the table of results on an HTML board: measured, published and failed, with what they are filtered by.

Text is made plain here; the page's script writes it as text alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict

from sslskel.leaderboard.model import Board, BoardCell, Column, Failed, Row
from sslskel.leaderboard.wording import published_facts
from sslskel.results.record import Record
from sslskel.text import EMPTY, percent, plain

FILTERS = (
    "status",
    "family",
    "year",
    "benchmark",
    "protocol",
    "labels",
    "method",
    "backbone",
    "streams",
    "preset",
)
MEASURED, PRINTED, FAILED = "measured", "published", "failed"
UNDER_ALL = -1.0
"""Sorts what has no number below everything that has one."""


class Line(TypedDict):
    """A line as the script reads it."""

    kind: str
    row: int
    """Of the ranking; -1 for none."""
    words: list[str]
    """What :data:`FILTERS` name, in their order."""
    parameters: int | None
    seconds: float | None
    """Of pretraining."""
    score: str
    order: float
    """What the score sorts by."""
    interval: str
    low: float
    seeds: int | None
    runs: list[tuple[int, int]]
    """(seed, place in :func:`in_order`)."""
    source: str


def lines_of(board: Board) -> list[Line]:
    """One per number, measured or printed, and per cell that failed."""
    return [*_measured(board), *_published(board), *_failed(board)]


def in_order(board: Board) -> list[Record]:
    """The records as the page lists them. Those that share digests are neighbours, which packs them small."""

    def order(one: Record) -> tuple[str | int, ...]:
        place = one.benchmark["name"], one.benchmark["split"]
        return one.method["name"], *place, one.trained_with, one.pretrain_identity, one.protocol["name"], one.identity

    return sorted(board.records, key=order)


def unranked(board: Board) -> list[str]:
    """Methods of which every cell failed, so that no row of the board is theirs."""
    known = {row.key.method for row in board.rows}
    return list(dict.fromkeys(one.method for one in board.failed if one.method and one.method not in known))


def failed_at(board: Board, method: str) -> set[int]:
    """Columns in which a cell of this method failed, where its rows do not leave open which of them it was."""
    rows = [row for row in board.rows if row.key.method == method]
    failed = {(one.benchmark, one.protocol) for one in board.failed if one.method == method}
    return {
        at
        for at, column in enumerate(board.columns)
        if (f"{column.benchmark}/{column.split}", column.protocol) in failed
        and sum(row.cells[at] is None for row in rows) <= 1
    }


def _measured(board: Board) -> Iterator[Line]:
    records = in_order(board)
    places = {record.identity: at for at, record in enumerate(records)}
    known = {one.name: one for one in board.literature if one.kind == "method"}
    for at, row in enumerate(board.rows):
        paper = known.get(row.key.method)
        family, year = (paper.family, paper.year) if paper else ("", None)
        for column, cell in zip(board.columns, row.cells, strict=True):
            if cell is None:
                continue
            low, high = cell.summary.interval or (None, None)
            labels = {records[places[one]].labels for one in cell.records if one in places}
            words = _words(column, _status(cell), family, year)
            words |= {"labels": _range(labels), **_of_row(row)}
            yield {
                "kind": MEASURED,
                "row": at,
                "words": _listed(words),
                "parameters": row.parameters,
                "seconds": round(row.pretrain_seconds, 1),
                "score": f"{percent(cell.summary.mean)}{cell.marks}",
                "order": round(cell.summary.mean, 6),
                "interval": EMPTY if low is None else f"{percent(low)} to {percent(high)}",
                "low": UNDER_ALL if low is None else round(low, 6),
                "seeds": cell.summary.n,
                "runs": [(one.seed, places[one.record]) for one in cell.evaluations if one.record in places],
                "source": "",
            }


def _of_row(row: Row) -> dict[str, str]:
    key = row.key
    return {"method": row.label, "backbone": key.backbone, "streams": "+".join(key.streams), "preset": key.preset}


def _status(cell: BoardCell) -> str:
    doubts = (
        (cell.leak, "saw test clips †"),
        (cell.unproven, "unproven ‡"),
        (cell.swept, "of a sweep §"),
    )
    return ", ".join([MEASURED, *(words for holds, words in doubts if holds)])


def _range(numbers: set[int]) -> str:
    return " to ".join(f"{number:,}" for number in sorted({min(numbers), max(numbers)})) if numbers else EMPTY


def _published(board: Board) -> Iterator[Line]:
    for row in board.published:
        method, _, backbone, streams = published_facts(row)
        named = method if row.year is None else f"{method} ({row.year})"
        for column, value in zip(board.columns, row.values, strict=True):
            if value is not None:
                words = _words(column, PRINTED, "", row.year)
                words |= {"method": named, "backbone": backbone, "streams": streams}
                yield {**_bare(PRINTED, words, row.source), "score": percent(value), "order": round(value, 6)}


def _failed(board: Board) -> Iterator[Line]:
    own = {method: len(board.rows) + at for at, method in enumerate(unranked(board))}
    known = {one.name: one for one in board.literature if one.kind == "method"}
    for one in board.failed:
        paper = known.get(one.method)
        words = _words(None, FAILED, paper.family if paper else "", paper.year if paper else None)
        words |= {"benchmark": one.benchmark, "protocol": one.protocol, "method": one.method or EMPTY}
        line = _bare(FAILED, words, _reason(one))
        yield {**line, "row": own.get(one.method, -1), "score": FAILED}


def _reason(one: Failed) -> str:
    return f"{one.title}: {one.reason}"


def _bare(kind: str, words: dict[str, str], source: str) -> Line:
    return {
        "kind": kind,
        "row": -1,
        "words": _listed(words),
        "parameters": None,
        "seconds": None,
        "score": EMPTY,
        "order": UNDER_ALL,
        "interval": EMPTY,
        "low": UNDER_ALL,
        "seeds": None,
        "runs": [],
        "source": plain(source),
    }


def _words(column: Column | None, status: str, family: str, year: int | None) -> dict[str, str]:
    words = dict.fromkeys(FILTERS, EMPTY)
    words |= {"status": status, "family": family or EMPTY, "year": EMPTY if year is None else str(year)}
    if column is not None:
        place = f"{column.benchmark}/{column.split}"
        judged = column.title.removeprefix(place).strip() or column.protocol
        words |= {"benchmark": place, "protocol": judged}
    return words


def _listed(words: dict[str, str]) -> list[str]:
    return [plain(words[name]) for name in FILTERS]


def choices(lines: Sequence[Line], name: str) -> list[str]:
    """What a filter offers."""
    at = FILTERS.index(name)
    return sorted({line["words"][at] for line in lines})
