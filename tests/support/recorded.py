"""Files of recorded arrays, which note what is read of them: an array that no test reads checks nothing.

``tests/test_recorded.py`` runs all tests that open one, in a process told by ``NOTES`` where to leave its notes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

NOTES = "SSLSKEL_RECORDED_READS"
"""Environment variable with the folder into which a process writes what it has read."""
READ: dict[str, set[str]] = {}
"""Path of a file below ``shared`` -> arrays that this process has read."""


class Recorded(Mapping[str, Any]):
    """Arrays of a file by name. Asking whether one is there, or for all names, reads none."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            self._arrays = dict(file)
        self.read = READ.setdefault(f"{path.parent.name}/{path.name}", set())

    def __getitem__(self, name: str) -> Any:
        value = self._arrays[name]
        self.read.add(name)
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def tensor(self, name: str) -> Tensor:
        """One array."""
        return torch.from_numpy(np.asarray(self[name]))

    def group(self, prefix: str) -> dict[str, Tensor]:
        """All arrays whose names begin alike, by what follows."""
        return {name[len(prefix) :]: self.tensor(name) for name in self if name.startswith(prefix)}

    def beginnings(self, prefix: str = "") -> list[str]:
        """What stands before the first slash of names that begin alike, each once."""
        return sorted({name.split("/")[0] for name in self if name.startswith(prefix) and "/" in name})

    @property
    def config(self) -> dict[str, Any]:
        """Sizes and options of the recording."""
        found: dict[str, Any] = json.loads(str(self["config_json"]))
        return found


def leave_notes() -> None:
    """Write what this process has read, where it was asked to."""
    if folder := os.environ.get(NOTES):
        read = {name: sorted(arrays) for name, arrays in READ.items()}
        (Path(folder) / f"{os.getpid()}.json").write_text(json.dumps(read), encoding="utf-8")


def read_in(folder: Path) -> dict[str, set[str]]:
    """What all processes have read that left notes in a folder."""
    total: dict[str, set[str]] = {}
    for notes in folder.glob("*.json"):
        for name, arrays in json.loads(notes.read_text(encoding="utf-8")).items():
            total.setdefault(name, set()).update(arrays)
    return total
