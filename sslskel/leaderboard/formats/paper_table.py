"""A paper's table beside what was measured, as Markdown: numbers, and in words which of its order was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sslskel.leaderboard.cells import same_weights
from sslskel.leaderboard.compare import Comparison
from sslskel.leaderboard.model import Board, mean_words
from sslskel.results.record import Record
from sslskel.results.statistics import summarise
from sslskel.text import EMPTY, escape, fenced, percent, table

AGREES, LEANS, EQUAL, LEANS_AWAY, CONTRADICTS = KINDS = (
    "found, by more than noise",
    "found, but it may be noise",
    "not found, no difference at all",
    "found the other way round, but it may be noise",
    "contradicted, by more than noise",
)
MARK = "¶"
"""Behind printed numbers of another model than the measured one."""
AFTER = "after the description: no code was released, and what no source states is ours"
DESCRIBED = "◇"
"""Behind the name of a row whose system was written after its description alone."""


@dataclass(frozen=True)
class PrintedRow:
    """A line of the table."""

    name: str
    printed: Sequence[float | None]
    """In %, one per printed column."""
    printed_of: str
    """What model the printed numbers are of, where that is not the measured one; else empty."""
    records: Sequence[Record]
    absent: str = ""
    """Why there are no records; empty where there are."""
    described: bool = False
    """Whether no code of the system was released."""


def verdict(printed: float, comparison: Comparison) -> str:
    """How a measured difference stands to a printed one, which is not zero."""
    if comparison.difference == 0:
        return EQUAL
    same = comparison.difference * printed > 0
    if comparison.sure:
        return AGREES if same else CONTRADICTS
    return LEANS if same else LEANS_AWAY


def printed_table(
    title: str,
    paper: str,
    note: str,
    columns: Sequence[str],
    score: str,
    rows: Sequence[PrintedRow],
    pairs: Sequence[tuple[int, int, Comparison]],
    deviations: Sequence[str],
    board: Board,
) -> str:
    """The table, what was done otherwise for it, its order in words, and how it was made.

    ``score`` is the one that is shown, a share from 0 to 1 in every record.
    ``board`` is that of the records; it lends its notes, warnings and commands.
    """
    records = [row.records[0] for row in rows if row.records]
    usual = Counter(record.protocol["name"] for record in records).most_common(1)[0][0]
    others = [row for row in rows if row.records and row.records[0].protocol["name"] != usual]
    place = f"{records[0].benchmark['name']}/{records[0].benchmark['split']} {usual} {score}"
    head = ["row", f"measured: {place}", *(f"printed: {column}" for column in columns)]
    lines = []
    for row in rows:
        mark = f" {MARK}" if row.printed_of else ""
        shown = [EMPTY if value is None else f"{value:.1f}{mark}" for value in row.printed]
        name = f"{row.name} {DESCRIBED}" if row.described else row.name
        measured = _measured(score, row.records) if row.records else EMPTY
        lines.append([*map(escape, (name, measured, *shown))])
    blocks = [
        f"# {escape(title[:1].upper() + title[1:])}",
        f"After {escape(paper)}. Measured numbers: mean ± standard deviation over pretrainings (how many) \\[95 % t"
        " interval over pretrainings, on these test clips\\], in %."
        " Printed numbers are the paper's. Where data or sizes differ, heights do not compare, order may.",
        *([escape(note)] if note else []),
        table([*map(escape, head)], lines, range(1, len(head))),
        *[f"{MARK} {escape(f'{row.name}: printed is {row.printed_of}')}" for row in rows if row.printed_of],
        *[escape(f"{row.name}: measured by {row.records[0].protocol['name']}") for row in others],
        *([f"{DESCRIBED} {AFTER}"] if any(row.described for row in rows) else []),
        *[escape(f"{row.name} does not run here: {row.absent}") for row in rows if row.absent],
        "\n".join(["Deviations:", "", *(f"- {escape(line)}" for line in deviations)]),
        "\n".join(["What was found:", "", *(f"- {escape(line)}" for line in _findings(columns, rows, pairs))]),
        *(["\n".join(["Beware:", "", *(f"- {escape(line)}" for line in board.warnings)])] if board.warnings else []),
        "\n".join(["Made:", "", *(f"- {escape(line)}" for line in board.notes)]),
        f"By:\n\n{fenced(board.commands)}",
    ]
    return "\n\n".join(blocks) + "\n"


def _measured(score: str, records: Sequence[Record]) -> str:
    groups = same_weights(records)
    summary = summarise([summarise([one.scores[score] for one in group]).mean for group in groups])
    text = mean_words(summary)
    if summary.interval is None:
        return text
    return f"{text} [{percent(summary.interval[0])}, {percent(summary.interval[1])}]"


def _findings(
    columns: Sequence[str],
    rows: Sequence[PrintedRow],
    pairs: Sequence[tuple[int, int, Comparison]],
) -> list[str]:
    sentences = []
    foreign = [row.name for row in rows if row.printed_of]
    for at, column in enumerate(columns):
        judged: dict[str, list[str]] = {kind: [] for kind in KINDS}
        for one, other, comparison in pairs:
            left, right = (None if row.printed_of else row.printed[at] for row in (rows[one], rows[other]))
            if left is not None and right is not None and left != right:
                high, low = (one, other) if left > right else (other, one)
                judged[verdict(left - right, comparison)].append(f"{rows[high].name} above {rows[low].name}")
        total = sum(map(len, judged.values()))
        if total:
            parts = [f"{len(orders)} {kind} ({'; '.join(orders)})" for kind, orders in judged.items() if orders]
            sentences.append(f"of {total} orders printed for {column}: {', '.join(parts)}")
    if foreign:
        sentences.append(f"not judged: printed orders with {', '.join(foreign)}, which are of other models")
    return sentences + [f"{c.first} against {c.second}: {c.words()}" for _, _, c in pairs]
