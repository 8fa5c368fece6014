"""Two processes on one device, which speak to each other through gloo, against one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from cases import FEW, apart, methods, trained
from sections import Facts, Settings, checked
from torch import Tensor
from torch import distributed as dist

from sslskel.config.groups import Precision

WORLD, LARGEST = 2, 1e-6
LONGEST = 240.0
"""Seconds that two processes may take for one method."""


def two_against_one(settings: Settings, seconds: float) -> Facts:
    """Distances of weights after two epochs in float64; of methods whose clips see each other and of others."""
    faults, shown = list[str](), Facts()
    for name in [one for one in methods(settings.small) if one in FEW]:
        with tempfile.TemporaryDirectory() as folder:
            alone, _ = trained(name, settings.device, Precision.fp64, Path(folder, "one"))
            both = _by_two(name, settings.device, Path(folder))
        far, where = apart(both, alone)
        shown[name] = {"weights": far}
        if not far <= LARGEST:
            faults.append(f"{name}: {where} is {far:.1e} apart on two processes, {LARGEST:.0e} allowed")
    return checked(faults, shown)


def _by_two(name: str, device: torch.device, folder: Path) -> dict[str, Tensor]:
    """What the first of two processes ends with; raises ``RuntimeError`` with the last words of one that failed."""
    running = []
    for number in range(WORLD):
        words = [sys.executable, __file__, name, str(device), str(folder)]
        # As on two machines, each of which has one device; else each process would look for a device of its own.
        environment: dict[str, object] = {"RANK": number, "LOCAL_RANK": 0, "WORLD_SIZE": WORLD, "LOCAL_WORLD_SIZE": 1}
        # Accelerate asks for it; the processes meet through a file.
        environment["MASTER_ADDR"] = "127.0.0.1"
        known = {key: str(value) for key, value in environment.items()}
        running.append(subprocess.Popen(words, env={**os.environ, **known}, stderr=subprocess.PIPE, text=True))
    until = time.monotonic() + LONGEST
    try:
        ended = [process.communicate(timeout=max(1.0, until - time.monotonic()))[1] for process in running]
    finally:
        for process in running:
            process.kill()
    for process, words in zip(running, ended, strict=True):
        if process.returncode:
            raise RuntimeError(f"{name} on two processes: {' '.join(words.split()[-40:])}")
    weights: dict[str, Tensor] = torch.load(folder / "weights.pt", weights_only=True)
    return weights


def _main(name: str, device: str, folder: str) -> None:
    number = int(os.environ["RANK"])
    store = dist.FileStore(f"{folder}/store", WORLD)
    dist.init_process_group("gloo", store=store, rank=number, world_size=WORLD)
    weights, _ = trained(name, torch.device(device), Precision.fp64, Path(folder, "two"))
    if number == 0:
        torch.save(weights, Path(folder, "weights.pt"))
    dist.barrier()
    # Threads of gloo and of the heartbeat would hold up an orderly end.
    os._exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
