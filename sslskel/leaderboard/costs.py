"""What each protocol of a grid cost, from its records; printed below a board, never part of one."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from sslskel.results.record import Record


class ProtocolCost(NamedTuple):
    """One protocol on one benchmark."""

    protocol: str
    benchmark: str
    cells: int
    seconds: float
    """Median over the cells of a whole evaluation."""
    encode_seconds: float
    """Median of the part of it spent in frozen encoders."""
    encoded: int
    """Clips that went through an encoder, over all cells; with 10 views each counts 10 times."""
    reused: int
    """Clips whose features another protocol had left."""
    peak_bytes: int
    """Largest over the cells, of the whole process."""


def costs(records: Iterable[Record]) -> list[ProtocolCost]:
    """One row per protocol and benchmark, the dearest first."""
    cells: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        cells[record.protocol["name"], record.benchmark["name"]].append(record)
    rows = [
        ProtocolCost(
            protocol,
            benchmark,
            len(own),
            statistics.median(_amounts(own, "evaluate_seconds")),
            statistics.median(_amounts(own, "encode_seconds")),
            int(sum(_amounts(own, "encoded_clips"))),
            int(sum(_amounts(own, "reused_clips"))),
            int(max(_amounts(own, "peak_memory_bytes"))),
        )
        for (protocol, benchmark), own in cells.items()
    ]
    return sorted(rows, key=lambda row: (-row.seconds, row.protocol, row.benchmark))


def _amounts(records: Iterable[Record], name: str) -> list[float]:
    return [record.cost.get(name) or 0.0 for record in records]
