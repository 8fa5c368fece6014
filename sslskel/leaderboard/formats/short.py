"""What the short forms of a board say below its table: as many findings as fit into a few lines, and what is left."""

from __future__ import annotations

import textwrap

from sslskel.leaderboard.model import Board
from sslskel.leaderboard.wording import short_titles
from sslskel.text import plain

LINES, WIDTH = 8, 80
"""Room for findings, in lines and in characters of a line."""


def key_findings(board: Board, width: int = WIDTH) -> tuple[list[str], int]:
    """The most telling findings that have room, whole and without what all columns share, and how many have none."""
    names = dict(zip((column.title for column in board.columns), short_titles(board.columns)[1], strict=True))
    sentences = dict.fromkeys(board.highlights)
    kept, room = list[str](), LINES
    for sentence in sentences:
        title = next((one for one in names if sentence.startswith(f"{one}: ")), None)
        text = plain(sentence if title is None else names[title] + sentence[len(title) :])
        lines = len(textwrap.wrap(text, width, break_on_hyphens=False))
        if lines <= room:
            kept.append(text)
            room -= lines
    return kept, len({*board.findings, *sentences}) - len(kept)


def left_out(board: Board, findings: int) -> str:
    """What ``--details`` adds to a short form that has left out so many findings."""
    more = [f"{findings} more finding{'s' if findings > 1 else ''}"] if findings else []
    numbers = sum(value is not None for row in board.published for value in row.values)
    more += [f"{numbers} published number{'s' if numbers > 1 else ''}"] if numbers else []
    return f"More with --details: {', '.join([*more, 'recipes, seeds, costs, versions'])}."
