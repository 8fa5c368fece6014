"""The papers of the methods and benchmarks of a board, as their plugins name them."""

from __future__ import annotations

import re

from sslskel.api.method import MethodCard
from sslskel.errors import UsageError
from sslskel.leaderboard.model import Board, Literature
from sslskel.plugins.registry import BENCHMARKS, METHODS, looked_up_once

_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


@looked_up_once()
def literature_of(board: Board) -> tuple[Literature, ...]:
    """One for each method and benchmark that is built in or installed and names its paper or family.

    Of plugins that only a record names no code is run.
    """
    plugins = {record.method["name"]: record.method["plugin"] for record in board.records}
    plugins |= {one.method: _plugin(one.method) for one in board.failed if one.method and one.method not in plugins}
    methods = [_of_method(name, plugin) for name, plugin in sorted(plugins.items())]
    names = {column.benchmark for column in board.columns}
    names |= {one.benchmark.partition("/")[0] for one in board.failed}
    benchmarks = [_of_benchmark(name) for name in sorted(names)]
    return tuple(one for one in (*methods, *benchmarks) if one.paper or one.family)


def _of_method(name: str, plugin: str) -> Literature:
    """A preset's own paper, else the card of its plugin."""
    known = METHODS.installed(plugin)
    card = known.card if known else MethodCard()
    paper = _preset_paper(name) or card.paper
    year = card.year if paper == card.paper and card.year else _first_year(paper)
    return Literature("method", name, paper, year, card.family)


def _preset_paper(name: str) -> str:
    try:
        return str(METHODS.preset(name).get("paper", ""))
    except UsageError:
        return ""


def _plugin(name: str) -> str:
    """Behind the name of a cell that has no record."""
    try:
        return METHODS.plugin_of(name)
    except UsageError:
        return name


def _of_benchmark(name: str) -> Literature:
    known = BENCHMARKS.installed(name)
    paper = known.citation if known else ""
    years = _YEAR.findall(paper)
    return Literature("benchmark", name, paper, int(years[-1]) if years else None)


def _first_year(paper: str) -> int | None:
    years = _YEAR.findall(paper)
    return int(years[0]) if years else None
