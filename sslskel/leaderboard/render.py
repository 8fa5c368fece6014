"""Renderers of a board: terminal, Markdown, CSV and JSON. All of them carry the same numbers."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sslskel.errors import RunError, UsageError, did_you_mean
from sslskel.leaderboard.table import Board, Cell, Row

LEGEND = (
    "Numbers are % on the test part: mean ± standard deviation over n seeds [95 % interval of the mean]."
    " Bold: the interval is disjoint from the runner-up's."
)
HEAD = ("method", "backbone", "preset", "precision")


def render(board: Board, form: str) -> str:
    """A board as text; ``form`` is table, markdown, csv or json. Raises ``UsageError`` for another."""
    if form not in RENDERERS:
        raise UsageError(
            f"there is no format '{form}'{did_you_mean(form, RENDERERS)} (there are: {', '.join(RENDERERS)})"
        )
    return RENDERERS[form](board)


def write_board(board: Board, form: str, path: Path) -> None:
    """Write a board to a file, whole or not at all."""
    text = render(board, form)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as fault:
        raise RunError(f"{path} cannot be written: {fault.strerror}") from fault
    finally:
        temporary.unlink(missing_ok=True)


def print_board(board: Board, console: Console | None = None) -> None:
    """Show a board on the terminal."""
    console = console or Console()
    if not board.rows:
        console.print("no records yet")
        return
    console.print(_rich_table(board))
    for note in (LEGEND, *board.notes):
        console.print(Text(plain(note), style="dim"))


def number(cell: Cell | None) -> str:
    """``84.90 ± 0.30 [84.16, 85.64] (3)``; a dash where nothing was run."""
    if cell is None:
        return "-"
    summary = cell.summary
    text = f"{100 * summary.mean:.2f}"
    if summary.sd is not None and summary.interval is not None:
        low, high = summary.interval
        text += f" ± {100 * summary.sd:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
    return f"{text} ({summary.n})"


def plain(text: str) -> str:
    """Text without control characters, so that names cannot steer a terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", " ", text)


def _head(row: Row) -> tuple[str, ...]:
    return (row.label, row.key.backbone, row.key.preset, row.key.precision)


def _means(board: Board) -> bool:
    return len(board.columns) > 1


def _mean(row: Row) -> str:
    return "-" if row.mean is None else f"{100 * row.mean:.2f}"


def _rich_table(board: Board) -> Table:
    titles = [*HEAD, *(column.title for column in board.columns), *(["mean"] if _means(board) else [])]
    table = Table()
    for title in titles:
        table.add_column(Text(plain(title)))
    for row in board.rows:
        cells = [Text(number(cell), style="bold" if cell and cell.bold else "") for cell in row.cells]
        mean = [Text(_mean(row))] if _means(board) else []
        table.add_row(*(Text(plain(word)) for word in _head(row)), *cells, *mean)
    return table


def _table(board: Board) -> str:
    buffer = io.StringIO()
    print_board(board, Console(file=buffer, width=200, force_terminal=False))
    return buffer.getvalue()


def _markdown(board: Board) -> str:
    titles = [*HEAD, *(column.title for column in board.columns), *(["mean"] if _means(board) else [])]
    lines = [_markdown_row([_markdown_text(title) for title in titles]), _markdown_row(["---"] * len(titles))]
    for row in board.rows:
        numbers = [f"**{number(cell)}**" if cell and cell.bold else number(cell) for cell in row.cells]
        mean = [_mean(row)] if _means(board) else []
        lines.append(_markdown_row([*(_markdown_text(word) for word in _head(row)), *numbers, *mean]))
    notes = [f"- {_markdown_text(note)}" for note in board.notes]
    commands = [f"    {plain(command)}" for command in board.commands]
    made = ["", "Made by:", "", *commands] if commands else []
    return "\n".join([*lines, "", LEGEND, "", *notes, *made]) + "\n"


def _markdown_row(words: list[str]) -> str:
    return "| " + " | ".join(words) + " |"


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#~!$&])", r"\\\1", plain(text))


def _csv(board: Board) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    facts = ("benchmark", "split", "protocol", "recipe", "selection", "score")
    writer.writerow([*HEAD, *facts, "n", "mean", "sd", "low", "high", "seeds", "scores", "bold"])
    for row in board.rows:
        for column, cell in zip(board.columns, row.cells, strict=True):
            if cell is None:
                continue
            low, high = cell.summary.interval or ("", "")
            values: list[object] = [
                cell.summary.n,
                repr(cell.summary.mean),
                "" if cell.summary.sd is None else repr(cell.summary.sd),
                low if low == "" else repr(low),
                high if high == "" else repr(high),
                " ".join(map(str, cell.seeds)),
                " ".join(map(repr, cell.scores)),
                int(cell.bold),
            ]
            names = [*_head(row), *(getattr(column, fact) for fact in facts)]
            writer.writerow([*map(_csv_text, names), *values])
    return buffer.getvalue()


def _csv_text(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    safe = plain(text)
    return f"'{safe}" if safe[:1] in ("=", "+", "-", "@") else safe


def _json(board: Board) -> str:
    content = {
        "schema": 1,
        "columns": [asdict(column) for column in board.columns],
        "rows": [
            {
                "label": row.label,
                **asdict(row.key),
                "parameters": row.parameters,
                "pretrain_seconds": row.pretrain_seconds,
                "mean": row.mean,
                "cells": [None if cell is None else asdict(cell) for cell in row.cells],
            }
            for row in board.rows
        ],
        "notes": board.notes,
        "commands": board.commands,
    }
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


RENDERERS = {"table": _table, "markdown": _markdown, "csv": _csv, "json": _json}
