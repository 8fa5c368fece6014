"""NTU RGB+D 120, prepared without the accidents of the released code."""

from __future__ import annotations

from sslskel.benchmarks.common.ntu import ntu120

BENCHMARK = ntu120("clean", "ntu120_clean")
