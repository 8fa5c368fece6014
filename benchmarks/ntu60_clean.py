"""NTU RGB+D, prepared without the accidents of the released code."""

from __future__ import annotations

from sslskel.benchmarks.common.ntu import ntu60

BENCHMARK = ntu60("clean", "ntu60_clean")
