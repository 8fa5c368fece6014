"""A benchmark of upper bodies at 60 frames per second, in millimetres, for tests of suites of several bodies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sslskel import Benchmark, Clip, DatasetInfo, ImportReport, Split, Track, layout

LAYOUT = layout(
    "upper8",
    {
        "neck": None,
        "hips": "neck",
        "left_shoulder": "neck",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
        "right_shoulder": "neck",
        "right_elbow": "right_shoulder",
        "right_wrist": "right_elbow",
    },
    centre="hips",
    parts={"torso": ("neck", "hips")},
)


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Two classes: the left or the right wrist swings."""
    generator = np.random.default_rng(9)
    rest = 1000 * generator.normal(size=(8, 3))
    for number in range(16):
        label, length = number % 2, 50 + number
        joints = rest + 20 * generator.normal(size=(length, 8, 3))
        joints[:, 4 + 3 * label] += 400 * np.sin(np.arange(length) / 10)[:, None]
        track = Track(0, 0, joints.astype(np.float32), np.ones(length, bool))
        yield Clip(f"upper{number:02d}", label, length, (track,), subject=number // 4)


BENCHMARK = Benchmark(
    name="upper",
    version=1,
    title="16 clips of upper bodies for tests",
    info=DatasetInfo("upper", 1, LAYOUT, ("left", "right"), 60.0, unit="millimetre"),
    read=read,
    splits={"xsub": Split("xsub", "subject", frozenset({0, 1, 2}), frozenset({2}))},
    default_split="xsub",
    citation="none",
    licence="Apache-2.0",
    embedded=True,
    preset="tiny",
    expected={"clips": 16},
)
