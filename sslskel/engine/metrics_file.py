"""The log of a run: one JSON line per logged step, each step once however often it was resumed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslskel.files import parse_json, publish, read_regular, writing_in

NAME = "metrics.jsonl"


class MetricsFile:
    """Appends to ``folder/metrics.jsonl``; lines after the step that training resumes from are dropped.

    So are those at that step with a name that begins with ``repeated``, if that is given: they are written again.
    Raises ``RunError`` where it cannot be written.
    """

    def __init__(self, folder: Path, resumed_step: int, repeated: str = "") -> None:
        self._path = folder / NAME
        with writing_in(folder, NAME):
            self._shorten(resumed_step, repeated)

    def _shorten(self, resumed_step: int, repeated: str) -> None:
        kept = [line for line in self._lines() if _step(line) <= resumed_step]
        if repeated:
            kept = [line for line in kept if _step(line) < resumed_step or not _has(line, repeated)]
        publish(self._path, "".join(line + "\n" for line in kept).encode(), replace_existing=True)

    def _lines(self) -> list[str]:
        if not self._path.exists():
            return []
        lines = read_regular(self._path, None).decode("utf-8", errors="replace").splitlines()
        return [line for line in lines if _step(line) >= 0]

    def write(self, values: Mapping[str, float | int]) -> None:
        """Add one line; ``values`` has the key ``step``. Raises ``RunError`` on a full disk.

        What is not finite becomes null, which JSON can say.
        """
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with writing_in(self._path.parent, NAME), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite) + "\n")


def _has(line: str, beginning: str) -> bool:
    """Whether a name in the line begins so."""
    content: Any = parse_json(line)
    return any(name.startswith(beginning) for name in content)


def _step(line: str) -> int:
    """The step of a line; -1 for one that a crash cut short."""
    try:
        content: Any = parse_json(line)
        return int(content["step"])
    except (ValueError, KeyError, TypeError):
        return -1
