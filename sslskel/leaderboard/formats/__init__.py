"""A board as text in any format, printed or written. All formats carry the same numbers."""

from __future__ import annotations

from pathlib import Path

from sslskel.errors import UsageError, did_you_mean
from sslskel.files import write_output
from sslskel.leaderboard.formats.csv_json import csv_text, json_text
from sslskel.leaderboard.formats.html import html_text
from sslskel.leaderboard.formats.latex import latex_text
from sslskel.leaderboard.formats.markdown import markdown_text
from sslskel.leaderboard.formats.terminal import print_board, table_text
from sslskel.leaderboard.model import Board
from sslskel.leaderboard.wording import Shown

__all__ = ["RENDERERS", "form_of", "print_board", "render", "write_board"]

FOR_PEOPLE = {"table": table_text, "markdown": markdown_text, "latex": latex_text}
"""Short unless more is asked for."""
WHOLE = {"csv": csv_text, "json": json_text, "html": html_text}
RENDERERS = (*FOR_PEOPLE, *WHOLE)
SUFFIXES = {
    ".txt": "table",
    ".md": "markdown",
    ".csv": "csv",
    ".json": "json",
    ".tex": "latex",
    ".html": "html",
}
"""Ending of a file -> what is written into it."""


def form_of(path: Path) -> str:
    """The format that a file's ending stands for, a table where it has none. ``UsageError`` for an unknown one."""
    if form := SUFFIXES.get(path.suffix.lower(), "" if path.suffix else "table"):
        return form
    raise UsageError(
        f"'{path}' ends in '{path.suffix}', which says no format; end it in {', '.join(SUFFIXES)}, or give --format"
    )


def render(board: Board, form: str, *, details: bool = False, intervals: bool = False) -> str:
    """A board as text; ``form`` is table, markdown, csv, json, latex or html. Raises ``UsageError`` for another.

    Table, Markdown and LaTeX are short; ``intervals`` adds these behind the scores, and ``details`` every finding,
    published numbers, recipes, seeds, costs and versions. The other formats hold all of it.
    """
    if form not in RENDERERS:
        raise UsageError(
            f"there is no format '{form}'{did_you_mean(form, RENDERERS)} (there are: {', '.join(RENDERERS)})"
        )
    if form in WHOLE:
        return WHOLE[form](board)
    return FOR_PEOPLE[form](board, Shown(intervals or board.over_clips, details))


def write_board(board: Board, form: str, path: Path, *, details: bool = False, intervals: bool = False) -> None:
    """Write a board to a file as :func:`render`, whole or not at all. Raises ``RunError`` where it cannot be."""
    text = render(board, form, details=details, intervals=intervals)
    # Bytes, so that no system turns line ends into others: the same records are the same file anywhere.
    write_output(path, text.encode("utf-8"))
