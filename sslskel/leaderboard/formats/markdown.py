"""The board as GitHub-flavoured Markdown; whatever a name holds, it stays text in its cell."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sslskel.leaderboard.model import Board, Row
from sslskel.leaderboard.wording import (
    PUBLISHED,
    PUBLISHED_FACTS,
    facts_of,
    has_means,
    legend,
    number,
    percent,
    plain,
    published_facts,
    title,
)


def markdown_text(board: Board) -> str:
    """Title, table, how to read it, what it shows, warnings, notes and the commands that made it."""
    if not board.rows:
        return "There are no records yet.\n"
    facts, shared = facts_of(board)
    titles = [*(fact.title for fact in facts), *(column.title for column in board.columns)]
    rule = ["---"] * len(facts) + ["---:"] * (len(board.columns) + has_means(board))
    lines = [_line([*map(escape, titles), *(["mean"] if has_means(board) else [])]), _line(rule)]
    for row in board.rows:
        lines.append(_line([*(escape(fact.of(row)) for fact in facts), *_numbers(board, row)]))
    blocks = [f"# {escape(title(board))}", "\n".join(lines), escape(" ".join(filter(None, (legend(board), shared))))]
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
    rule = ["---"] * len(PUBLISHED_FACTS) + ["---:"] * len(board.columns) + ["---"]
    lines = [_line([*map(escape, titles)]), _line(rule)]
    for row in board.published:
        words = [*published_facts(row), *map(percent, row.values), row.source]
        lines.append(_line([*map(escape, words)]))
    return "\n".join(lines)


def _numbers(board: Board, row: Row) -> list[str]:
    numbers = [escape(number(cell)) for cell in row.cells]
    bold = [f"**{text}**" if cell and cell.bold else text for text, cell in zip(numbers, row.cells, strict=True)]
    return [*bold, *([percent(row.mean)] if has_means(board) else [])]


def _line(words: Sequence[str]) -> str:
    return f"| {' | '.join(words)} |"


def escape(text: str) -> str:
    """Text in which no character means anything to Markdown, HTML or GitHub's mentions and mathematics."""
    safe = re.sub(r"([\\`*\[\]<>|~$&#])", r"\\\1", plain(text))
    safe = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", safe)
    return re.sub(r"@|:(?=//)|(?<=\bwww)\.", lambda found: f"&#{ord(found[0])};", safe, flags=re.IGNORECASE)


def fenced(commands: Sequence[str]) -> str:
    """A code block whose fence is longer than any row of backticks inside."""
    safe = [plain(command) for command in commands]
    longest = max((len(run) for text in safe for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}sh" if longest < 3 else fence, *safe, fence])
