"""IntelliRehabDS, the clips of three patients: whether the gesture is done correctly."""

from __future__ import annotations

from sslskel.benchmarks.common.irds import irds

BENCHMARK = irds("irds_correct", by_execution=True)
