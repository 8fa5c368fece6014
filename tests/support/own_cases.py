"""Cases of input that was handled wrongly, a folder each with a ``make.py`` that writes it; helpers of their tests."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslskel.cli import main
from sslskel.data.store.store import StoredDataset


def dense(dataset: StoredDataset, row: int) -> np.ndarray:
    """(M, T, V, C) of a clip, zeros where nobody is."""
    info, length = dataset.info, int(dataset.lengths[row])
    array = np.zeros((info.persons, length, info.layout.num_joints, info.coordinates))
    for track in np.flatnonzero(dataset.track_clip == row):
        begin, frames, offset = (
            int(field[track]) for field in (dataset.track_begin, dataset.track_length, dataset.track_offset)
        )
        array[dataset.track_slot[track], begin : begin + frames] = dataset.joints[offset : offset + frames]
    return array


class Case:
    """The input of one case in an empty folder, and the commands that are tried on it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.made: dict[str, Any] = runpy.run_path(str(folder / "make.py"))
        self._capsys = capsys

    def run(self, *arguments: str) -> str:
        """What an import prints; it must succeed."""
        code, out, err = self._main(arguments)
        assert code == 0, err
        return out

    def refused(self, *arguments: str) -> str:
        """The sentence with which an import is refused."""
        code, _, err = self._main(arguments)
        assert code == 2
        assert err.count("\n") == 1
        return err

    def _main(self, arguments: tuple[str, ...]) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["data", "import", "mine", *arguments])
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err
