"""The board as one HTML file that opens offline: tables to sort and filter, cost, curves, a page per run.

Every name is escaped by the template or written as text by the script; the page loads nothing
and its content policy lets it load nothing. Libraries are inlined with their licences.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from sslskel.leaderboard.formats.csv_json import csv_text, json_text
from sslskel.leaderboard.formats.latex import latex_text
from sslskel.leaderboard.model import Board, BoardCell, Column, Confusion, Row
from sslskel.leaderboard.wording import PUBLISHED, facts_of, legend, number, published_facts, title
from sslskel.results.record import Record
from sslskel.text import EMPTY, percent, plain

FILTERS = ("kind", "benchmark", "protocol", "labels", "method", "backbone", "streams", "preset")
SCRIPTS = ("jquery.slim.min.js", "datatables.min.js", "chart.umd.min.js")
LICENCES = {"jQuery": "jquery", "DataTables": "datatables", "Chart.js": "chart"}
MEASURED, PRINTED = "measured", "published"
DOWNLOADS = {"CSV": "board.csv", "JSON": "board.json", "LaTeX": "board.tex"}
MOST_CHARACTERS = 500_000
"""What a page has room for of a file to download; a larger one is left to ``sslskel leaderboard``."""
UNDER_ALL = -1.0
"""Sorts what has no number below everything that has one."""


def html_text(board: Board) -> str:
    """The page; a pure function of the board."""
    facts, shared = facts_of(board) if board.rows else ((), "")
    results, downloads = list(_results(board)), _downloads(board)
    page = _template().render(
        title=title(board),
        legend=legend(board),
        published=PUBLISHED if board.published else "",
        shared=shared,
        facts=[fact.title for fact in facts],
        columns=[plain(column.title) for column in board.columns],
        means=[plain(mean.title) for mean in board.means],
        ranking=[_ranking(row, [plain(fact.of(row)) for fact in facts]) for row in board.rows],
        ranks=[plain(one.title) for one in board.across if one.rows],
        downloads=[(name, file) for name, file in DOWNLOADS.items() if file in downloads],
        filters=[(name, _choices(results, at)) for at, name in enumerate(FILTERS)],
        results=results,
        curves=bool(board.curves),
        confusions=[{"at": at, "name": _confusion_name(board, one)} for at, one in enumerate(board.confusions)],
        runs=[{"identity": record.identity, "name": _run_name(record)} for record in board.records],
        findings=[plain(text) for text in board.findings],
        warnings=[plain(text) for text in board.warnings],
        notes=[plain(text) for text in board.notes],
        commands=[plain(text) for text in board.commands],
        data=_data(board, downloads),
        licences=[(name, _asset(f"vendor/{stem}.LICENSE.txt")) for name, stem in LICENCES.items()],
        library_style=Markup(_asset("vendor/datatables.min.css")),
        library_scripts=[Markup(_asset(f"vendor/{name}")) for name in SCRIPTS],
        style=Markup(_asset("board.css")),
        script=Markup(_asset("board.js")),
    )
    return page + "\n"


@functools.cache
def _template() -> Template:
    """Compiling it takes longer than rendering a page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_asset("board.html.j2"))


@functools.cache
def _asset(name: str) -> str:
    return (files("sslskel.leaderboard.formats.page") / name).read_text(encoding="utf-8")


def _ranking(row: Row, facts: list[str]) -> dict[str, Any]:
    cells = [
        {"text": number(cell), "order": cell.summary.mean if cell else UNDER_ALL, "bold": bool(cell and cell.bold)}
        for cell in row.cells
    ]
    return {
        "facts": facts,
        "cells": cells,
        "means": [{"text": percent(mean), "order": UNDER_ALL if mean is None else mean} for mean in row.means],
        "order": 1_000_000 if row.rank is None else row.rank,
    }


def _results(board: Board) -> Iterator[dict[str, Any]]:
    """One line per row and column that has a number."""
    labels = {record.identity: record.labels for record in board.records}
    for row in board.rows:
        for column, cell in zip(board.columns, row.cells, strict=True):
            if cell is None:
                continue
            low, high = cell.summary.interval or (None, None)
            budget = {labels[identity] for identity in cell.records if identity in labels}
            yield {
                "kind": MEASURED,
                "words": [plain(word) for word in _words(row, column, budget)],
                "score": f"{percent(cell.summary.mean)}{cell.marks}",
                "order": cell.summary.mean,
                "interval": EMPTY if low is None else f"{percent(low)} to {percent(high)}",
                "low": UNDER_ALL if low is None else low,
                "seeds": cell.summary.n,
                "runs": [(one.seed, one.record) for one in cell.evaluations],
            }
    yield from _published(board)


