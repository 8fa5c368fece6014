"""The board for programs: CSV, one line per row and column, and JSON. Numbers are written in full."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sslskel.leaderboard.model import Board, BoardCell, Column, Row
from sslskel.leaderboard.wording import number
from sslskel.text import percent, plain

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""Beginnings that spreadsheets take for a formula."""


def json_text(board: Board) -> str:
    """Everything the board holds; ``text`` is each number as the tables show it."""
    content = {
        "schema": 2,
        "columns": [asdict(column) for column in board.columns],
        "means": [asdict(mean) for mean in board.means],
        "rows": [_json_row(row) for row in board.rows],
        "intervals_over_clips": board.over_clips,
        "across": [asdict(table) for table in board.across],
        "published": [{**asdict(row), "texts": [*map(percent, row.values)]} for row in board.published],
        "findings": board.findings,
        "warnings": board.warnings,
        "notes": board.notes,
        "commands": board.commands,
    }
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _json_row(row: Row) -> dict[str, Any]:
    key = {name: value for name, value in asdict(row.key).items() if name != "config"}
    cells = [None if cell is None else _json_cell(cell) for cell in row.cells]
    facts = {
        "label": row.label,
        "rank": row.rank,
        "means": row.means,
        "trained": row.trained,
        "parameters": row.parameters,
        "pretrain_seconds": row.pretrain_seconds,
        "samples_per_second": row.samples_per_second,
    }
    return {**key, "config": json.loads(row.key.config), **facts, "cells": cells}


def _json_cell(cell: BoardCell) -> dict[str, Any]:
    """``scores`` and ``n`` are of pretrainings; ``records`` of all evaluations."""
    facts = {"seeds": cell.seeds, "scores": cell.scores, "records": cell.records}
    return {**asdict(cell), **facts, "text": number(cell)}


def csv_text(board: Board) -> str:
    """One line per row and column; a missing number leaves ``n`` at 0 and the rest empty.

    Below them the published numbers, whose ``kind`` is "published" and whose ``source`` is filled.
    """
    lines = [
        {
            "kind": "measured",
            **_row_facts(row),
            "row_mean": _mean(board, row, at),
            **_column_facts(column),
            **_cell_facts(cell),
            "source": None,
        }
        for row in board.rows
        for at, (column, cell) in enumerate(zip(board.columns, row.cells, strict=True))
    ]
    if not lines:
        return ""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(lines[0]), restval="", lineterminator="\n")
    writer.writeheader()
    for line in (*lines, *_published(board)):
        writer.writerow({name: csv_value(value) for name, value in line.items()})
    return buffer.getvalue()


def _published(board: Board) -> Iterator[dict[str, object]]:
    for row in board.published:
        label = row.method if row.year is None else f"{row.method} ({row.year})"
        facts = {"kind": "published", "label": label, "method": row.method, "backbone": row.backbone}
        for column, value in zip(board.columns, row.values, strict=True):
            if value is not None:
                place = {name: getattr(column, name) for name in ("benchmark", "split", "protocol", "score")}
                yield {
                    **facts,
                    "streams": row.streams,
                    **place,
                    "mean": value,
                    "text": percent(value),
                    "source": row.source,
                }


def _mean(board: Board, row: Row, at: int) -> float | None:
    """Of the row over the columns that go with one."""
    return next((value for mean, value in zip(board.means, row.means, strict=True) if at in mean.columns), None)


def _row_facts(row: Row) -> dict[str, object]:
    key = row.key
    return {
        "rank": row.rank,
        "label": row.label,
        "method": key.method,
        "method_version": key.method_version,
        "backbone": key.backbone,
        "preset": key.preset,
        "streams": "+".join(key.streams),
        "precision": key.precision,
        "pretrained_on": key.pretrained_on,
        "parameters": row.parameters,
        "pretrain_seconds": row.pretrain_seconds,
        "samples_per_second": row.samples_per_second,
    }


def _column_facts(column: Column) -> dict[str, object]:
    return {
        "benchmark": column.benchmark,
        "benchmark_version": column.benchmark_version,
        "split": column.split,
        "data": column.fingerprint,
        "protocol": column.protocol,
        "protocol_version": column.protocol_version,
        "recipe": column.recipe,
        "selection": column.selection,
        "score": column.score,
    }


def _cell_facts(cell: BoardCell | None) -> dict[str, object]:
    low, high = (cell.summary.interval if cell else None) or (None, None)
    return {
        "n": cell.summary.n if cell else 0,
        "mean": cell.summary.mean if cell else None,
        "sd": cell.summary.sd if cell else None,
        "low": low,
        "high": high,
        "seeds": " ".join(map(str, cell.seeds)) if cell else None,
        "scores": " ".join(map(repr, cell.scores)) if cell else None,
        "evaluations": len(cell.evaluations) if cell else None,
        "above_all": cell.above_all if cell else None,
        "bold": int(cell.bold) if cell else None,
        "leak": int(cell.leak) if cell else None,
        "unproven": int(cell.unproven) if cell else None,
        "swept": int(cell.swept) if cell else None,
        "text": number(cell) if cell else None,
    }


def csv_value(value: object) -> str:
    """Numbers in full; text that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value)
    safe = plain(value)
    return f"'{safe}" if safe.lstrip().startswith(FORMULA) else safe
