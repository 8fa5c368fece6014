"""The board as GitHub-flavoured Markdown; whatever a name holds, it stays text in its cell."""

from __future__ import annotations

from sslskel.leaderboard.formats.short import key_findings, left_out
from sslskel.leaderboard.model import Board, Row
from sslskel.leaderboard.wording import (
    PUBLISHED,
    PUBLISHED_FACTS,
    SHORT,
    Shown,
    counted,
    facts_of,
    legend,
    number_parts,
    published_facts,
    title,
)
from sslskel.text import escape, fenced, percent, table


def markdown_text(board: Board, shown: Shown = SHORT) -> str:
    """Title, table, how to read it, findings, warnings; with details also published numbers and how it was made."""
    if not board.rows:
        return "There are no records yet.\n"
    facts, shared = facts_of(board, short=not shown.details)
    titles = [*(fact.title for fact in facts), *(column.title for column in board.columns)]
    titles = [*map(escape, titles), *(escape(mean.title) for mean in board.means)]
    counts = counted(board, shown)
    rows = ([*(escape(fact.of(row)) for fact in facts), *_numbers(row, shown, counts)] for row in board.rows)
    blocks = [
        f"# {escape(title(board))}",
        table(titles, rows, range(len(facts), len(titles))),
        escape(" ".join(filter(None, (legend(board, shown), shared)))),
    ]
    findings, more = (board.findings, 0) if shown.details else key_findings(board)
    if shown.details and board.published:
        blocks += [escape(PUBLISHED), _published(board)]
    made = board.notes if shown.details else ()
    for heading, sentences in (("Shown", findings), ("Beware", board.warnings), ("Made", made)):
        if sentences:
            blocks.append("\n".join([f"{heading}:", "", *(f"- {escape(sentence)}" for sentence in sentences)]))
    if not shown.details:
        blocks.append(escape(left_out(board, more)))
    elif board.commands:
        blocks.append(f"By:\n\n{fenced(board.commands)}")
    return "\n\n".join(blocks) + "\n"


def _published(board: Board) -> str:
    titles = [*PUBLISHED_FACTS, *(column.title for column in board.columns), "source"]
    rows = (map(escape, [*published_facts(row), *map(percent, row.values), row.source]) for row in board.published)
    return table([*map(escape, titles)], rows, range(len(PUBLISHED_FACTS), len(titles) - 1))


def _numbers(row: Row, shown: Shown, counts: bool) -> list[str]:
    parts = (number_parts(cell, counts=counts, intervals=shown.intervals) for cell in row.cells)
    numbers = [escape(" ".join(one)) for one in parts]
    bold = [f"**{text}**" if cell and cell.bold else text for text, cell in zip(numbers, row.cells, strict=True)]
    return [*bold, *map(percent, row.means)]
