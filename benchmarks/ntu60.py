"""NTU RGB+D, prepared as released with CTR-GCN and MAMP, bit for bit."""

from __future__ import annotations

from sslskel.benchmarks.common.ntu import ntu60

BENCHMARK = ntu60("ctrgcn", "ntu60")
