"""Numbers that others printed, from the file beside each benchmark, as rows below the measured ones.

They keep their source, are never ranked, bold or averaged, and two sources that disagree both stay.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslskel.errors import DataError
from sslskel.leaderboard.model import Column, Published
from sslskel.plugins.registry import BENCHMARKS

FIELDS = ("method", "year", "backbone", "streams", "split", "protocol", "score", "value", "source")


@dataclass(frozen=True, order=True)
class Printed:
    """One line of a file of published numbers."""

    method: str
    year: int | None
    """None where the source that relays the number does not say."""
    backbone: str
    streams: str
    source: str
    split: str
    protocol: str
    score: str
    value: float
    """As a share, 0 to 1; the file has %, as papers do."""


def published_numbers(benchmarks: Iterable[str]) -> dict[str, tuple[Printed, ...]]:
    """Benchmark name -> its published numbers; nothing for one that is not installed, local ones included."""
    files = {name: known.published for name in sorted(set(benchmarks)) if (known := BENCHMARKS.installed(name))}
    return {name: read_published(path) for name, path in files.items() if path is not None}


def read_published(path: Path) -> tuple[Printed, ...]:
    """Read a CSV file with the columns :data:`FIELDS`; ``value`` in %. Raises ``DataError`` naming file and line."""
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), strict=True)
        if tuple(reader.fieldnames or ()) != FIELDS:
            raise DataError(f"{path}, line 1: the columns are {reader.fieldnames}; they must be {','.join(FIELDS)}")
        return tuple(_printed(path, reader.line_num, line) for line in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise DataError(f"{path}: published numbers could not be read: {fault}") from fault


def _printed(path: Path, number: int, line: Mapping[str | None, str | None]) -> Printed:
    where = f"{path}, line {number}"
    if None in line or None in line.values():
        raise DataError(f"{where}: it does not have {len(FIELDS)} values; quote those that hold a comma")
    text = {name: (line[name] or "").strip() for name in FIELDS}
    empty = [name for name in ("method", "split", "protocol", "score", "source") if not text[name]]
    if empty:
        raise DataError(f"{where}: {', '.join(empty)} is empty; a published number needs it")
    try:
        year, value = int(text["year"]) if text["year"] else None, float(text["value"])
    except ValueError as fault:
        raise DataError(
            f"{where}: year '{text['year']}' and value '{text['value']}' must be a whole number and a number of %"
        ) from fault
    if not 0 <= value <= 100:
        raise DataError(f"{where}: value {value} is not a percentage; it must be from 0 to 100")
    rest = {name: text[name] for name in FIELDS if name not in ("year", "value")}
    return Printed(**rest, year=year, value=value / 100)


def published_rows(columns: Sequence[Column], numbers: Mapping[str, Sequence[Printed]]) -> tuple[Published, ...]:
    """Rows of what was printed for these columns, highest first by the first column that has a number.

    A row is one method as one source gives it; where a source prints two numbers for the same
    thing, it has two rows.
    """
    rows: dict[tuple[Any, ...], list[float | None]] = {}
    times: Counter[tuple[Any, ...]] = Counter()
    for at, column in enumerate(columns):
        for printed in numbers.get(column.benchmark, ()):
            if (printed.split, printed.protocol, printed.score) != (column.split, column.protocol, column.score):
                continue
            facts = (printed.method, printed.year, printed.backbone, printed.streams, printed.source)
            times[(at, *facts)] += 1
            rows.setdefault((*facts, times[(at, *facts)]), [None] * len(columns))[at] = printed.value
    made = [
        Published(method, year, backbone, streams, source, tuple(values))
        for (method, year, backbone, streams, source, _), values in rows.items()
    ]
    return tuple(sorted(made, key=lambda row: ([2.0 if v is None else -v for v in row.values], row.method, row.source)))
