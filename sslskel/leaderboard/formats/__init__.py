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

__all__ = ["RENDERERS", "form_of", "print_board", "render", "write_board"]

RENDERERS = {
    "table": table_text,
    "markdown": markdown_text,
    "csv": csv_text,
    "json": json_text,
    "latex": latex_text,
    "html": html_text,
}
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


def render(board: Board, form: str) -> str:
    """A board as text; ``form`` is table, markdown, csv, json, latex or html. Raises ``UsageError`` for another."""
    if form not in RENDERERS:
        raise UsageError(
            f"there is no format '{form}'{did_you_mean(form, RENDERERS)} (there are: {', '.join(RENDERERS)})"
        )
    return RENDERERS[form](board)


def write_board(board: Board, form: str, path: Path) -> None:
    """Write a board to a file, whole or not at all. Raises ``RunError`` where it cannot be written."""
    text = render(board, form)
    # Bytes, so that no system turns line ends into others: the same records are the same file anywhere.
    write_output(path, text.encode("utf-8"))
