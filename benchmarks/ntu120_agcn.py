"""NTU RGB+D 120, prepared as for 2s-AGCN, ISC, CMD and PCM3."""

from __future__ import annotations

from sslskel.benchmarks.common.ntu import ntu120

BENCHMARK = ntu120("agcn", "ntu120_agcn")
