"""Ours against our plainest configuration, in bracketed pairs: step, memory, linear protocol, loader, store."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from sslskel.api.method import PretextMethod
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec
from sslskel.engine.optim import build_optimiser
from sslskel.errors import UsageError
from sslskel.evaluation.linear_head import LinearHead, fit_epoch, mini_batches
from sslskel.speed.clock import Taken, paired, timed
from sslskel.speed.equal import checked, same_features, same_method_views, same_step, same_views, trains_on_all
from sslskel.speed.machine import extra_memory
from sslskel.speed.overhead import engine_overhead
from sslskel.speed.released import PADDED_FRAMES, PaddedFeeder, released_features, released_optimiser, released_step
from sslskel.speed.workload import PROGRESS, Workload

HEAD_BATCH = 256
LOADER_CLIPS = 256


def against_released(workload: Workload, pairs: int) -> dict[str, Any]:
    """The works that both sides do, each checked before it is timed.

    Raises ``UsageError`` for a method without a step as released code takes it.
    """
    if type(workload.method).as_released is PretextMethod.as_released:
        raise UsageError(
            f"method '{workload.cell.method}' has no step as released to compare with; leave out --against"
        )
    count = min(max(workload.size, LOADER_CLIPS), len(workload.source))
    feeder = PaddedFeeder(workload.source, torch.arange(count))
    works: dict[str, Any] = {
        "step": _step(workload, feeder, pairs),
        "linear": _linear(workload, feeder, pairs),
        "loader": _loader(workload, feeder, pairs, count),
    }
    spec = workload.source.spec
    bodies = len(workload.source.batch(workload.rows(0), spec.test_view, workload.noise(0)).owner)
    return {
        "mode": _mode(workload),
        "empty_bodies": 1 - bodies / (workload.size * spec.persons),
        "works": works,
        "engine": engine_overhead(workload, pairs),
        "store": store_sizes(workload),
    }


def _mode(workload: Workload) -> str:
    precision = workload.cell.resolved.engine.precision.value
    if precision == "bf16":
        return "fast"
    return f"{'exact' if trains_on_all(workload) else 'present'}{'' if precision == 'fp32' else f', {precision}'}"


def _step(workload: Workload, feeder: PaddedFeeder, pairs: int) -> dict[str, Any]:
    """A whole training step on the same clips, and the memory it takes beyond that held before."""

    def measure() -> dict[str, Any]:
        theirs = released_step(workload, feeder, released_optimiser(workload))
        optimiser = build_optimiser(workload.method.parameter_groups(), workload.cell.resolved.train)

        def ours(number: int) -> None:
            workload.method.on_step_start(PROGRESS, workload.noise(number))
            workload.learn(number)
            optimiser.step()
            workload.method.on_step_end(PROGRESS, workload.noise(number))

        workload.method.train()
        memory = {}
        for name, side in (("ours", ours), ("theirs", theirs)):
            workload.method.zero_grad(set_to_none=True)
            side(0)
            workload.method.zero_grad(set_to_none=True)
            memory[name] = extra_memory(workload.device, lambda side=side: side(0))  # type: ignore[misc]
        report = paired(timed(workload.device, lambda: theirs(0)), timed(workload.device, lambda: ours(0)), pairs)
        if memory["ours"] and memory["theirs"]:
            report["memory"] = {**memory, "ratio": memory["theirs"] / memory["ours"]}
        return report

    return checked(same_method_views(workload, feeder), lambda: checked(same_step(workload), measure))


def _linear(workload: Workload, feeder: PaddedFeeder, pairs: int) -> dict[str, Any]:
    """Epochs of the linear protocol on a batch of clips, with as many test clips.

    Theirs runs the test part after every epoch, ours once at the end, and each epoch gets its
    share of that. With one cached view the whole protocol encodes every clip once.
    """
    device, dtype, spec = workload.device, workload.source.dtype, workload.source.spec
    workload.method.eval()
    [encoder, *_] = workload.method.encoders().values()
    epochs = 100
    classes = max(2, len(workload.dataset.info.classes))
    head = LinearHead(encoder.dim, classes, Noise(0, 0, device), dtype).to(device)
    optimiser = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9)
    rows = workload.rows(0)
    labels = torch.arange(len(rows), device=device) % classes
    batches = mini_batches(torch.arange(len(rows), device=device), HEAD_BATCH)

    def features(view: ViewSpec) -> torch.Tensor:
        with torch.no_grad(), workload.autocast():
            return encoder.clip(workload.source.batch(rows, view, workload.noise(0))).to(dtype)

    def fit(seen: torch.Tensor) -> None:
        fit_epoch(head, optimiser, seen, labels, batches, [0.1] * len(batches))

    def theirs() -> None:
        fit(released_features(encoder, feeder.batch(rows, spec.train_view, workload.noise(0)), spec.persons).to(dtype))
        head.eval()(
            released_features(encoder, feeder.batch(rows, spec.test_view, workload.noise(0)), spec.persons).to(dtype)
        )

    def measure() -> dict[str, Any]:
        report = paired(timed(device, theirs), timed(device, lambda: fit(features(spec.train_view))), pairs)
        once = timed(device, lambda: features(spec.test_view))()
        heads = _head_epochs(device, head, optimiser, features(spec.test_view), labels)
        _count_test_pass(report, once, heads, epochs)
        return {**report, "epochs": epochs}

    return checked(same_features(workload), measure)


def _head_epochs(
    device: torch.device, head: LinearHead, optimiser: torch.optim.Optimizer, seen: torch.Tensor, labels: torch.Tensor
) -> Taken:
    """Ten epochs of the head on these clips, as their share of the protocol's batches.

    The protocol takes a step per ``HEAD_BATCH`` clips; a step for the few clips whose encoding is
    measured would only measure the cost of calls.
    """
    times = math.ceil(HEAD_BATCH / len(seen))
    many, wanted = seen.repeat(times, 1)[:HEAD_BATCH], labels.repeat(times)[:HEAD_BATCH]
    steps = [torch.arange(len(many), device=device)] * 10
    taken = timed(device, lambda: fit_epoch(head, optimiser, many, wanted, steps, [0.1] * len(steps)))()
    share = len(seen) / len(many)
    return Taken(taken.wall * share, taken.cpu * share)


def _count_test_pass(report: dict[str, Any], once: Taken, heads: Taken, epochs: int) -> None:
    """Add our one test pass to the ratios, and the ratios of one cached view beside them.

    ``once`` is one encoding of the clips, ``heads`` ten epochs of the head; both were timed
    after the pairs and are short beside them.
    """
    for kind, name, encode, head in (
        ("", "ours_seconds", once.wall, heads.wall / 10),
        ("cpu_", "ours_cpu_seconds", once.cpu, heads.cpu / 10),
    ):
        epoch = report[name]
        ratio = report[f"{kind}ratio"]
        cached = (epoch + encode) / epochs + head
        report[f"{kind}one_view"] = {which: value * epoch / cached for which, value in ratio.items()}
        report[f"{kind}ratio"] = {which: value * epoch / (epoch + encode / epochs) for which, value in ratio.items()}


def _loader(workload: Workload, feeder: PaddedFeeder, pairs: int, count: int) -> dict[str, Any]:
    """Dense training views of many clips, one thread on either side."""
    spec, rows = workload.source.spec, torch.arange(count)

    def ours() -> torch.Tensor:
        return workload.source.batch(rows, spec.train_view, workload.noise(0)).dense(spec.persons)

    def theirs() -> torch.Tensor:
        return feeder.batch(rows, spec.train_view, workload.noise(0)).dense(spec.persons)

    def measure() -> dict[str, Any]:
        return {**paired(timed(workload.device, theirs), timed(workload.device, ours), pairs), "clips": count}

    return checked(same_views(workload, feeder), measure)


def store_sizes(workload: Workload) -> dict[str, Any]:
    """Bytes of the stored frames against padded arrays of all person slots, and what float16 would lose."""
    dataset = workload.dataset
    each = workload.source.spec.persons * int(np.prod(dataset.joints.shape[1:])) * 4
    stored = int(dataset.joints.nbytes + dataset.valid.nbytes)
    half = int(dataset.joints.size * 2 + dataset.valid.nbytes)
    values = np.asarray(dataset.joints, dtype=np.float32)
    return {
        "clips": len(dataset),
        "stored_bytes": stored,
        "float16_bytes": half,
        "float16_error": float(np.abs(values - values.astype(np.float16).astype(np.float32)).max()),
        "unit": dataset.info.unit,
        "padded_bytes": {
            "longest clip": len(dataset) * int(dataset.lengths.max()) * each,
            f"{PADDED_FRAMES} frames": len(dataset) * PADDED_FRAMES * each,
        },
    }
