"""What a board says, the same in every format; no format's own syntax."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sslskel.leaderboard.model import Board, BoardCell, Published, Row
from sslskel.text import EMPTY, percent, plain

SCORES = "Scores in % on the test part: mean ± standard deviation over pretrainings (how many) "
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


class Fact(NamedTuple):
    """A column that describes rows."""

    title: str
    of: Callable[[Row], str]


FACTS = (
    Fact("backbone", lambda row: row.key.backbone),
    Fact("streams", lambda row: "+".join(row.key.streams)),
    Fact("precision", lambda row: row.key.precision),
)
ALWAYS = (
    Fact("#", lambda row: EMPTY if row.rank is None else str(row.rank)),
    Fact("method", lambda row: row.label),
    Fact("preset", lambda row: row.key.preset),
)


def title(board: Board) -> str:
    """What the board is of."""
    if board.title:
        return plain(f"Leaderboard: {board.title}")
    names = sorted({f"{column.benchmark}/{column.split}" for column in board.columns})
    return plain(f"Leaderboard: {', '.join(names)}" if names else "Leaderboard: there are no records yet")


def facts_of(board: Board) -> tuple[tuple[Fact, ...], str]:
    """Columns that describe the rows, and one sentence for those that would say the same in each."""
    shared = [fact for fact in FACTS if len({fact.of(row) for row in board.rows}) == 1]
    facts = ", ".join(f"{fact.title} {fact.of(board.rows[0])}" for fact in shared)
    shown = (*ALWAYS, *(fact for fact in FACTS if fact not in shared))
    return shown, f"All rows: {facts}." if facts else ""


def published_facts(row: Published) -> tuple[str, ...]:
    """What :data:`PUBLISHED_FACTS` name."""
    return row.method, EMPTY if row.year is None else str(row.year), row.backbone or EMPTY, row.streams or EMPTY


def legend(board: Board) -> str:
    """How to read the numbers; speaks of marks only where there are some."""
    cells = [cell for row in board.rows for cell in row.cells if cell is not None]
    marks = [
        (MEANS, bool(board.means)),
        (TESTS, any(cell.summary.n > 1 for cell in cells)),
        (BOLD, any(cell.bold for cell in cells)),
        (LEAK, any(cell.leak for cell in cells)),
        (UNPROVEN, any(cell.unproven for cell in cells)),
        (SWEPT, any(cell.swept for cell in cells)),
    ]
    scores = SCORES + (OVER_CLIPS if board.over_clips else ON_THESE_CLIPS)
    return " ".join([scores, *(text for text, used in marks if used)])


def marks(cell: BoardCell) -> str:
    """What stands behind a number that ranks nothing."""
    return f"{' †' if cell.leak else ''}{' ‡' if cell.unproven else ''}{' §' if cell.swept else ''}"


def number(cell: BoardCell | None, gap: str = " ") -> str:
    """``84.9 ± 0.3 (3) [84.2, 85.6]``, the interval after ``gap``; a dash where there is no number."""
    if cell is None:
        return EMPTY
    summary = cell.summary
    spread = "" if summary.sd is None else f" ± {percent(summary.sd)}"
    text = f"{percent(summary.mean)}{spread} ({summary.n}){marks(cell)}"
    if summary.interval is not None:
        text += f"{gap}[{percent(summary.interval[0])}, {percent(summary.interval[1])}]"
    return text
