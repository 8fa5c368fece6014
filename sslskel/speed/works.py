"""The four kinds of work of a run, each timed by itself: pretraining, encoding, the linear protocol, loading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.engine.accelerator import compiling
from sslskel.engine.device import keep_freed_memory, peak_memory
from sslskel.engine.optim import build_optimiser
from sslskel.evaluation.linear_head import LinearHead, fit_epoch, mini_batches
from sslskel.plugins.registry import DEFAULT_BENCHMARK
from sslskel.speed.clock import Clock, summary
from sslskel.speed.machine import arithmetic_type, extra_memory, matmul_peak, surroundings
from sslskel.speed.subject import Subject, subject

WARM_UP = 2
STAGES = ("load", "forward", "backward", "optimiser")
WORKS = ("pretraining", "encoding", "linear", "loader")
HEAD_BATCH = 256


def measure_speed(
    method: str,
    *,
    benchmark: str = DEFAULT_BENCHMARK,
    backbone: str | None = None,
    preset: str | None = None,
    steps: int = 10,
    works: Sequence[str] = WORKS,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Medians over ``steps`` timed steps of each work; seconds, bytes, clips and FLOP per second. Writes nothing.

    Raises ``UsageError`` for a device or precision that is not there, and for a batch that
    does not fit memory, with the largest that does.
    """
    allocator = keep_freed_memory()
    found = subject(method, benchmark, backbone, preset, overrides)
    cell, engine = found.cell, found.cell.resolved.engine
    measured, peak = {}, 0.0
    for work in WORKS:
        # The most of several tries: on a shared machine a single one may fall into a bad moment.
        peak = max(peak, matmul_peak(found.device, arithmetic_type(engine.precision)))
        with compiling(engine):
            measured[work] = _MEASURES[work](found, steps) if work in works else None
    for part in measured.values():
        if part is not None and "flops_per_second" in part:
            part["mfu"] = part["flops_per_second"] / peak
    return {
        "method": method,
        "benchmark": benchmark,
        "preset": cell.preset,
        "backbone": cell.backbone,
        "precision": engine.precision.value,
        "device": str(found.device),
        "threads": torch.get_num_threads(),
        "allocator": allocator,
        "batch_size": found.size,
        "steps": steps,
        "matmul_peak": peak,
        **measured,
        "peak_memory_bytes": peak_memory(found.device),
        **surroundings(),
    }


def _pretraining(found: Subject, steps: int) -> dict[str, Any] | None:
    """Steps as the training loop takes them, each stage waited for; None for a method that does not train."""
    method = found.method
    if not method.trains:
        return None
    optimiser = build_optimiser(method, found.cell.resolved.train)
    method.train()

    def step(number: int) -> list[float]:
        clock, progress = Clock(found.device), Progress(number, 1, WARM_UP + steps)
        views = found.views(number)
        clock.lap()
        with found.autocast():
            method.on_step_start(progress)
            loss = method(views, found.noise(number), progress).loss()
        clock.lap()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        clock.lap()
        optimiser.step()
        method.on_step_end(progress)
        clock.lap()
        return clock.laps

    memory = extra_memory(found.device, lambda: step(0))
    taken = [step(number) for number in range(1, WARM_UP + steps)][WARM_UP - 1 :]
    report = summary(taken, STAGES, found.size)
    report["step_memory_bytes"] = memory
    total = sum(report["seconds"].values())
    report["waits_for_data"] = report["seconds"]["load"] / total
    return _with_flops(report, lambda: found.learn(0))


def _encoding(found: Subject, steps: int) -> dict[str, Any]:
    """The test view of clips through every encoder of the method."""
    method = found.method.eval()

    def encode(number: int) -> list[float]:
        clock = Clock(found.device)
        batch = found.source.batch(found.rows(number), found.source.spec.test_view, Noise(0, number, found.device))
        clock.lap()
        with torch.no_grad(), found.autocast():
            for encoder in method.encoders().values():
                encoder.clip(batch)
        clock.lap()
        return clock.laps

    taken = [encode(number) for number in range(WARM_UP + steps)][WARM_UP:]
    return _with_flops(summary(taken, ("load", "encode"), found.size), lambda: encode(0))


def _linear(found: Subject, steps: int) -> dict[str, Any]:
    """Epochs of the linear protocol on one batch's clips: training view, frozen encoder, one epoch of the head."""
    method = found.method.eval()
    [encoder, *_] = method.encoders().values()
    classes = max(2, len(found.dataset.info.classes))
    head = LinearHead(encoder.dim, classes, Noise(0, 0, found.device), found.source.dtype).to(found.device)
    optimiser = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9)
    labels = torch.arange(found.size, device=found.device) % classes

    def epoch(number: int) -> list[float]:
        clock = Clock(found.device)
        batch = found.source.batch(found.rows(number), encoder.spec.train_view, found.noise(number))
        clock.lap()
        with torch.no_grad(), found.autocast():
            features = encoder.clip(batch).to(found.source.dtype)
        clock.lap()
        batches = mini_batches(torch.arange(found.size, device=found.device), HEAD_BATCH)
        fit_epoch(head, optimiser, features, labels, batches, [0.1] * len(batches))
        clock.lap()
        return clock.laps

    taken = [epoch(number) for number in range(WARM_UP + steps)][WARM_UP:]
    return _with_flops(summary(taken, ("load", "encode", "head"), found.size), lambda: epoch(0))


def _loader(found: Subject, steps: int) -> dict[str, Any]:
    """Training views alone, as dense tensors."""

    def load(number: int) -> list[float]:
        clock = Clock(found.device)
        spec = found.source.spec
        found.source.batch(found.rows(number), spec.train_view, found.noise(number)).dense(spec.persons)
        clock.lap()
        return clock.laps

    taken = [load(number) for number in range(WARM_UP + steps)][WARM_UP:]
    return summary(taken, ("load",), found.size)


_MEASURES: dict[str, Callable[[Subject, int], dict[str, Any] | None]] = {
    "pretraining": _pretraining,
    "encoding": _encoding,
    "linear": _linear,
    "loader": _loader,
}


def _with_flops(report: dict[str, Any], work: Callable[[], object]) -> dict[str, Any]:
    """Adds the work's products and sums per second."""
    # Fused kernels of a CPU are not known to the counter; written out they do the same arithmetic.
    with (
        FlopCounterMode(display=False) as counter,
        sdpa_kernel(SDPBackend.MATH),
        torch.compiler.set_stance("force_eager"),
    ):
        work()
    flops = counter.get_total_flops() / report["step_seconds"]["median"]
    return {**report, "flops_per_second": flops}
