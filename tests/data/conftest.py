"""A small prepared dataset for tests that damage or read one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.store.store import write_dataset


@pytest.fixture
def prepared_toy(tmp_path: Path) -> Path:
    """Three clips of four frames, 15 rows in all; the first has two persons, the third is labelled 1."""
    layout = SkeletonLayout("chain3", ("j0", "j1", "j2"), (-1, 0, 1), 0)
    info = DatasetInfo("toy", 1, layout, ("sit", "stand"), 30.0, persons=2)

    def seen(slot: int, begin: int, frames: int) -> Track:
        values = np.random.default_rng(slot).normal(size=(frames, 3, 3)).astype(np.float32)
        return Track(slot, begin, values, np.ones(frames, np.bool_))

    clips = [
        Clip("a", 0, 4, (seen(1, 0, 4), seen(0, 1, 3)), subject=3, camera=2, setup=1),
        Clip("ö", -1, 4, (seen(0, 0, 4),)),
        Clip("b", 1, 4, (seen(0, 0, 4),)),
    ]
    report = ImportReport(dropped={"c": "empty"}, notes=["short"], source={"a.zip": "00"})
    write_dataset(tmp_path / "toy", info, clips, report=report)
    return tmp_path / "toy"
