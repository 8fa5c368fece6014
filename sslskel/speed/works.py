"""The four kinds of work of a run, each timed separately: pretraining, encoding, the linear protocol, loading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.engine.accelerator import compiling
from sslskel.engine.device import arithmetic, keep_freed_memory, peak_memory
from sslskel.engine.optim import build_optimiser
from sslskel.engine.turns import of_turn
from sslskel.evaluation.linear_head import LinearHead, fit_epoch, mini_batches
from sslskel.grid.cell import Cell
from sslskel.grid.request import GridRequest
from sslskel.nn.plain import explicit
from sslskel.speed.clock import MOST_WARM_UP, Clock, summary, warm_up
from sslskel.speed.expected import sentence, work_of
from sslskel.speed.machine import arithmetic_type, extra_memory, matmul_peak, surroundings
from sslskel.speed.workload import PROBE, Workload, build_workload

WARM_UP = 2
"""Fewest runs before those that count."""
STAGES = ("load", "forward", "backward", "optimiser")
WORKS = ("pretraining", "encoding", "linear", "loader")
HEAD_BATCH = 256


def measure_speed(request: GridRequest, *, steps: int = 10, works: Sequence[str] = WORKS) -> dict[str, Any]:
    """Medians over ``steps`` timed steps of each work; seconds, bytes, clips and FLOP per second. Writes nothing.

    Raises ``UsageError`` for a request of several pretrainings, for a device or precision that this
    machine lacks, and for a batch that does not fit in memory, with the largest that does.
    """
    return measure_cell(request.single_pretraining(), steps, works)


def measure_cell(cell: Cell, steps: int, works: Sequence[str]) -> dict[str, Any]:
    """As :func:`measure_speed`, of one cell."""
    allocator = keep_freed_memory()
    with arithmetic(cell.resolved.engine):
        return _measured(cell, steps, works, allocator)


def _measured(cell: Cell, steps: int, works: Sequence[str], allocator: str) -> dict[str, Any]:
    engine = cell.resolved.engine
    workload = build_workload(cell)
    measured, peak = {}, 0.0
    for work in WORKS:
        # The largest of several tries, since other work on a shared machine can slow any one of them down.
        peak = max(peak, matmul_peak(workload.device, arithmetic_type(engine.precision)))
        with compiling(engine):
            measured[work] = _MEASURES[work](workload, steps) if work in works else None
    for part in measured.values():
        if part is not None and "flops_per_second" in part:
            part["mfu"] = part["flops_per_second"] / peak
    return {
        "method": cell.method,
        "benchmark": cell.benchmark,
        "preset": cell.preset,
        "backbone": cell.backbone,
        "precision": engine.precision.value,
        "device": str(workload.device),
        "threads": torch.get_num_threads(),
        "allocator": allocator,
        "batch_size": workload.size,
        "steps": steps,
        "matmul_peak": peak,
        **measured,
        "peak_memory_bytes": peak_memory(workload.device),
        **surroundings(),
    }


def _taken(run: Callable[[int], list[float]], steps: int) -> list[list[float]]:
    """Seconds per stage of ``steps`` runs, after those before times are steady."""
    warm = warm_up(lambda number: sum(run(number)), WARM_UP)
    return [run(number) for number in range(warm, warm + steps)]


def _pretraining(workload: Workload, steps: int) -> dict[str, Any] | None:
    """Training steps, waiting for the device after each stage; None for a method that does not train."""
    method = workload.method
    if not method.trains:
        return None
    train = workload.cell.resolved.train
    optimisers = [build_optimiser(turn.groups, of_turn(train, turn)) for turn in method.turns()]
    method.train()

    def step(number: int) -> list[float]:
        clock, progress = Clock(workload.device), Progress(number, 1, MOST_WARM_UP + steps)
        views = workload.views(number)
        clock.lap()
        with workload.autocast():
            method.on_step_start(progress, workload.noise(number))
            loss = workload.loss(views, number, progress)
        clock.lap()
        method.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        clock.lap()
        for optimiser in optimisers:
            optimiser.step()
        method.on_step_end(progress, workload.noise(number))
        clock.lap()
        return clock.laps

    def small(clips: int) -> None:
        workload.learn(0, workload.rows(0, clips))
        for optimiser in optimisers:
            optimiser.step()

    work = work_of(small, PROBE[0])
    memory = extra_memory(workload.device, lambda: step(0))
    report = summary(_taken(step, steps), STAGES, workload.size)
    report["step_memory_bytes"] = memory
    precision = workload.cell.resolved.engine.precision
    report["expected"] = sentence(workload.cell.method, work, train.batch_size, precision, train.trained_epochs)
    total = sum(report["seconds"].values())
    report["waits_for_data"] = report["seconds"]["load"] / total
    return _with_flops(report, lambda: workload.learn(0))


def _encoding(workload: Workload, steps: int) -> dict[str, Any]:
    """The test view of clips through every encoder of the method."""
    method = workload.method.eval()

    def encode(number: int) -> list[float]:
        clock = Clock(workload.device)
        batch = workload.source.batch(
            workload.rows(number), workload.source.spec.test_view, Noise(0, number, workload.device)
        )
        clock.lap()
        with torch.no_grad(), workload.autocast():
            for encoder in method.encoders().values():
                encoder.clip(batch)
        clock.lap()
        return clock.laps

    return _with_flops(summary(_taken(encode, steps), ("load", "encode"), workload.size), lambda: encode(0))


def _linear(workload: Workload, steps: int) -> dict[str, Any]:
    """Epochs of the linear protocol on one batch's clips: training view, frozen encoder, one epoch of the head."""
    method = workload.method.eval()
    [encoder, *_] = method.encoders().values()
    classes = max(2, len(workload.dataset.info.classes))
    head = LinearHead(encoder.dim, classes, Noise(0, 0, workload.device), workload.source.dtype).to(workload.device)
    optimiser = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9)
    labels = torch.arange(workload.size, device=workload.device) % classes

    def epoch(number: int) -> list[float]:
        clock = Clock(workload.device)
        batch = workload.source.batch(workload.rows(number), encoder.spec.train_view, workload.noise(number))
        clock.lap()
        with torch.no_grad(), workload.autocast():
            features = encoder.clip(batch).to(workload.source.dtype)
        clock.lap()
        batches = mini_batches(torch.arange(workload.size, device=workload.device), HEAD_BATCH)
        fit_epoch(head, optimiser, features, labels, batches, [0.1] * len(batches))
        clock.lap()
        return clock.laps

    return _with_flops(summary(_taken(epoch, steps), ("load", "encode", "head"), workload.size), lambda: epoch(0))


