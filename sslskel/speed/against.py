"""The comparisons that ``--against`` offers, by name; each times two ways of doing the same work in bracketed pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from sslskel.engine.device import arithmetic, keep_freed_memory
from sslskel.errors import UsageError, did_you_mean
from sslskel.grid.cell import Cell
from sslskel.grid.request import GridRequest
from sslskel.speed.as_released import against_released
from sslskel.speed.encoders import against_encoders
from sslskel.speed.frame_loop import against_frame_loop
from sslskel.speed.machine import surroundings
from sslskel.speed.workload import Workload, build_workload

AGAINST: Mapping[str, Callable[[Workload, int], dict[str, Any]]] = {
    "as_released": against_released,
    "encoders": against_encoders,
    "frame_loop": against_frame_loop,
}
"""Our plainest configuration; only the passes of a step's encoders; a recurrent backbone called frame by frame."""
PAIRS = 5


def speed_against(request: GridRequest, against: str = "as_released", *, pairs: int = PAIRS) -> dict[str, Any]:
    """Ratios of ``pairs`` bracketed pairs per work, after checking that both sides agree. Writes nothing.

    Raises ``UsageError`` for a method that lacks the other side, fewer than 5 pairs, compiled passes, and
    everything that :func:`measure_speed` refuses.
    """
    if against not in AGAINST:
        raise UsageError(
            f"--against {against} is not known{did_you_mean(against, AGAINST)} (there are: {', '.join(AGAINST)})"
        )
    if pairs < PAIRS:
        raise UsageError(f"--pairs {pairs} is too few for a median and a range; use {PAIRS} or more")
    cell, allocator = request.single_pretraining(), keep_freed_memory()
    if cell.resolved.engine.compile:
        raise UsageError("--against compares passes that are not compiled; leave out engine.compile=true")
    with arithmetic(cell.resolved.engine):
        return _report(request, cell, against, pairs, allocator)


def _report(request: GridRequest, cell: Cell, against: str, pairs: int, allocator: str) -> dict[str, Any]:
    workload = build_workload(cell)
    return {
        "method": cell.method,
        "benchmark": cell.benchmark,
        "against": against,
        "preset": cell.preset,
        "backbone": cell.backbone,
        "overrides": [*request.overrides, *request.variants[0]],
        "precision": cell.resolved.engine.precision.value,
        "device": str(workload.device),
        "threads": torch.get_num_threads(),
        "allocator": allocator,
        "batch_size": workload.size,
        **AGAINST[against](workload, pairs),
        **surroundings(),
    }
