"""What a board says, the same in every format; no format's own syntax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sslskel.leaderboard.model import Board, BoardCell, Column, Published, Row
from sslskel.text import EMPTY, percent, plain

SCORES = "Scores in % on the test part: mean ± standard deviation over pretrainings (how many)"
ONE = "Scores in % on the test part, of one pretraining each"
SAME = "Scores in % on the test part: mean ± standard deviation over {} pretrainings"
ON_THESE_CLIPS = "[95 % t interval over pretrainings, on these test clips]."
OVER_CLIPS = "[95 % interval over pretrainings and test clips]."
TESTS = "p: two-sided Welch tests over pretrainings on these test clips, corrected by Holm within each column."
MEANS = "A mean is over columns of one protocol and score, and empty where a number is missing."
BOLD = "Bold: at least 3 pretrainings, and above every other row of the column (p < 0.05)."
PUBLISHED = (
    "Published, not measured here: each number is its source's, with its sizes, data and way of choosing an epoch,"
    " which is often the best one on the test part."
)
PUBLISHED_FACTS = ("published method", "year", "backbone", "streams")
LEAK = "†: pretraining saw, or may have seen, clips of the test part; never bold."
SWEPT = "§: one of several option values that a sweep ran on these test clips; never bold, in no test."
UNPROVEN = "‡: nothing proves what the encoder saw in pretraining; never bold, in no test."


class Shown(NamedTuple):
    """How much of a board a format for people shows; those for programs hold all of it."""

    intervals: bool = False
    """Behind each score."""
    details: bool = False
    """Also numbers of pretrainings in each cell, every finding, published numbers, recipes, costs, versions."""


SHORT, WHOLE = Shown(), Shown(intervals=True, details=True)


class Fact(NamedTuple):
    """A column that describes rows."""

    title: str
    of: Callable[[Row], str]


PRESET = Fact("preset", lambda row: row.key.preset)
FACTS = (
    Fact("backbone", lambda row: row.key.backbone),
    Fact("streams", lambda row: "+".join(row.key.streams)),
    Fact("precision", lambda row: row.key.precision),
)
METHOD = Fact("method", lambda row: row.label)
ALWAYS = (Fact("#", lambda row: EMPTY if row.rank is None else str(row.rank)), METHOD)


def title(board: Board) -> str:
    """What the board is of."""
    if board.title:
        return plain(f"Leaderboard: {board.title}")
    names = sorted({f"{column.benchmark}/{column.split}" for column in board.columns})
    return plain(f"Leaderboard: {', '.join(names)}" if names else "Leaderboard: there are no records yet")


def facts_of(board: Board, *, short: bool = False) -> tuple[tuple[Fact, ...], str]:
    """Columns that describe the rows, and one sentence for those that would say the same in each.

    The preset is among these in a short form alone, since results of different presets do not compare.
    """
    always, facts = (ALWAYS, (PRESET, *FACTS)) if short else ((*ALWAYS, PRESET), FACTS)
    shared = [fact for fact in facts if len({fact.of(row) for row in board.rows}) == 1]
    words = ", ".join(f"{fact.title} {fact.of(board.rows[0])}" for fact in shared)
    return (*always, *(fact for fact in facts if fact not in shared)), f"All rows: {words}." if words else ""


def short_titles(columns: Sequence[Column]) -> tuple[str, tuple[str, ...]]:
    """What the titles of all columns share, and what is left of each: its protocol and what differs."""
    places = [f"{column.benchmark}/{column.split}" for column in columns]
    place, score = len({*places}) == 1, len({column.score for column in columns}) == 1
    titles = []
    for column, where in zip(columns, places, strict=True):
        rest = column.title.removeprefix(f"{where} {column.protocol} {column.score}")
        words = ("" if place else where, column.protocol, "" if score else column.score)
        titles.append(" ".join(filter(None, words)) + rest)
    shared = ((places[0] if place else ""), (columns[0].score if score else ""))
    return ", ".join(filter(None, shared)), tuple(titles)


def published_facts(row: Published) -> tuple[str, ...]:
    """What :data:`PUBLISHED_FACTS` name."""
    return row.method, EMPTY if row.year is None else str(row.year), row.backbone or EMPTY, row.streams or EMPTY


def legend(board: Board, shown: Shown = WHOLE) -> str:
    """How to read the numbers; speaks of marks only where there are some."""
    return " ".join([scores_of(board, shown), *marks_of(board)])


def scores_of(board: Board, shown: Shown) -> str:
    """What the numbers are, in a sentence."""
    scores = SCORES
    if not counted(board, shown):
        number = max((cell.summary.n for cell in _cells(board)), default=1)
        scores = ONE if number == 1 else SAME.format(number)
    return f"{scores} {OVER_CLIPS if board.over_clips else ON_THESE_CLIPS}" if shown.intervals else f"{scores}."


def marks_of(board: Board) -> list[str]:
    """A sentence for each kind of mark, mean and test that the board has."""
    cells = _cells(board)
    marks = [
        (MEANS, bool(board.means)),
        (TESTS, any(cell.summary.n > 1 for cell in cells)),
        (BOLD, any(cell.bold for cell in cells)),
        (LEAK, any(cell.leak for cell in cells)),
        (UNPROVEN, any(cell.unproven for cell in cells)),
        (SWEPT, any(cell.swept for cell in cells)),
    ]
    return [text for text, used in marks if used]


def counted(board: Board, shown: Shown) -> bool:
    """Whether each cell says of how many pretrainings it is: not where one sentence says it of all."""
    return shown.details or len({cell.summary.n for cell in _cells(board)}) > 1


def _cells(board: Board) -> list[BoardCell]:
    return [cell for row in board.rows for cell in row.cells if cell is not None]


def number(cell: BoardCell | None, gap: str = " ") -> str:
    """``84.9 ± 0.3 (3) [84.2, 85.6]``, the interval after ``gap``; a dash where there is no number."""
    return gap.join(number_parts(cell, counts=True, intervals=True))


def number_parts(cell: BoardCell | None, *, counts: bool, intervals: bool) -> tuple[str, ...]:
    """``84.9 ± 0.3 (3)`` and ``[84.2, 85.6]``, the number of pretrainings and the interval where asked for."""
    if cell is None:
        return (EMPTY,)
    text, interval = cell.words(counts=counts), cell.summary.interval
    if interval is None or not intervals:
        return (text,)
    return text, f"[{percent(interval[0])}, {percent(interval[1])}]"
