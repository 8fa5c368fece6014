"""IntelliRehabDS, the clips of three patients: which of nine rehabilitation gestures it is."""

from __future__ import annotations

from sslskel.benchmarks.common.irds import irds

BENCHMARK = irds("irds", by_execution=False)
