"""The board for a terminal; names are shown as text, never as markup."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sslskel.leaderboard.model import Board
from sslskel.leaderboard.wording import PUBLISHED, PUBLISHED_FACTS, facts_of, legend, number, published_facts
from sslskel.text import percent, plain

WIDE = 100_000
"""Columns of a console on which nothing is ever folded."""
FOLDED = 30
"""Widest name in a compact table."""


def print_board(board: Board, console: Console | None = None) -> None:
    """Show a board on the terminal, in several tables where it is too narrow for one."""
    console = console or Console()
    if not board.rows:
        console.print("There are no records yet.")
        _print_warnings(board, console)
        return
    for table in _tables(board, console):
        console.print(table)
    if board.published:
        console.print(Text(PUBLISHED))
        console.print(_published(board))
    _, shared = facts_of(board)
    for text in filter(None, (legend(board), shared, *board.findings)):
        console.print(Text(plain(text)))
    _print_warnings(board, console)
    for note in board.notes:
        console.print(Text(plain(note), style="dim"))


def _print_warnings(board: Board, console: Console) -> None:
    for warning in board.warnings:
        console.print(Text(plain(f"Warning: {warning}"), style="yellow"))


def table_text(board: Board) -> str:
    """The same as text, in one table however wide, without colours."""
    buffer = io.StringIO()
    print_board(board, Console(file=buffer, width=WIDE, force_terminal=False, color_system=None, legacy_windows=False))
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


def _tables(board: Board, console: Console) -> list[Table]:
    """One table if it fits, else a compact one, else as many columns at a time as fit."""
    count = len(board.columns)
    for compact in (False, True):
        whole = _table(board, range(count), compact=compact, means=True)
        if _width(whole, console) <= console.width:
            return [whole]
    tables, start = [], 0
    while start < count:
        stop = start + 1
        while stop < count:
            wider = _table(board, range(start, stop + 1), compact=True, means=stop + 1 == count)
            if _width(wider, console) > console.width:
                break
            stop += 1
        tables.append(_table(board, range(start, stop), compact=True, means=stop == count))
        start = stop
    return tables


def _width(table: Table, console: Console) -> int:
    return Measurement.get(console, console.options.update(width=WIDE), table).maximum


def _table(board: Board, positions: Sequence[int], *, compact: bool, means: bool) -> Table:
    """Some columns of the board. A compact table folds names and puts intervals on a line of their own."""
    table, (facts, _) = Table(), facts_of(board)
    for fact in facts:
        table.add_column(fact.title, overflow="fold", max_width=FOLDED if compact else None)
    gap = "\n" if compact else " "
    for position in positions:
        title = Text(plain(board.columns[position].title))
        numbers = [number(row.cells[position], gap) for row in board.rows]
        # Where space is short, names are folded and numbers are not.
        least = max(len(line) for text in (*numbers, *str(title).split()) for line in text.splitlines())
        table.add_column(title, justify="right", overflow="fold", width=min(least, FOLDED) if compact else None)
    for mean in board.means if means else ():
        least = max(len(word) for word in (*mean.title.split(), percent(1.0)))
        table.add_column(Text(plain(mean.title)), justify="right", overflow="fold", width=least if compact else None)
    for row in board.rows:
        words = [Text(plain(fact.of(row))) for fact in facts]
        cells = [row.cells[position] for position in positions]
        shown = [Text(number(cell, gap), style="bold" if cell and cell.bold else "") for cell in cells]
        table.add_row(*words, *shown, *(map(percent, row.means) if means else ()))
    return table
