"""The board for a terminal; names are shown as text, never as markup."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sslskel.leaderboard.formats.short import WIDTH, key_findings, left_out
from sslskel.leaderboard.model import Board, BoardCell
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
    short_titles,
)
from sslskel.text import percent, plain

WIDE = 100_000
"""Columns of a console on which nothing is ever folded."""
PIECE = re.compile(r"[^\s_/]+[\s_/]?|[\s_/]")
"""Where a heading may be folded: behind blanks, underscores and slashes."""


class _Look(NamedTuple):
    """How narrow a table is made."""

    names: int | None = None
    """Widest name of a row."""
    folded: bool = False
    """Headings and intervals take several lines."""
    stacked: bool = False
    """A standard deviation stands below its mean."""


LOOKS = _Look(), _Look(30, folded=True), _Look(16, folded=True, stacked=True)
"""The first that a terminal is wide enough for; where none is, tables of the second with a part of the columns each."""


def print_board(
    board: Board, console: Console | None = None, *, details: bool = False, intervals: bool = False
) -> None:
    """Show a board on the terminal: scores and the key findings.

    ``intervals`` adds those to the scores; ``details`` adds all other findings, published numbers, recipes, seeds,
    costs and versions. The table is folded where the terminal is too narrow, and becomes several where it must.
    """
    console, shown = console or Console(), Shown(intervals or board.over_clips, details)
    if not board.rows:
        console.print("There are no records yet.")
        _print_warnings(board, console)
        return
    if not details and (shared := short_titles(board.columns)[0]):
        console.print(Text(plain(shared), style="bold"))
    for table in _tables(board, console, shown):
        console.print(table)
    if details:
        _print_details(board, console, shown)
    else:
        _print_short(board, console, shown)


def _print_short(board: Board, console: Console, shown: Shown) -> None:
    findings, more = key_findings(board, min(console.width, WIDTH))
    _print_lines(console, [legend(board, shown), facts_of(board, short=True)[1], *findings])
    _print_warnings(board, console)
    console.print(Text(left_out(board, more), style="dim"))


def _print_details(board: Board, console: Console, shown: Shown) -> None:
    if board.published:
        console.print(Text(PUBLISHED))
        console.print(_published(board))
    _print_lines(console, [legend(board, shown), facts_of(board)[1], *board.findings])
    _print_warnings(board, console)
    for note in board.notes:
        console.print(Text(plain(note), style="dim"))


def _print_lines(console: Console, lines: Iterable[str]) -> None:
    for text in filter(None, lines):
        console.print(Text(plain(text)))


def _print_warnings(board: Board, console: Console) -> None:
    for warning in board.warnings:
        console.print(Text(plain(f"Warning: {warning}"), style="yellow"))


def table_text(board: Board, shown: Shown = SHORT) -> str:
    """The same as text, in one table however wide, without colours."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=WIDE, force_terminal=False, color_system=None, legacy_windows=False)
    print_board(board, console, details=shown.details, intervals=shown.intervals)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _published(board: Board) -> Table:
    table = Table(style="dim")
    for title in PUBLISHED_FACTS:
        table.add_column(title, overflow="fold")
    for column in board.columns:
        table.add_column(Text(plain(column.title)), justify="right", overflow="fold")
    table.add_column("source", overflow="fold")
    for row in board.published:
        words = (*published_facts(row), *map(percent, row.values), row.source)
        table.add_row(*(Text(plain(word), style="italic") for word in words))
    return table


def _tables(board: Board, console: Console, shown: Shown) -> list[Table]:
    """One table if it fits, else one that takes less width, else as many columns at a time as fit."""
    count = len(board.columns)

    def table(start: int, stop: int, look: _Look) -> Table:
        return _table(board, range(start, stop), look, shown, means=stop == count)

    for look in LOOKS:
        whole = table(0, count, look)
        if _width(whole, console) <= console.width:
            return [whole]
    tables, start = [], 0
    while start < count:
        stop = start + 1
        while stop < count and _width(table(start, stop + 1, LOOKS[1]), console) <= console.width:
            stop += 1
        tables.append(table(start, stop, LOOKS[1]))
        start = stop
    return tables


def _width(table: Table, console: Console) -> int:
    return Measurement.get(console, console.options.update(width=WIDE), table).maximum


def _table(board: Board, positions: Sequence[int], look: _Look, shown: Shown, *, means: bool) -> Table:
    """Some columns of the board, and the means where they are the last ones."""
    table = Table() if shown.details else Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    facts, counts = facts_of(board, short=not shown.details)[0], counted(board, shown)
    titles = [column.title for column in board.columns] if shown.details else short_titles(board.columns)[1]
    for fact in facts:
        table.add_column(fact.title, overflow="fold", max_width=look.names)

    def words(cell: BoardCell | None) -> str:
        parts = number_parts(cell, counts=counts, intervals=shown.intervals)
        spread = parts[0].replace(" ± ", "\n± ") if look.stacked else parts[0]
        return ("\n" if look.folded else " ").join((spread, *parts[1:]))

    columns = [(titles[at], [words(row.cells[at]) for row in board.rows]) for at in positions]
    if means:
        columns += [(mean.title, [percent(row.means[at]) for row in board.rows]) for at, mean in enumerate(board.means)]
    for title, texts in columns:
        lines = [line for text in texts for line in text.splitlines()]
        heading, width = _heading(plain(title), max(map(len, lines)), look)
        table.add_column(Text(heading), justify="right", overflow="fold", width=width)
    for at, row in enumerate(board.rows):
        cells = [row.cells[position] for position in positions]
        styles = ["bold" if cell and cell.bold else "" for cell in cells] + [""] * (len(columns) - len(cells))
        numbers = [Text(texts[at], style=style) for (_, texts), style in zip(columns, styles, strict=True)]
        table.add_row(*(Text(plain(fact.of(row))) for fact in facts), *numbers)
    return table


def _heading(title: str, least: int, look: _Look) -> tuple[str, int | None]:
    """A column's heading and width. Where space is short, names are folded and numbers are not."""
    if not look.folded:
        return title, None
    pieces = PIECE.findall(title)
    longest = max((len(piece.strip()) for piece in pieces), default=0)
    width = max(least, min(longest, look.names or longest))
    lines = [""]
    for piece in pieces:
        if lines[-1] and len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.strip() for line in lines), width
