"""What is measured: a method on its data, built as a run would build it, at a batch that fits."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.dataset import Dataset
from sslskel.api.method import PretextMethod, Progress
from sslskel.api.noise import Noise
from sslskel.data.loader import ClipSource
from sslskel.data.prepare import open_benchmark
from sslskel.data.step_views import step_views
from sslskel.encoders.adapt import reading_of
from sslskel.encoders.open import build_method
from sslskel.engine.accelerator import compile_forward, compiling
from sslskel.engine.device import autocast, check_precision, dtype_of, resolve_device, set_threads
from sslskel.engine.training_clips import SourceClips
from sslskel.errors import UsageError
from sslskel.grid.cell import Cell
from sslskel.plugins.registry import BENCHMARKS
from sslskel.speed.machine import extra_memory, free_memory
from sslskel.transforms.clip import clip_spec

PROBE = 3, 6
"""Clips of two small steps, whose memory predicts that of a larger one; methods that mix clips need three."""
PROGRESS = Progress(0, 1, 1)


@dataclass
class Workload:
    """One cell, ready to take steps; nothing is written to disk."""

    cell: Cell
    dataset: Dataset
    device: torch.device
    method: PretextMethod
    source: ClipSource
    size: int
    """Clips of a step."""
    turns: tuple[str, ...]
    """Names of the method's optimisers."""

    def rows(self, step: int, size: int | None = None) -> Tensor:
        """Positions of a step's clips, going round the training part."""
        count = self.size if size is None else size
        return (torch.arange(count) + step * count) % len(self.source)

    def noise(self, step: int, rows: Tensor | None = None) -> Noise:
        """All draws of a step, over its clips or over those at ``rows``."""
        chosen = self.rows(step) if rows is None else rows
        return Noise(self.cell.seed, step, self.device).over(self.source.keys[chosen])

    def views(self, step: int, rows: Tensor | None = None) -> list[Batch]:
        """The views that the method asks for, of a step's clips or of those at ``rows``."""
        chosen = self.rows(step) if rows is None else rows
        return list(step_views(self.source, chosen, self.method.views(), self.noise(step, chosen)))

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision where the run asks for it."""
        return autocast(self.device, self.cell.resolved.engine.precision)

    def loss(self, views: list[Batch], step: int, progress: Progress) -> Tensor:
        """The method's loss; where it has several turns, the sum of theirs."""
        noise = self.noise(step, views[0].position)
        losses = [self.method(views, noise, progress._replace(turn=turn)).loss() for turn in self.turns]
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def learn(self, step: int, rows: Tensor | None = None) -> Tensor:
        """Loss and gradients of a step; the gradients stay in the parameters."""
        self.method.zero_grad(set_to_none=True)
        with self.autocast():
            loss = self.loss(self.views(step, rows), step, PROGRESS)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


def build_workload(cell: Cell) -> Workload:
    """Build one. Raises ``UsageError`` for a device or precision that this machine lacks, or too large a batch."""
    workload = _placed(cell, None)
    if cell.resolved.engine.compile:
        compile_forward(workload.method)
    with compiling(cell.resolved.engine):
        _begin(workload)
        if workload.method.trains:
            require_room(workload)
    return workload


def small_workload(cell: Cell, clips: int) -> Workload:
    """The same of at most ``clips`` training clips, for a glance at few steps: not compiled, whether or not it fits."""
    workload = _placed(cell, clips)
    _begin(workload)
    return workload


def workload_on(cell: Cell, dataset: Dataset) -> Workload:
    """The same on all clips of another dataset of the same body, as training clips: for counting what a step does."""
    workload = _built(cell, dataset, np.arange(len(dataset)))
    _begin(workload)
    return workload


def _placed(cell: Cell, most: int | None) -> Workload:
    """A method with initial weights on its device, and its training clips or the first of them."""
    benchmark = BENCHMARKS.get(cell.benchmark)
    dataset = open_benchmark(benchmark)
    return _built(cell, dataset, benchmark.split(cell.split).part(dataset, "train")[:most])


def _built(cell: Cell, dataset: Dataset, rows: npt.NDArray[np.int64]) -> Workload:
    resolved, engine = cell.resolved, cell.resolved.engine
    device = resolve_device(engine.device)
    check_precision(device, engine.precision)
    set_threads(engine)
    spec = clip_spec(dataset.info, resolved.clip)
    known = replace(spec, clips=len(rows))
    built = build_method(cell.method, resolved.method, cell.backbone, resolved.backbone, known, cell.seed)
    built.to(device=device, dtype=dtype_of(engine))
    joints = reading_of(spec, dataset.info).read
    source = ClipSource(dataset, rows, spec, device=device, dtype=dtype_of(engine), labels=False, joints=joints)
    turns = tuple(turn.name for turn in built.turns())
    return Workload(cell, dataset, device, built, source, min(resolved.train.batch_size, len(source)), turns)


def _begin(workload: Workload) -> None:
    """What a run does before its first step."""
    method = workload.method
    if not method.trains:
        return
    method.eval()
    with torch.no_grad():
        method.load_start()
        first = PROGRESS._replace(clips=len(workload.source), batch_size=workload.size, seed=workload.cell.seed)
        method.on_epoch_start(SourceClips(workload.source), workload.noise(0).between_steps(), first)
    method.train()


def require_room(workload: Workload) -> None:
    """Raise ``UsageError`` if the batch does not fit in memory; two small steps predict the largest that does."""
    small, large = PROBE
    if workload.size <= 2 * large:
        return
    workload.method.train()
    try:
        needs = [
            extra_memory(workload.device, lambda size=size: workload.learn(0, workload.rows(0, size)))  # type: ignore[misc]
            for size in PROBE
        ]
    except torch.OutOfMemoryError as fault:
        raise UsageError(
            f"not even {large} clips fit in the memory of {workload.device}; take a smaller preset"
        ) from fault
    workload.method.zero_grad(set_to_none=True)
    if needs[0] is None or needs[1] is None:
        return
    each = max((needs[1] - needs[0]) / (large - small), needs[1] / large / 2)
    free = free_memory(workload.device)
    fixed = max(0.0, needs[1] - large * each)
    fits = int((free - fixed) // each)
    if fits < workload.size:
        needed = (fixed + workload.size * each) / 2**30
        raise UsageError(
            f"a batch of {workload.size} clips needs about {needed:.1f} GiB on {workload.device},"
            f" where {free / 2**30:.1f} GiB are free; the largest that fits is about train.batch_size={max(fits, 1)}"
        )
