"""Bandai-Namco-Research-Motiondataset-2: 7 styles, across contents: the 350 clips of the list."""

from __future__ import annotations

from sslskel.benchmarks.common.bandai2 import bandai2

BENCHMARK = bandai2(by_style=True, whole=False)
