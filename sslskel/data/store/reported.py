"""What the report of an import may hold: it is shown and counted, and somebody else may have written it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslskel.errors import DataError

HELD: dict[str, tuple[type, type]] = {
    "counts": (dict, int),
    "dropped": (dict, str),
    "faults": (dict, str),
    "notes": (list, str),
    "source": (dict, str),
    "tally": (dict, int),
}
"""What is held under each name, and of what."""


def require_reported(report: Mapping[str, Any], file: Path, hint: str) -> None:
    """Raise ``DataError`` naming the file where a report holds something else under one of its names."""
    for key, (whole, one) in HELD.items():
        content = report.get(key, whole())
        values = content.values() if isinstance(content, dict) else content
        if not isinstance(content, whole) or not all(isinstance(value, one) for value in values):
            kind = "numbers" if one is int else "texts"
            raise DataError(f"'{file}': '{key}' is {content!r:.60}, where {kind} were expected; {hint}")
