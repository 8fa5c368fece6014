"""The training loop of every pretext method, to be read from top to bottom.

It owns data order, precision, gradients over processes, checkpoints and faults; the
method owns the loss. On one machine the same call gives the same bytes, interrupted or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from torch import Tensor

from sslskel.batch import StepOutput
from sslskel.config import EngineConfig, Precision, TrainConfig
from sslskel.data.loader import ClipSource
from sslskel.distributed import rank, sum_over_processes, world_size
from sslskel.engine.checkpoint import (
    disk_faults,
    latest,
    load_optimiser,
    load_weights,
    read_state,
    remove_leftovers,
    save_checkpoint,
)
from sslskel.engine.device import peak_memory, resolve_device
from sslskel.engine.metrics import MetricsFile
from sslskel.engine.optim import build_optimiser, optimiser_tensors, restore_optimiser, set_rate
from sslskel.engine.sampler import EpochSampler
from sslskel.engine.schedule import learning_rate
from sslskel.engine.signals import StopWish
from sslskel.errors import RunError, UsageError
from sslskel.method import PretextMethod, Progress
from sslskel.noise import Noise

Advance = Callable[..., None]


@dataclass(frozen=True)
class TrainResult:
    """What a finished pretraining left, and what it cost over all its attempts."""

    checkpoint: Path
    steps: int
    seconds: float
    samples_per_second: float
    peak_memory: int
    """Bytes."""
    loss: float
    """Of the last step; NaN where nothing was trained."""


@dataclass
class _Run:
    """One pretraining: what stays the same over its steps, and where it stands."""

    method: PretextMethod
    source: ClipSource
    train: TrainConfig
    seed: int
    folder: Path
    meta: Mapping[str, Any]
    device: torch.device
    step: int = 0
    seconds: float = 0.0
    loss: float = float("nan")
    optimiser: torch.optim.Optimizer = field(init=False)
    sampler: EpochSampler = field(init=False)

    @property
    def total(self) -> int:
        return self.train.epochs * self.sampler.steps_per_epoch if self.method.trains else 0

    def save(self) -> Path | None:
        if rank() != 0:
            return None
        state = {
            "seconds": self.seconds,
            "loss": self.loss if self.loss == self.loss else None,
            "seed": self.seed,
            "finished": self.step == self.total,
            "meta": dict(self.meta),
        }
        tensors = optimiser_tensors(self.optimiser) if self.method.trains else {}
        return save_checkpoint(
            self.folder, self.step, self.method.state_dict(), tensors, state, self.train.keep_checkpoints
        )

    def result(self, checkpoint: Path) -> TrainResult:
        clips = self.step * min(self.train.batch_size, len(self.source))
        rate = clips / self.seconds if self.seconds else 0.0
        return TrainResult(checkpoint, self.step, self.seconds, rate, peak_memory(self.device), self.loss)


def pretrain(
    method: PretextMethod,
    source: ClipSource,
    train: TrainConfig,
    engine: EngineConfig,
    seed: int,
    folder: Path,
    meta: Mapping[str, Any],
    *,
    init: Path | None = None,
    advance: Advance,
) -> TrainResult:
    """Train ``method`` on ``source``, continuing from the newest sound checkpoint in ``folder``.

    ``meta`` is kept in every checkpoint; ``init`` is a checkpoint directory whose weights
    a new run starts from. Raises ``UsageError`` for settings that cannot work, ``RunError``
    on a non-finite loss or a full disk, ``Interrupted`` after a signal, state saved.
    """
    if method.cross_batch and train.accumulate > 1:
        raise UsageError("train.accumulate cannot be used with a method whose clips see each other")
    accelerator = _accelerator(engine)
    run = _Run(method, source, train, seed, folder, meta, resolve_device(engine.device))
    method.to(device=run.device, dtype=torch.float64 if engine.precision is Precision.fp64 else torch.float32)
    run.sampler = EpochSampler(len(source), train.batch_size, seed, train.drop_last)
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
    if method.trains:
        run.optimiser = build_optimiser(method, train)
    found = latest(folder)
    if found is not None:
        _restore(run, found)
    elif init is not None:
        method.load_state_dict(load_weights(latest(init) or init))
    if found is not None and run.step == run.total:
        return run.result(found)
    if method.trains:
        _loop(run, engine, accelerator, advance)
    checkpoint = run.save()
    accelerator.wait_for_everyone()
    return run.result(checkpoint or latest(folder) or folder)


def _accelerator(engine: EngineConfig) -> Accelerator:
    AcceleratorState._reset_state()
    mixed = engine.precision.value if engine.precision in (Precision.bf16, Precision.fp16) else "no"
    return Accelerator(
        cpu=resolve_device(engine.device).type == "cpu",
        mixed_precision=mixed,
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        log_with="tensorboard" if engine.tensorboard else None,
    )


def _restore(run: _Run, step: Path) -> None:
    state = read_state(step)
    if state["seed"] != run.seed or state["meta"].get("identity") != run.meta.get("identity"):
        raise UsageError(f"{step} belongs to another run; remove it or choose another output folder")
    run.method.load_state_dict(load_weights(step))
    if run.method.trains:
        restore_optimiser(run.optimiser, load_optimiser(step))
    run.step, run.seconds = int(state["step"]), float(state["seconds"])
    run.loss = float("nan") if state["loss"] is None else float(state["loss"])


def _loop(run: _Run, engine: EngineConfig, accelerator: Accelerator, advance: Advance) -> None:
    """Steps until the end, a signal or a fault."""
    model = accelerator.prepare_model(run.method)
    if engine.compile:
        model = torch.compile(model)
    optimiser = accelerator.prepare_optimizer(run.optimiser)
    with disk_faults(run.folder):
        log = MetricsFile(run.folder, run.step) if rank() == 0 else None
    if engine.tensorboard:
        accelerator.init_trackers(str(run.folder / "tensorboard"))
    pending: _Pending | None = None
    run.method.train()
    with StopWish() as wish:
        while run.step < run.total:
            start = time.perf_counter()
            rate = learning_rate(run.train, run.step / run.sampler.steps_per_epoch)
            set_rate(run.optimiser, rate)
            current = _step(run, model, optimiser, accelerator)
            if pending is not None:
                pending.check(run)
            pending = current
            run.step += 1
            run.seconds += time.perf_counter() - start
            _report(run, current, rate, engine, log, accelerator, advance)
            if wish.code:
                current.check(run)
                run.save()
                raise wish.interrupted(f"step {run.step} of {run.total} is saved in {run.folder}")
            epoch, within = divmod(run.step, run.sampler.steps_per_epoch)
            if within == 0 and epoch % run.train.checkpoint_epochs == 0 and run.step < run.total:
                current.check(run)
                run.save()
    if pending is not None:
        run.loss = float(pending.loss)
        pending.check(run)
    if engine.tensorboard:
        accelerator.end_training()


@dataclass(frozen=True)
class _Pending:
    """What a step left on the device, read by the host one step later."""

    step: int
    rows: Tensor
    loss: Tensor
    terms: dict[str, Tensor]
    bad: Tensor

    def check(self, run: _Run) -> None:
        """Raise ``RunError`` where the step was not finite; its update was skipped on the device."""
        if not bool(self.bad):
            return
        broken = [name for name, value in self.terms.items() if not bool(torch.isfinite(value))]
        gradients = [
            name
            for name, p in run.method.named_parameters()
            if p.grad is not None and not bool(torch.isfinite(p.grad).all())
        ]
        what = f"loss term '{broken[0]}' is {float(self.terms[broken[0]])}" if broken else "a gradient is not finite"
        where = f", first in parameter '{gradients[0]}'" if gradients and not broken else ""
        names = ", ".join(str(name) for name in run.source.names(self.rows)[:8])
        raise RunError(
            f"step {self.step}: {what}{where}; clips of the step: {names}{' ...' if len(self.rows) > 8 else ''}."
            " No weight was changed by it and no checkpoint was written after it; lower train.lr or look at the clips"
        )


def _step(run: _Run, model: Any, optimiser: Any, accelerator: Accelerator) -> _Pending:
    """One optimiser update from one global batch, cut into ``train.accumulate`` parts."""
    progress = Progress(run.step, run.sampler.steps_per_epoch, run.train.epochs)
    noise = Noise(run.seed, run.step, run.device)
    rows = run.sampler.share(run.step, rank(), world_size())
    run.method.on_step_start(progress)
    optimiser.zero_grad(set_to_none=True)
    parts = [part for part in rows.tensor_split(run.train.accumulate) if len(part)] or [rows]
    totals: dict[str, Tensor] = {}
    counts: dict[str, Tensor] = {}
    for number, part in enumerate(parts):
        views = [run.source.batch(part, view, noise.view(i)) for i, view in enumerate(run.method.views())]
        quiet = number + 1 < len(parts) and hasattr(model, "no_sync")
        with model.no_sync() if quiet else nullcontext(), accelerator.autocast():
            output: StepOutput = model(views, noise, progress)
            if run.train.accumulate > 1 and len(output.terms) > 1:
                raise UsageError("train.accumulate needs a method with one loss term; this one has several")
            part_counts = {n: sum_over_processes(t.count.detach().to(t.total.dtype)) for n, t in output.terms.items()}
            ways = world_size()
            objective = torch.stack(
                [t.scale * t.total * ways / (part_counts[n] if len(parts) == 1 else 1) for n, t in output.terms.items()]
            ).sum()
        accelerator.backward(objective)
        for name, term in output.terms.items():
            totals[name] = totals.get(name, 0) + sum_over_processes(term.total.detach()) * term.scale
            counts[name] = counts.get(name, 0) + part_counts[name]
    if len(parts) > 1:
        [whole] = counts.values()
        for parameter in run.method.parameters():
            if parameter.grad is not None:
                parameter.grad.div_(whole.to(parameter.grad.dtype))
    terms = {name: totals[name] / counts[name] for name in totals}
    bad = _update(run, optimiser, accelerator, torch.stack(list(terms.values())))
    run.method.on_step_end(progress)
    return _Pending(run.step, rows, torch.stack(list(terms.values())).sum(), terms, bad)


def _update(run: _Run, optimiser: Any, accelerator: Accelerator, terms: Tensor) -> Tensor:
    """Apply the gradients unless something is not finite; returns the flag, still on the device."""
    parameters = [p for p in run.method.parameters() if p.grad is not None]
    scaled = accelerator.scaler is not None
    if run.train.clip_norm > 0:
        norm = accelerator.clip_grad_norm_(parameters, run.train.clip_norm)
    else:
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    bad = ~torch.isfinite(terms).all()
    if not scaled:
        # With a loss scale the scaler itself skips overflowing steps and lowers the scale.
        bad = bad | ~torch.isfinite(norm)
        run.optimiser.found_inf = bad.to(torch.float32)  # type: ignore[attr-defined]
        run.optimiser.grad_scale = None  # type: ignore[attr-defined]
    optimiser.step()
    return bad


def _report(
    run: _Run,
    current: _Pending,
    rate: float,
    engine: EngineConfig,
    log: MetricsFile | None,
    accelerator: Accelerator,
    advance: Advance,
) -> None:
    if run.step % engine.log_every and run.step != run.total:
        return
    run.loss = float(current.loss)
    clips = run.step * min(run.train.batch_size, len(run.source))
    values: dict[str, float | int] = {
        "step": run.step,
        "epoch": run.step / run.sampler.steps_per_epoch,
        "loss": run.loss,
        "lr": rate,
        "samples_per_second": clips / run.seconds,
        **{f"term/{name}": float(value) for name, value in current.terms.items()},
    }
    if log is not None:
        with disk_faults(run.folder):
            log.write(values)
    if engine.tensorboard:
        accelerator.log(values, step=run.step)
    epoch = run.step // run.sampler.steps_per_epoch
    detail = {"epoch": epoch, "loss": run.loss, "samples/s": round(clips / run.seconds, 1)}
    advance("pretraining", run.step, run.total, **detail)
