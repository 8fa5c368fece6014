"""The board as GitHub-flavoured Markdown; whatever a name holds, it stays text in its cell."""

from __future__ import annotations

from sslskel.leaderboard.model import Board, Row
from sslskel.leaderboard.wording import (
    PUBLISHED,
    PUBLISHED_FACTS,
    facts_of,
    legend,
    number,
    published_facts,
    title,
)
from sslskel.text import escape, fenced, percent, table


def markdown_text(board: Board) -> str:
    """Title, table, how to read it, what it shows, warnings, notes and the commands that made it."""
    if not board.rows:
        return "There are no records yet.\n"
    facts, shared = facts_of(board)
    titles = [*(fact.title for fact in facts), *(column.title for column in board.columns)]
    titles = [*map(escape, titles), *(escape(mean.title) for mean in board.means)]
    rows = ([*(escape(fact.of(row)) for fact in facts), *_numbers(row)] for row in board.rows)
    blocks = [
        f"# {escape(title(board))}",
        table(titles, rows, range(len(facts), len(titles))),
        escape(" ".join(filter(None, (legend(board), shared)))),
    ]
    if board.published:
        blocks += [escape(PUBLISHED), _published(board)]
    for heading, sentences in (("Shown", board.findings), ("Beware", board.warnings), ("Made", board.notes)):
        if sentences:
            blocks.append("\n".join([f"{heading}:", "", *(f"- {escape(sentence)}" for sentence in sentences)]))
    if board.commands:
        blocks.append(f"By:\n\n{fenced(board.commands)}")
    return "\n\n".join(blocks) + "\n"


def _published(board: Board) -> str:
    titles = [*PUBLISHED_FACTS, *(column.title for column in board.columns), "source"]
    rows = (map(escape, [*published_facts(row), *map(percent, row.values), row.source]) for row in board.published)
    return table([*map(escape, titles)], rows, range(len(PUBLISHED_FACTS), len(titles) - 1))


def _numbers(row: Row) -> list[str]:
    numbers = [escape(number(cell)) for cell in row.cells]
    bold = [f"**{text}**" if cell and cell.bold else text for text, cell in zip(numbers, row.cells, strict=True)]
    return [*bold, *map(percent, row.means)]
