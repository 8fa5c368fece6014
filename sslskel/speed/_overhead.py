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
from sslskel.engine.train import pretrain
from sslskel.speed._clock import paired
from sslskel.speed._subject import Subject

STEPS = 8


def engine_overhead(found: Subject, pairs: int) -> dict[str, Any]:
    """Seconds of the loop with its checks, sums, schedule and log, over those of a bare one; checkpoints apart.

    A checkpoint is written every few epochs, and its cost is a matter of disks.
    """
    count = min(STEPS, len(found.source) // found.size)
    source = found.source.subset(torch.arange(count * found.size))
    train = replace(found.cell.resolved.train, epochs=1, warmup_epochs=0, batch_size=found.size)
    start = copy.deepcopy(found.method.state_dict())

    def engine() -> float:
        found.method.load_state_dict(start)
        with tempfile.TemporaryDirectory() as folder:
            return pretrain(
                found.method, source, train, found.cell.resolved.engine, 0, Path(folder), {"identity": "speed"}
            ).seconds

    def bare() -> float:
        found.method.load_state_dict(start)
        optimiser = build_optimiser(found.method, train)
        found.method.train()
        began = time.perf_counter()
        for step in range(count):
            found.learn(step)
            optimiser.step()
        if found.device.type == "cuda":
            torch.cuda.synchronize(found.device)
        return time.perf_counter() - began

    report = paired(engine, bare, pairs)
    return {
        "steps": count,
        "bare_step_seconds": report["ours_seconds"] / count,
        "overhead": {name: value - 1 for name, value in report["ratio"].items()},
    }
