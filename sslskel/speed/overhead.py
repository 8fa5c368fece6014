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
from sslskel.engine.probing import Watch
from sslskel.engine.sampler import EpochSampler
from sslskel.engine.train import pretrain
from sslskel.speed.clock import Taken, paired
from sslskel.speed.workload import Workload

STEPS = 5


def engine_overhead(workload: Workload, pairs: int) -> dict[str, Any]:
    """Seconds of the loop with its checks, sums, schedule and log, over those of a bare loop; without checkpoints.

    A checkpoint is written every few epochs, and its cost depends on the disk.
    """
    count = max(2, min(STEPS, len(workload.source) // workload.size))
    source = workload.source.subset(torch.arange(count * workload.size))
    train = replace(workload.cell.resolved.train, epochs=1, warmup_epochs=0, batch_size=workload.size)
    # The same batches on both sides: missing persons have no rows, so the cost of batches differs.
    sampler = EpochSampler(len(source), workload.size, seed=0, drop_last=train.drop_last)
    start = copy.deepcopy(workload.method.state_dict())

    def engine() -> Taken:
        workload.method.load_state_dict(start)
        laps = _Laps(workload.device)
        with tempfile.TemporaryDirectory() as folder:
            meta = {"identity": "speed"}
            engine = workload.cell.resolved.engine
            pretrain(workload.method, source, train, engine, seed=0, folder=Path(folder), meta=meta, watch=Watch(laps))
        return laps.taken()

    def bare() -> Taken:
        workload.method.load_state_dict(start)
        optimiser = build_optimiser(workload.method.parameter_groups(), train)
        workload.method.train()
        laps = _Laps(workload.device)
        for step in range(count):
            workload.learn(step, sampler.batch(step))
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
    """Time from the end of the first step to the end of the last, so that start-up is not counted."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._notes: list[Taken] = []

    def line(self, text: str) -> None:
        """Ignore lines of text."""

    def step(self, what: str = "", done: int = 0, of: int = 0, /, **detail: object) -> None:
        """Note the time at the end of a step."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._notes.append(Taken(time.perf_counter(), time.process_time()))

    def taken(self) -> Taken:
        """Between the first and the last step."""
        first, last = self._notes[0], self._notes[-1]
        return Taken(last.wall - first.wall, last.cpu - first.cpu)
