"""Laps on a device whose work is queued, their medians, and ratios of bracketed pairs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

STEADY = 0.05
"""A run that is faster than all before by more than this share shows that times are not steady yet."""
MOST_WARM_UP = 20


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


def warm_up(run: Callable[[int], float], least: int = 1) -> int:
    """Do run 0, 1, 2 ... until one is not faster than all before; how many there were, ``least`` or more.

    ``run`` returns its seconds. The first runs on a GPU choose kernels, compile some and take memory from the system.
    """
    best = float("inf")
    for number in range(MOST_WARM_UP):
        seconds = run(number)
        if number + 1 >= least and seconds > (1 - STEADY) * best:
            return number + 1
        best = min(best, seconds)
    return MOST_WARM_UP


class Taken(NamedTuple):
    """Wall seconds, and CPU seconds of all threads of this process."""

    wall: float
    cpu: float


def timed(device: torch.device, work: Callable[[], object]) -> Callable[[], Taken]:
    """A function that does the work and returns how long it took."""

    def run() -> Taken:
        clock, cpu = Clock(device), time.process_time()
        work()
        clock.lap()
        return Taken(clock.laps[0], time.process_time() - cpu)

    return run


def paired(theirs: Callable[[], Taken], ours: Callable[[], Taken], pairs: int) -> dict[str, Any]:
    """Seconds of both, bracketed: theirs, ours, ours, theirs; a ratio is how many times faster ours is.

    Untimed runs of each come first until their times are steady. What slows the machine down during a bracket slows
    both, so on a shared machine ratios are more reliable than seconds. For work on a CPU the
    ratio of processor times is the most reliable.
    """
    for side in (theirs, ours):
        warm_up(partial(_wall, side))
    brackets = []
    for _ in range(pairs):
        a, b, c, d = theirs(), ours(), ours(), theirs()
        brackets.append((Taken(a.wall + d.wall, a.cpu + d.cpu), Taken(b.wall + c.wall, b.cpu + c.cpu)))
    return {
        "pairs": pairs,
        "ratio": _range([a.wall / b.wall for a, b in brackets]),
        "cpu_ratio": _range([a.cpu / max(b.cpu, 1e-9) for a, b in brackets]),
        "theirs_seconds": statistics.median(a.wall / 2 for a, _ in brackets),
        "ours_seconds": statistics.median(b.wall / 2 for _, b in brackets),
        "theirs_cpu_seconds": statistics.median(a.cpu / 2 for a, _ in brackets),
        "ours_cpu_seconds": statistics.median(b.cpu / 2 for _, b in brackets),
    }


def _wall(run: Callable[[], Taken], number: int) -> float:
    return run().wall


def _range(ratios: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}
