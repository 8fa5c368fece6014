"""PKU-MMD, phase I: 51 actions, 1,076 long recordings of 66 persons in three views."""

from __future__ import annotations

import re

from sslskel.benchmarks.common.pku_mmd import phase_benchmark
from sslskel.benchmarks.common.pku_mmd.importing import Phase

PHASE = Phase(
    number=1,
    video=re.compile(r"[0-9]{4}-[LMR]"),
    example="0011-L",
    validation=frozenset(range(0, 10_000, 10)),
)
BENCHMARK = phase_benchmark(
    PHASE,
    "PKU-MMD phase I, 51 actions cut from untrimmed recordings (Kinect v2 skeletons)",
    expected={"clips": 21_545, "xsub/train": 18_841, "xsub/test": 2_704},
)
