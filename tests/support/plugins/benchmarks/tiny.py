"""A benchmark of 24 short clips made in milliseconds, for tests that go through the whole house."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sslskel.api.benchmark import Benchmark, ImportReport, Split
from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.skeleton import NTU25


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Three classes that differ in which limb moves; every third clip has a second person."""
    generator = np.random.default_rng(7)
    rest = generator.normal(size=(25, 3))
    for number in range(24):
        label, length = number % 3, 20 + number
        time = np.arange(length)[:, None] / 30
        tracks = []
        for slot in range(2 if number % 3 == 2 else 1):
            joints = rest + 0.02 * generator.normal(size=(length, 25, 3)) + [0, 0, 3 + slot]
            joints[:, 5 + 4 * label] += 0.4 * np.sin(6 * time + generator.uniform(0, 6))
            tracks.append(Track(slot, 0, joints.astype(np.float32), np.ones(length, bool)))
        yield Clip(f"clip{number:02d}", label, length, tuple(tracks), subject=number // 6)


BENCHMARK = Benchmark(
    name="tiny",
    version=1,
    title="24 clips for tests",
    info=DatasetInfo("tiny", 1, NTU25, ("left", "right", "both"), 30.0, persons=2),
    read=read,
    splits={"xsub": Split("xsub", "subject", frozenset({0, 1, 2}), frozenset({2}))},
    default_split="xsub",
    citation="none",
    licence="Apache-2.0",
    embedded=True,
    preset="tiny",
    expected={"clips": 24, "xsub/train": 18, "xsub/test": 6},
)
