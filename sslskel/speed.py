"""Times pretraining steps and encoding passes of one method, and the memory they take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch

from sslskel.cell import Cell, grid
from sslskel.data.loader import ClipSource
from sslskel.data.prepare import open_benchmark
from sslskel.data.transforms import clip_spec
from sslskel.dataset import Dataset
from sslskel.encoder import build_method
from sslskel.engine.device import autocast, check_precision, hardware, peak_memory, resolve_device
from sslskel.engine.optim import build_optimiser
from sslskel.method import PretextMethod, Progress
from sslskel.noise import Noise
from sslskel.registry import BENCHMARKS
from sslskel.stages import dtype_of

WARM_UP = 2
STAGES = ("load", "forward", "backward", "optimiser")


def speed(
    method: str,
    *,
    benchmark: str = "synthetic",
    backbone: str | None = None,
    preset: str | None = None,
    steps: int = 10,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Medians over ``steps`` timed steps; seconds, bytes and clips per second. Writes nothing."""
    [cell] = grid([method], [None], [benchmark], [0], backbone=backbone, preset=preset, overrides=overrides)
    dataset = open_benchmark(BENCHMARKS.get(benchmark))
    engine = cell.resolved.engine
    if engine.threads:
        torch.set_num_threads(engine.threads)
    device = resolve_device(engine.device)
    check_precision(device, engine.precision)
    built, source = _build(cell, dataset, device)
    training = _pretraining(built, source, cell, device, steps) if built.trains else None
    return {
        "method": method,
        "benchmark": benchmark,
        "preset": cell.preset,
        "backbone": cell.backbone,
        "precision": engine.precision.value,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "batch_size": min(cell.resolved.train.batch_size, len(source)),
        "steps": steps,
        "pretraining": training,
        "encoding": _encoding(built, source, cell, device, steps),
        "peak_memory_bytes": peak_memory(device),
        "hardware": hardware(),
    }


def _build(cell: Cell, dataset: Dataset, device: torch.device) -> tuple[PretextMethod, ClipSource]:
    resolved = cell.resolved
    spec = clip_spec(dataset.info, resolved.clip)
    method = build_method(cell.method, resolved.method, cell.backbone, resolved.backbone, spec, cell.seed)
    method.to(device=device, dtype=dtype_of(resolved.engine))
    rows = BENCHMARKS.get(cell.benchmark).split(cell.split).part(dataset, "train")
    source = ClipSource(dataset, rows, spec, device=device, dtype=dtype_of(resolved.engine), labels=False)
    return method, source


def _pretraining(
    method: PretextMethod, source: ClipSource, cell: Cell, device: torch.device, steps: int
) -> dict[str, Any]:
    train, precision = cell.resolved.train, cell.resolved.engine.precision
    size = min(train.batch_size, len(source))
    optimiser = build_optimiser(method, train)
    method.train()
    taken = []
    for step in range(WARM_UP + steps):
        clock = _Clock(device)
        noise, progress = Noise(cell.seed, step, device), Progress(step, 1, WARM_UP + steps)
        rows = (torch.arange(size) + step * size) % len(source)
        views = [source.batch(rows, view, noise.view(i)) for i, view in enumerate(method.views())]
        clock.lap()
        with autocast(device, precision):
            method.on_step_start(progress)
            loss = method(views, noise, progress).loss()
        clock.lap()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        clock.lap()
        optimiser.step()
        method.on_step_end(progress)
        clock.lap()
        taken.append(clock.laps)
    return _summary(taken[WARM_UP:], STAGES, size)


def _encoding(
    method: PretextMethod, source: ClipSource, cell: Cell, device: torch.device, steps: int
) -> dict[str, Any]:
    method.eval()
    size = min(cell.resolved.train.batch_size, len(source))
    taken = []
    for step in range(WARM_UP + steps):
        clock = _Clock(device)
        rows = (torch.arange(size) + step * size) % len(source)
        batch = source.batch(rows, source.spec.test_view, Noise(0, step, device))
        clock.lap()
        with torch.no_grad(), autocast(device, cell.resolved.engine.precision):
            for encoder in method.encoders().values():
                encoder.clip(batch)
        clock.lap()
        taken.append(clock.laps)
    return _summary(taken[WARM_UP:], ("load", "encode"), size)


def _summary(taken: Sequence[Sequence[float]], stages: Sequence[str], size: int) -> dict[str, Any]:
    totals = [sum(laps) for laps in taken]
    return {
        "samples_per_second": size / statistics.median(totals),
        "step_seconds": {"median": statistics.median(totals), "min": min(totals), "max": max(totals)},
        "seconds": {stage: statistics.median(laps[i] for laps in taken) for i, stage in enumerate(stages)},
    }


class _Clock:
    """Laps on a device whose work is queued."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.laps: list[float] = []
        self._last = self._now()

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def lap(self) -> None:
        now = self._now()
        self.laps.append(now - self._last)
        self._last = now
