"""NTU RGB+D, prepared as for 2s-AGCN, ISC, CMD and PCM3."""

from __future__ import annotations

from sslskel.benchmarks.common.ntu import ntu60

BENCHMARK = ntu60("agcn", "ntu60_agcn")
