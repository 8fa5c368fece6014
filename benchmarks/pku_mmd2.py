"""PKU-MMD, phase II: shorter and noisier recordings, which use 41 of the 51 actions."""

from __future__ import annotations

import re

from sslskel.benchmarks.common.pku_mmd import phase_benchmark
from sslskel.benchmarks.common.pku_mmd.importing import Phase

PHASE = Phase(
    number=2,
    video=re.compile(r"A[0-9]{2}N[0-9]{2}-[LMR]"),
    example="A03N05-L",
    validation=frozenset(100 * a + n for a in range(100) for n in range(100) if (a + n) % 10 == 0),
)
BENCHMARK = phase_benchmark(
    PHASE,
    "PKU-MMD phase II, 41 actions cut from untrimmed recordings (Kinect v2 skeletons)",
    expected={"clips": 6_945, "xsub/train": 5_332, "xsub/test": 1_613},
)
