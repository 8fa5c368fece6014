"""What steps of a cell cost, at a glance: few clips, and more while time allows. For estimates, not for reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from sslskel.api.noise import Noise
from sslskel.engine.device import arithmetic
from sslskel.engine.optim import build_optimiser
from sslskel.engine.turns import of_turn
from sslskel.grid.cell import Cell
from sslskel.speed.clock import Clock
from sslskel.speed.expected import Work, work_of
from sslskel.speed.workload import PROBE, Workload, require_room, small_workload

SAMPLE = 2000
"""Most training clips that are looked at: a method may go through all of them before its first step."""
ENCODE_BATCH = 128
"""Clips that protocols usually encode at a time."""
LEAST_GROWTH = 0.25
"""Least share of a clip's cost so far that each further one is taken to cost: timings of few clips are noisy."""


class Glance(NamedTuple):
    """Costs of a cell on this machine."""

    step_seconds: float
    """Of a whole training batch; 0 where the method does not train."""
    encode_rate: float
    """Clips per second."""
    weights: int
    steps: tuple[tuple[int, float], ...] = ()
    """(clips, seconds) of steps that were timed, the most clips last."""
    work: Work | None = None
    """What the first of them did; None where the method does not train."""


def glance(cell: Cell, limit: float) -> Glance:
    """Time steps of few clips, then of more as long as that takes at most ``limit`` seconds for each kind of work.

    A single step of the fewest clips may take longer. Raises ``UsageError`` for a device or precision that this machine
    lacks, and for a batch that does not fit in memory where finding that out is quick.
    """
    with arithmetic(cell.resolved.engine), torch.random.fork_rng(devices=[]):
        workload = small_workload(cell, SAMPLE)
        weights = sum(parameter.numel() for parameter in workload.method.parameters())
        steps, work = _training(workload, limit) if workload.method.trains else ([], None)
        encoding = _encoding(workload, limit)
    training = extrapolated(steps, workload.size) if steps else 0.0
    return Glance(training, ENCODE_BATCH / encoding, weights, tuple(steps), work)


def _training(workload: Workload, limit: float) -> tuple[list[tuple[int, float]], Work]:
    train = workload.cell.resolved.train
    optimisers = [build_optimiser(turn.groups, of_turn(train, turn)) for turn in workload.method.turns()]

    counted: list[Work] = []

    def taken(clips: int) -> None:
        workload.learn(0, workload.rows(0, clips))
        for optimiser in optimisers:
            optimiser.step()

    def step(clips: int) -> None:
        if counted:
            taken(clips)
        else:
            counted.append(work_of(taken, clips))

    began = time.perf_counter()
    timed = timings(workload.device, step, (PROBE[0], workload.size), limit)
    if time.perf_counter() - began <= limit:
        require_room(workload)
    return timed, counted[0]


def _encoding(workload: Workload, limit: float) -> float:
    method = workload.method.eval()

    def encode(clips: int) -> None:
        view = workload.source.spec.test_view
        batch = workload.source.batch(workload.rows(0, clips), view, Noise(0, 0, workload.device))
        with torch.no_grad(), workload.autocast():
            for encoder in method.encoders().values():
                encoder.clip(batch)

    most = min(ENCODE_BATCH, len(workload.source))
    return extrapolated(timings(workload.device, encode, (1, most), limit), ENCODE_BATCH)


def timings(
    device: torch.device, work: Callable[[int], object], clips: tuple[int, int], limit: float
) -> list[tuple[int, float]]:
    """(clips, seconds) of ``work``, from the fewest clips to the most, doubled while ``limit`` seconds are not over.

    The fewest come twice where there is time, since the first call of all is slower than the others.
    """
    least, most = min(clips), clips[1]
    count, began, timed = least, time.perf_counter(), list[tuple[int, float]]()
    while True:
        clock = Clock(device)
        work(count)
        clock.lap()
        timed.append((count, clock.laps[0]))
        following = min(2 * count, most) if len(timed) > 1 else count
        ahead = timed[-1][1] * following / count
        if (following == count and len(timed) > 1) or time.perf_counter() - began + ahead > limit:
            return timed
        count = following


def extrapolated(timed: Sequence[tuple[int, float]], clips: int) -> float:
    """Seconds of ``clips`` clips, from timings of fewer ones: those of the most, and beyond them as they grew last."""
    known = dict(timed)
    count, seconds = timed[-1]
    fewer = [one for one in known if one < count]
    each = seconds / count
    if fewer:
        growth = (seconds - known[fewer[-1]]) / (count - fewer[-1])
        each = min(each, max(growth, LEAST_GROWTH * each))
    return seconds + max(0, clips - count) * each
