"""What the training loop costs beyond its steps: the engine against a bare loop over the same work."""

from __future__ import annotations

import copy
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sslskel.engine.optim import build_optimiser
from sslskel.engine.sampler import EpochSampler
from sslskel.engine.train import pretrain
from sslskel.speed.clock import Taken, paired
from sslskel.speed.subject import Subject

STEPS = 5


def engine_overhead(found: Subject, pairs: int) -> dict[str, Any]:
    """Seconds of the loop with its checks, sums, schedule and log, over those of a bare one; checkpoints apart.

    A checkpoint is written every few epochs, and its cost is a matter of disks.
    """
    count = max(2, min(STEPS, len(found.source) // found.size))
    source = found.source.subset(torch.arange(count * found.size))
    train = replace(found.cell.resolved.train, epochs=1, warmup_epochs=0, batch_size=found.size)
    # The same batches on both sides: where missing persons have no rows, batches differ in what they cost.
    sampler = EpochSampler(len(source), found.size, seed=0, drop_last=train.drop_last)
    start = copy.deepcopy(found.method.state_dict())

    def engine() -> Taken:
        found.method.load_state_dict(start)
        laps = _Laps(found.device)
        with tempfile.TemporaryDirectory() as folder:
            meta = {"identity": "speed"}
            engine = found.cell.resolved.engine
            pretrain(found.method, source, train, engine, seed=0, folder=Path(folder), meta=meta, reporter=laps)
        return laps.taken()

    def bare() -> Taken:
        found.method.load_state_dict(start)
        optimiser = build_optimiser(found.method, train)
        found.method.train()
        laps = _Laps(found.device)
        for step in range(count):
            found.learn(step, sampler.batch(step))
            optimiser.step()
            laps.step()
        return laps.taken()

    report = paired(engine, bare, pairs)
    return {
        "steps": count,
        "bare_step_seconds": report["ours_seconds"] / (count - 1),
        "overhead": {name: value - 1 for name, value in report["ratio"].items()},
        "cpu_overhead": {name: value - 1 for name, value in report["cpu_ratio"].items()},
    }


class _Laps:
    """Time from the end of the first step to the end of the last: what starting up costs is another matter."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._notes: list[Taken] = []

    def line(self, text: str) -> None:
        """Nothing is kept of sentences."""

    def step(self, what: str = "", done: int = 0, of: int = 0, /, **detail: object) -> None:
        """A step is done."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._notes.append(Taken(time.perf_counter(), time.process_time()))

    def taken(self) -> Taken:
        """Between the first and the last step."""
        first, last = self._notes[0], self._notes[-1]
        return Taken(last.wall - first.wall, last.cpu - first.cpu)
