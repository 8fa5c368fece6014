"""Where the weights behind a board lie, as far as they are still in its results folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from sslskel.results.record import Record

_RUN = re.compile(r".+-(?P<identity>[0-9a-f]{10})")
_STEP = re.compile(r"step-(\d{1,12})")


def checkpoints_of(folder: Path, records: Iterable[Record]) -> tuple[tuple[str, str], ...]:
    """(identity of a pretraining, ``pretrain/RUN/step-N``) for each run that has a checkpoint, by identity."""
    runs = {match["identity"]: name for name in _names(folder / "pretrain") if (match := _RUN.fullmatch(name))}
    places = []
    for identity in sorted({record.pretrain_identity for record in records}):
        name = runs.get(identity[:10], "")
        steps = [match for step in _names(folder / "pretrain" / name) if (match := _STEP.fullmatch(step))]
        if name and steps:
            newest = max(steps, key=lambda match: int(match[1]))
            places.append((identity, f"pretrain/{name}/{newest[0]}"))
    return tuple(places)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return []
