"""Whether two ways of computing the same thing agree; speeds are compared only where they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.config.groups import Precision
from sslskel.nn.plain import explicit
from sslskel.speed.released import PaddedFeeder, released_features
from sslskel.speed.workload import PROGRESS, Workload

CLIPS = 4
"""Clips on which both sides are compared."""
TOLERANCE = {Precision.fp32: 1e-5, Precision.tf32: 1e-2, Precision.fp64: 1e-10}
MIXED = 5e-2
"""For losses and gradients in half precision against single precision."""
VIEW = 1e-6
"""For views of clips, relative to the largest coordinate."""


class Equality(NamedTuple):
    """The largest difference, relative to the largest value, and how much is allowed."""

    difference: float
    allowed: float

    @property
    def holds(self) -> bool:
        """False for a difference that is not a number, too."""
        return self.difference <= self.allowed


def checked(equality: Equality, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The measurement where both sides agree, else only by how much they differ."""
    facts = {"difference": equality.difference, "allowed": equality.allowed, "equal": equality.holds}
    return {**facts, **measure()} if equality.holds else facts


def same_views(workload: Workload, feeder: PaddedFeeder) -> Equality:
    """Dense training views of a batch of clips."""
    spec, rows = workload.source.spec, workload.rows(0)
    ours = workload.source.batch(rows, spec.train_view, workload.noise(0)).dense(spec.persons)
    theirs = feeder.batch(rows, spec.train_view, workload.noise(0)).dense(spec.persons)
    return Equality(distance(ours, theirs), VIEW)


def same_method_views(workload: Workload, feeder: PaddedFeeder) -> Equality:
    """The views that a step of the method reads, of a few clips, missing persons as the method feeds them."""
    rows, noise, persons = workload.rows(0, CLIPS), workload.noise(0), workload.source.spec.persons
    pairs = zip(workload.views(0, rows), workload.method.views(), strict=True)
    differences = [
        distance(ours.dense(persons), feeder.batch(rows, view, noise.view(at)).dense(persons))
        for at, (ours, view) in enumerate(pairs)
    ]
    return Equality(max(differences), VIEW)


def same_step(workload: Workload) -> Equality:
    """Loss and all gradients of a step on shared draws, over the bodies that our configuration trains on."""
    rows, noise = workload.rows(0, CLIPS), workload.noise(0)
    views = workload.views(0, rows)
    workload.method.train()
    workload.method.zero_grad(set_to_none=True)
    with workload.autocast():
        ours = workload.method(views, noise, PROGRESS).loss()
    ours.backward()
    mine = _gradients(workload)
    workload.method.zero_grad(set_to_none=True)
    with explicit():
        theirs = workload.method.as_released([_as_trained(workload, view) for view in views], noise, PROGRESS).loss()
        theirs.backward()  # type: ignore[no-untyped-call]
    difference = max(distance(ours.detach()[None], theirs.detach()[None]), distance(mine, _gradients(workload)))
    workload.method.zero_grad(set_to_none=True)
    return Equality(difference, TOLERANCE.get(workload.cell.resolved.engine.precision, MIXED))


def same_features(workload: Workload) -> Equality:
    """Pooled features of clips, empty bodies averaged in."""
    spec, noise = workload.source.spec, Noise(0, 0, workload.device)
    batch = workload.source.batch(workload.rows(0, CLIPS), spec.test_view, noise)
    workload.method.eval()
    [encoder, *_] = workload.method.encoders().values()
    with torch.no_grad(), workload.autocast():
        ours = encoder.clip(batch)
    theirs = released_features(encoder, batch.filled(spec.persons), spec.persons)
    return Equality(
        distance(ours.to(theirs.dtype), theirs), TOLERANCE.get(workload.cell.resolved.engine.precision, MIXED)
    )


def trains_on_all(workload: Workload) -> bool:
    """Whether the method's configuration asks for empty bodies in training."""
    chosen = getattr(workload.cell.resolved.method, "empty_bodies", None)
    return getattr(chosen, "value", None) == "reference"


def _as_trained(workload: Workload, view: Batch) -> Batch:
    return view.filled(workload.source.spec.persons) if trains_on_all(workload) else view


def _gradients(workload: Workload) -> Tensor:
    return torch.cat([p.grad.flatten() for p in workload.method.parameters() if p.grad is not None]).float().clone()


def distance(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference over the largest value of ``theirs``; infinite where shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30))
