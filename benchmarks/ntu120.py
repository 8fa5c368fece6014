"""NTU RGB+D 120, prepared as released with CTR-GCN and MAMP, less their copies of single persons."""

from __future__ import annotations

from sslskel.benchmarks.common.ntu import ntu120

BENCHMARK = ntu120("ctrgcn", "ntu120")