def _published(board: Board) -> Iterator[dict[str, Any]]:
    for row in board.published:
        method, year, backbone, streams = published_facts(row)
        for column, value in zip(board.columns, row.values, strict=True):
            if value is not None:
                place, judged = _place(column)
                words = (
                    PRINTED,
                    place,
                    judged,
                    EMPTY,
                    method if row.year is None else f"{method} ({year})",
                    backbone,
                    streams,
                    EMPTY,
                )
                yield {
                    "kind": PRINTED,
                    "words": [plain(word) for word in words],
                    "score": percent(value),
                    "order": value,
                    "interval": EMPTY,
                    "low": UNDER_ALL,
                    "seeds": EMPTY,
                    "runs": [],
                    "source": plain(row.source),
                }


def _words(row: Row, column: Column, labels: set[int]) -> tuple[str, ...]:
    """What :data:`FILTERS` name, in their order."""
    place, judged = _place(column)
    budget = " to ".join(f"{count:,}" for count in sorted({min(labels), max(labels)})) if labels else EMPTY
    return MEASURED, place, judged, budget, row.label, row.key.backbone, "+".join(row.key.streams), row.key.preset


def _place(column: Column) -> tuple[str, str]:
    """Where and how was judged."""
    place = f"{column.benchmark}/{column.split}"
    return place, column.title.removeprefix(place).strip() or column.protocol


def _choices(results: Sequence[dict[str, Any]], at: int) -> list[str]:
    return sorted({line["words"][at] for line in results})


def _data(board: Board, downloads: dict[str, str]) -> dict[str, Any]:
    """What the script draws; it writes every name as text."""
    rows = [
        {
            "label": plain(row.label),
            "seconds": row.pretrain_seconds,
            "cells": [None if cell is None else round(100 * cell.summary.mean, 1) for cell in row.cells],
            "intervals": [_interval(cell) for cell in row.cells],
            "texts": [number(cell) for cell in row.cells],
        }
        for row in board.rows
    ]
    curves = [
        {"label": plain(curve.label), "method": plain(curve.label.rpartition(", seed ")[0]), "points": curve.points}
        for curve in board.curves
    ]
    confusions = [
        {
            "classes": [*map(plain, one.classes)],
            "counts": list(_sparse(one)),
            "column": one.column,
            "label": plain(board.rows[one.row].label),
        }
        for one in board.confusions
    ]
    ranks = [
        {"rows": [(plain(row.label), row.rank) for row in one.rows], "difference": one.critical_difference}
        for one in board.across
        if one.rows
    ]
    return {
        "rows": rows,
        "curves": curves,
        "confusions": confusions,
        "ranks": ranks,
        "downloads": downloads,
        "runs": {record.identity: _run(record) for record in board.records},
    }


def _downloads(board: Board) -> dict[str, str]:
    """File name -> what is in it, of those that are small enough."""
    texts = {"board.csv": csv_text(board), "board.json": json_text(board), "board.tex": latex_text(board)}
    return {name: text for name, text in texts.items() if len(text) < MOST_CHARACTERS}


def _interval(cell: BoardCell | None) -> list[float] | None:
    """In %, as it is shown."""
    interval = cell.summary.interval if cell else None
    return None if interval is None else [round(100 * end, 1) for end in interval]


def _confusion_name(board: Board, one: Confusion) -> str:
    return plain(f"{board.rows[one.row].label} [{board.rows[one.row].key.preset}], {board.columns[one.column].title}")


def _sparse(one: Confusion) -> Iterator[tuple[int, int, int]]:
    """(true class, predicted class, clips) where there are any."""
    for true, row in enumerate(one.counts):
        yield from ((true, predicted, number) for predicted, number in enumerate(row) if number)


def _run_name(record: Record) -> str:
    place = f"{record.benchmark['name']}/{record.benchmark['split']}"
    return plain(f"{record.method['name']}, {place}, {record.protocol['name']}, {record.preset}, seed {record.seed}")


def _run(record: Record) -> dict[str, Any]:
    scores = ", ".join(f"{name} {value:.4f}" for name, value in sorted(record.scores.items()))
    # A later version may keep costs that are no number; they are in the record, not here.
    costs = ", ".join(f"{k} {v:,.1f}" for k, v in sorted(record.cost.items()) if isinstance(v, int | float))
    counts = ", ".join(f"{name} {value:,}" for name, value in sorted(record.counts.items()))
    facts = {
        "record": record.identity,
        "scores": scores,
        "recipe": f"{record.protocol['recipe']}, selection {record.protocol['selection']}",
        "labelled clips": f"{record.labels:,}",
        "counts": counts,
        "pretraining": record.pretrain_identity,
        "checkpoint": f"pretrain/*-{record.pretrain_identity[:10]} of the results folder",
        "weights sha256": record.weights_sha256,
        "data": record.benchmark["fingerprint"],
        "precision": record.precision,
        "cost": costs,
        "made": record.created,
    }
    return {
        "name": _run_name(record),
        "facts": [[name, plain(value)] for name, value in facts.items()],
        "command": plain(record.command),
        "config": record.config,
        "environment": record.environment,
    }
