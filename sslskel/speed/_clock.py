"""Laps on a device whose work is queued, their medians, and ratios of bracketed pairs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch


class Clock:
    """Seconds between calls of :meth:`lap`; waits for the device at each."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.laps: list[float] = []
        self._last = self._now()

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def lap(self) -> None:
        """Note the seconds since the last call."""
        now = self._now()
        self.laps.append(now - self._last)
        self._last = now


def summary(taken: Sequence[Sequence[float]], stages: Sequence[str], clips: int) -> dict[str, Any]:
    """Medians over steps of ``clips`` clips each: samples/s, step time, and seconds per stage."""
    totals = [sum(laps) for laps in taken]
    return {
        "clips": clips,
        "samples_per_second": clips / statistics.median(totals),
        "step_seconds": {"median": statistics.median(totals), "min": min(totals), "max": max(totals)},
        "seconds": {stage: statistics.median(laps[i] for laps in taken) for i, stage in enumerate(stages)},
    }


def paired(theirs: Callable[[], float], ours: Callable[[], float], pairs: int) -> dict[str, Any]:
    """Seconds of both, bracketed: theirs, ours, ours, theirs; the ratio is how many times faster ours is.

    One untimed run of each comes first. What slows the machine down in the middle of a
    bracket slows both, so that ratios mean more than seconds on a machine that is shared.
    """
    theirs(), ours()
    brackets = []
    for _ in range(pairs):
        a, b, c, d = theirs(), ours(), ours(), theirs()
        brackets.append(((a + d) / 2, (b + c) / 2))
    ratios = [a / b for a, b in brackets]
    return {
        "pairs": pairs,
        "ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        "theirs_seconds": statistics.median(a for a, _ in brackets),
        "ours_seconds": statistics.median(b for _, b in brackets),
    }
