"""NTU RGB+D 120, prepared as released with CTR-GCN and MAMP, bit for bit: a single person comes twice."""

from __future__ import annotations

from sslskel.benchmarks.common.ntu import ntu120

BENCHMARK = ntu120("ctrgcn", "ntu120_copied", copied=True)
