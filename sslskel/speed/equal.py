"""Whether two ways of computing the same thing agree; speeds are compared only where they do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.method import PretextMethod
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
    """Loss and all gradients of a step on shared draws, over the bodies that our configuration trains on.

    Where losses agree in single precision and gradients do not, gradients are compared in double precision: a rounding
    puts a number that is nearly zero on the other side of a ReLU, which many layers then magnify.
    """
    precision = workload.cell.resolved.engine.precision
    allowed = TOLERANCE.get(precision, MIXED)
    workload.method.train()
    views = workload.views(0, workload.rows(0, CLIPS))
    loss, gradients = _differences(workload, workload.method, views)
    if precision is Precision.fp32 and loss <= allowed < gradients and workload.device.type != "mps":
        exact = [view._replace(tracks=view.tracks.double()) for view in views]
        both = _differences(workload, copy.deepcopy(workload.method).double(), exact)
        return Equality(max(both), TOLERANCE[Precision.fp64])
    return Equality(max(loss, gradients), allowed)


def _differences(workload: Workload, method: PretextMethod, views: list[Batch]) -> tuple[float, float]:
    """Of the losses of both sides, and of their gradients; the method is left without."""
    noise = workload.noise(0)
    method.zero_grad(set_to_none=True)
    with workload.autocast():
        ours = method(views, noise, PROGRESS).loss()
    ours.backward()
    mine = _gradients(method)
    method.zero_grad(set_to_none=True)
    with explicit():
        theirs = method.as_released([_as_trained(workload, view) for view in views], noise, PROGRESS).loss()
        theirs.backward()  # type: ignore[no-untyped-call]
    differences = distance(ours.detach()[None], theirs.detach()[None]), distance(mine, _gradients(method))
    method.zero_grad(set_to_none=True)
    return differences


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


def _gradients(method: PretextMethod) -> Tensor:
    gradients = torch.cat([p.grad.flatten() for p in method.parameters() if p.grad is not None])
    return gradients.to(torch.promote_types(gradients.dtype, torch.float32)).clone()


def distance(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference over the largest value of ``theirs``; infinite where shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30))
