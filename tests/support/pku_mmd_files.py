"""The phases of PKU-MMD without their counts, prepared from a small source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sslskel.api.benchmark import Benchmark
from sslskel.benchmarks.pku_mmd1 import BENCHMARK
from sslskel.benchmarks.pku_mmd2 import BENCHMARK as SECOND
from sslskel.data.prepare import open_benchmark, prepare
from sslskel.data.store.store import StoredDataset

PHASES = {1: replace(BENCHMARK, expected={}), 2: replace(SECOND, expected={})}
LIST = "Training videos: \n0011-L, 0012-M\nValidataion videos: \n0011-R\n"


def prepared(benchmark: Benchmark, sources: Sequence[Path], root: Path) -> StoredDataset:
    prepare(benchmark, sources, root)
    return open_benchmark(benchmark, root)


def write_source(source: Path) -> Path:
    """A small source in the layout of phase I: two recordings of 30 frames in training, one in test."""
    for folder in ("skeleton", "label"):
        (source / folder).mkdir(parents=True)
    generator = np.random.default_rng(5)
    for video in ("0011-L", "0012-M", "0011-R"):
        frames = generator.normal(size=(30, 150)).round(6)
        frames[:, 75:] = 0
        np.savetxt(source / f"skeleton/{video}.txt", frames, "%.6f")
        (source / f"label/{video}.txt").write_text("3,0,10,2\n4,12,30,1\n")
    for name in ("cross-subject", "cross-view"):
        (source / f"{name}.txt").write_text(LIST)
    return source
