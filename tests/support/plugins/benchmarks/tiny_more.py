"""A benchmark that contains the recordings of ``tiny`` as NTU-120 contains those of NTU-60: prepared otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sslskel.api.benchmark import Benchmark, ImportReport, Split
from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.skeleton import NTU25


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """The 24 names of ``tiny`` and 12 more; subjects are dealt out differently, and so are the frames."""
    generator = np.random.default_rng(8)
    for number in range(36):
        joints = generator.normal(size=(20, 25, 3)).astype(np.float32)
        track = Track(0, 0, joints, np.ones(20, bool))
        yield Clip(f"clip{number:02d}", number % 3, 20, (track,), subject=number % 6)


BENCHMARK = Benchmark(
    name="tiny_more",
    version=1,
    title="36 clips for tests, 24 of them of the recordings of tiny",
    info=DatasetInfo("tiny_more", 1, NTU25, ("left", "right", "both"), 30.0, persons=2),
    read=read,
    splits={"xsub": Split("xsub", "subject", frozenset({0, 1, 2}), frozenset({2}))},
    default_split="xsub",
    citation="none",
    licence="Apache-2.0",
    embedded=True,
    preset="tiny",
    expected={"clips": 36, "xsub/train": 18, "xsub/test": 18},
    recordings="tiny",
)