def _loader(workload: Workload, steps: int) -> dict[str, Any]:
    """Only training views, as dense tensors."""

    def load(number: int) -> list[float]:
        clock = Clock(workload.device)
        spec = workload.source.spec
        workload.source.batch(workload.rows(number), spec.train_view, workload.noise(number)).dense(spec.persons)
        clock.lap()
        return clock.laps

    return summary(_taken(load, steps), ("load",), workload.size)


_MEASURES: dict[str, Callable[[Workload, int], dict[str, Any] | None]] = {
    "pretraining": _pretraining,
    "encoding": _encoding,
    "linear": _linear,
    "loader": _loader,
}


def _with_flops(report: dict[str, Any], work: Callable[[], object]) -> dict[str, Any]:
    """Adds the FLOP per second of the work."""
    return {**report, "flops_per_second": flops_of(work) / report["step_seconds"]["median"]}


def flops_of(work: Callable[[], object]) -> int:
    """Floating-point operations of matrix products, convolutions and attention in ``work``, which is done once.

    Those of the plain form, on which a GPU spends its time too: what a CPU need not repeat for each row counts.
    """
    # The counter does not know fused kernels of a CPU; written out, they do the same arithmetic.
    with (
        FlopCounterMode(display=False) as counter,
        sdpa_kernel(SDPBackend.MATH),
        explicit(),
        torch.compiler.set_stance("force_eager"),
    ):
        work()
    total: int = counter.get_total_flops()
    return total
