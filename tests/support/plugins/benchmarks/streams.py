"""Untrimmed streams with known boundaries, made of clips of the tiny benchmark with standing between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sslskel.api.benchmark import Benchmark, ImportReport, Split
from sslskel.api.dataset import Clip, DatasetInfo, Segment, Track
from sslskel.api.skeleton import NTU25


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Twelve streams of four actions: one of three limbs swings for 48 to 64 frames, then nothing moves for 40."""
    generator = np.random.default_rng(3)
    rest = generator.normal(size=(25, 3)) + np.array([0, 0, 3])
    for number in range(12):
        pieces, segments, begin = [], [], 40
        for action in range(4):
            label, length = (number + action) % 3, int(generator.integers(48, 65))
            moving = rest + 0.01 * generator.normal(size=(length, 25, 3))
            moving[:, 5 + 4 * label] += np.sin(0.4 * np.arange(length) + generator.uniform(0, 6))[:, None]
            pieces += [rest + 0.01 * generator.normal(size=(40, 25, 3)), moving]
            segments.append(Segment(begin, begin + length, label, f"stream{number:02d}_{action}", length))
            begin += length + 40
        joints = np.concatenate(pieces).astype(np.float32)
        track = Track(0, 0, joints, np.ones(len(joints), bool))
        yield Clip(f"stream{number:02d}", -1, len(joints), (track,), subject=number // 3, segments=tuple(segments))


BENCHMARK = Benchmark(
    name="streams",
    version=1,
    title="12 untrimmed streams for tests",
    info=DatasetInfo("streams", 1, NTU25, ("left", "right", "both"), 30.0),
    read=read,
    splits={"xsub": Split("xsub", "subject", frozenset({0, 1, 2}), frozenset({2}))},
    default_split="xsub",
    citation="none",
    licence="Apache-2.0",
    embedded=True,
    preset="tiny",
    expected={"clips": 48},
)
