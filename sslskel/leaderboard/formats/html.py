"""The board as one HTML file that opens offline: tables to sort and filter, cost, curves, a page per run.

Every name is escaped by the template or written as text by the script; the page loads nothing
and its content policy lets it load nothing. Libraries are inlined with their licences.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from sslskel.leaderboard.formats.html_details import DOWNLOADS, block, confusion_name, downloads_of
from sslskel.leaderboard.formats.html_results import (
    FAILED,
    FILTERS,
    UNDER_ALL,
    choices,
    failed_at,
    lines_of,
    unranked,
)
from sslskel.leaderboard.model import Board, BoardCell
from sslskel.leaderboard.wording import METHOD, PUBLISHED, Fact, facts_of, legend, number, title
from sslskel.text import EMPTY, percent, plain

if TYPE_CHECKING:
    from jinja2 import Template

SCRIPTS = ("jquery.slim.min.js", "datatables.min.js", "chart.umd.min.js")
OWN_SCRIPTS = ("plots.js", "classes.js", "results.js", "board.js")
"""In the order in which they need each other."""
LICENCES = {"jQuery": "jquery", "DataTables": "datatables", "Chart.js": "chart"}
MOST_COMMANDS = 50
"""Commands that the page lists; each run has its own beside it."""
LAST = 1_000_000
"""Sorts what has no rank below all ranks."""


def html_text(board: Board) -> str:
    """The page; a pure function of the board."""
    facts, shared = facts_of(board) if board.rows or board.failed else ((), "")
    lines, downloads = lines_of(board), downloads_of(board)
    page = _template().render(
        title=title(board),
        legend=legend(board),
        published=PUBLISHED if board.published else "",
        shared=shared,
        facts=[fact.title for fact in facts],
        columns=[plain(column.title) for column in board.columns],
        means=[plain(mean.title) for mean in board.means],
        ranking=[*_ranking(board, facts)],
        ranks=[plain(one.title) for one in board.across if one.rows],
        downloads=[(name, file) for name, file in DOWNLOADS.items() if file in downloads],
        left_out=", ".join(name for name, file in DOWNLOADS.items() if file not in downloads),
        filters=[(name, choices(lines, name)) for name in FILTERS],
        curves=bool(board.curves),
        probed=any(curve.scores for curve in board.curves),
        confusions=[{"at": at, "name": confusion_name(board, one)} for at, one in enumerate(board.confusions)],
        maps=[plain(one.title) for one in board.maps],
        findings=[plain(text) for text in board.findings],
        warnings=[plain(text) for text in board.warnings],
        notes=[plain(text) for text in board.notes],
        commands=[plain(text) for text in board.commands[:MOST_COMMANDS]],
        more_commands=max(len(board.commands) - MOST_COMMANDS, 0),
        data=Markup(block(board, lines, downloads)),
        licences=[(name, _asset(f"vendor/{stem}.LICENSE.txt")) for name, stem in LICENCES.items()],
        library_style=Markup(_asset("vendor/datatables.min.css")),
        library_scripts=[Markup(_asset(f"vendor/{name}")) for name in SCRIPTS],
        style=Markup(_asset("board.css")),
        script=Markup("\n".join(map(_asset, OWN_SCRIPTS))),
    )
    return page + "\n"


@functools.cache
def _template() -> Template:
    """Compiling it takes longer than rendering a page."""
    # A tenth of a second that boards in text need not wait for.
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_asset("board.html.j2"))


@functools.cache
def _asset(name: str) -> str:
    return (files("sslskel.leaderboard.formats.page") / name).read_text(encoding="utf-8")


def _ranking(board: Board, facts: Sequence[Fact]) -> Iterator[dict[str, Any]]:
    """The rows, and below them those methods of which every cell failed."""
    for row in board.rows:
        failed = failed_at(board, row.key.method) if None in row.cells else set()
        yield {
            "facts": [plain(fact.of(row)) for fact in facts],
            "cells": [_cell(cell, at in failed) for at, cell in enumerate(row.cells)],
            "means": [{"text": percent(mean), "order": UNDER_ALL if mean is None else mean} for mean in row.means],
            "order": LAST if row.rank is None else row.rank,
        }
    for method in unranked(board):
        failed = failed_at(board, method)
        yield {
            "facts": [plain(method) if fact.title == METHOD.title else EMPTY for fact in facts],
            "cells": [_cell(None, at in failed) for at in range(len(board.columns))],
            "means": [{"text": EMPTY, "order": UNDER_ALL}] * len(board.means),
            "order": LAST,
        }


def _cell(cell: BoardCell | None, failed: bool) -> dict[str, Any]:
    if cell is None:
        return {"text": FAILED if failed else EMPTY, "order": UNDER_ALL, "bold": False}
    return {"text": number(cell), "order": round(cell.summary.mean, 6), "bold": cell.bold}
