"""What the page's script draws and shows on demand, packed into one block.

The block is JSON, deflated and in base64: what records share stands in it once, so that a board of 20,000 records is
a page of a few megabytes. Text is made plain here; the script writes it as text alone.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from sslskel.leaderboard.formats.bibtex import bibtex_text
from sslskel.leaderboard.formats.csv_json import csv_text, json_text
from sslskel.leaderboard.formats.html_results import Line, in_order
from sslskel.leaderboard.formats.latex import latex_text
from sslskel.leaderboard.model import Board, BoardCell, Confusion
from sslskel.leaderboard.own_command import own_command
from sslskel.leaderboard.wording import number
from sslskel.results.record import Record
from sslskel.text import plain

DOWNLOADS = {"CSV": "board.csv", "JSON": "board.json", "LaTeX": "board.tex", "BibTeX": "board.bib"}
MOST_CHARACTERS = 500_000
"""What a page has room for of a file to download; a larger one is left to ``sslskel leaderboard``."""
MOST_POINTS = 30_000
"""Of all learning curves of a page; where there are more, all are thinned alike."""


def block(board: Board, lines: Sequence[Line], downloads: dict[str, str]) -> str:
    """Everything behind the tables as the script unpacks it."""
    content = {
        "lines": lines,
        "rows": [_row(board, at) for at in range(len(board.rows))],
        "curves": list(_curves(board)),
        "confusions": [_confusion(board, one) for one in board.confusions],
        "ranks": [
            {"rows": [(plain(row.label), row.rank) for row in one.rows], "difference": one.critical_difference}
            for one in board.across
            if one.rows
        ],
        "maps": [{"way": plain(one.way), "points": one.points} for one in board.maps],
        "downloads": downloads,
        **_runs(board),
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")


def downloads_of(board: Board) -> dict[str, str]:
    """File name -> what is in it, of those that are small enough."""
    texts = {
        "board.csv": csv_text(board),
        "board.json": json_text(board),
        "board.tex": latex_text(board),
        "board.bib": bibtex_text(board),
    }
    return {name: text for name, text in texts.items() if len(text) < MOST_CHARACTERS}


def confusion_name(board: Board, one: Confusion) -> str:
    """What the page calls a matrix."""
    return plain(f"{board.rows[one.row].label} [{board.rows[one.row].key.preset}], {board.columns[one.column].title}")


def _curves(board: Board) -> Iterator[dict[str, Any]]:
    every = max(1, -(-sum(len(curve.points) for curve in board.curves) // MOST_POINTS))
    for curve in board.curves:
        label, method = plain(curve.label), plain(curve.label.rpartition(", seed ")[0])
        # Counted from the end, which is what a curve is looked at for.
        points = curve.points[::-every][::-1]
        probe = {"probe": plain(curve.probe), "scores": curve.scores} if curve.scores else {}
        yield {"label": label, "method": method, "points": points, **probe}


def _row(board: Board, at: int) -> dict[str, Any]:
    row = board.rows[at]
    return {
        "label": plain(row.label),
        "seconds": row.pretrain_seconds,
        "cells": [None if cell is None else round(100 * cell.summary.mean, 1) for cell in row.cells],
        "intervals": [_interval(cell) for cell in row.cells],
        "texts": [number(cell) for cell in row.cells],
    }


def _interval(cell: BoardCell | None) -> list[float] | None:
    """In %, as it is shown."""
    interval = cell.summary.interval if cell else None
    return None if interval is None else [round(100 * end, 1) for end in interval]


def _confusion(board: Board, one: Confusion) -> dict[str, Any]:
    return {
        "classes": [*map(plain, one.classes)],
        "counts": list(_sparse(one)),
        "column": one.column,
        "label": plain(board.rows[one.row].label),
    }


def _sparse(one: Confusion) -> Iterator[tuple[int, int, int]]:
    """(true class, predicted class, clips) where there are any."""
    for true, row in enumerate(one.counts):
        yield from ((true, predicted, number) for predicted, number in enumerate(row) if number)


class _Shared:
    """Values that many records share, each kept once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, value: Any) -> int:
        key = json.dumps(value, sort_keys=True)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


def _runs(board: Board) -> dict[str, Any]:
    """The records, by place, and what they share."""
    configs, environments, commands = _Shared(), _Shared(), _Shared()
    checkpoints, runs = dict(board.checkpoints), []
    for record in in_order(board):
        own = own_command(record)
        runs.append(
            {
                "identity": record.identity,
                "name": _name(record),
                "facts": _facts(record, checkpoints.get(record.pretrain_identity, "")),
                "own": plain(own),
                "command": commands.place(plain(record.command)),
                "config": configs.place(record.config),
                "environment": environments.place(record.environment),
            }
        )
    shared = {"configs": configs.values, "environments": environments.values, "commands": commands.values}
    return {"runs": runs, **shared}


def _name(record: Record) -> str:
    place = f"{record.benchmark['name']}/{record.benchmark['split']}"
    return plain(f"{record.method['name']}, {place}, {record.protocol['name']}, {record.preset}, seed {record.seed}")


def _facts(record: Record, checkpoint: str) -> list[list[str]]:
    """Name and value of each; the record's identity stands beside them."""
    gone = f"pretrain/*-{record.pretrain_identity[:10]} of the results folder; not there when this page was made"
    # A later version may keep costs that are no number; they are in the record, not here.
    costs = ", ".join(f"{k} {v:,.1f}" for k, v in sorted(record.cost.items()) if isinstance(v, int | float))
    facts = {
        "scores": ", ".join(f"{name} {value:.4f}" for name, value in sorted(record.scores.items())),
        "recipe": f"{record.protocol['recipe']}, selection {record.protocol['selection']}",
        "labelled clips": f"{record.labels:,}",
        "counts": ", ".join(f"{name} {value:,}" for name, value in sorted(record.counts.items())),
        "pretraining": record.pretrain_identity,
        "checkpoint": checkpoint or gone,
        "weights sha256": f"{record.weights_sha256[:16]}..., whole in the record",
        "data": record.benchmark["fingerprint"],
        "precision": record.precision,
        "cost": costs,
        "made": record.created,
    }
    return [[name, plain(value)] for name, value in facts.items()]
