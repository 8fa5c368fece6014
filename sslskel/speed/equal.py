"""Whether two ways of one computation agree, so that comparing their speed means anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.config.groups import Precision
from sslskel.nn.attention import explicit
from sslskel.speed.released import PaddedFeeder, released_features
from sslskel.speed.subject import PROGRESS, Subject

CLIPS = 4
"""Of the batch on which both are compared; everything is per clip."""
TOLERANCE = {Precision.fp32: 1e-5, Precision.fp64: 1e-10}
MIXED = 5e-2
"""Of losses and gradients in half precision against single precision."""
VIEW = 1e-6
"""Of the views of clips, in the dataset's unit over its largest coordinate."""


class Equality(NamedTuple):
    """The largest difference found, over the largest value, and how much is allowed."""

    difference: float
    allowed: float

    @property
    def holds(self) -> bool:
        """False for a difference that is not a number, too."""
        return self.difference <= self.allowed


def checked(equality: Equality, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The measurement where both sides agree, else only by how much they do not."""
    told = {"difference": equality.difference, "allowed": equality.allowed, "equal": equality.holds}
    return {**told, **measure()} if equality.holds else told


def same_views(found: Subject, feeder: PaddedFeeder) -> Equality:
    """Dense training views of a batch of clips."""
    spec, rows = found.source.spec, found.rows(0)
    ours = found.source.batch(rows, spec.train_view, found.noise(0)).dense(spec.persons)
    theirs = feeder.batch(rows, spec.train_view, found.noise(0)).dense(spec.persons)
    return Equality(distance(ours, theirs), VIEW)


def same_step(found: Subject) -> Equality:
    """Loss and all gradients of a step on shared draws, over the bodies that our configuration trains on."""
    rows, noise = found.rows(0, CLIPS), found.noise(0)
    views = found.views(0, rows)
    found.method.train()
    found.method.zero_grad(set_to_none=True)
    with found.autocast():
        ours = found.method(views, noise, PROGRESS).loss()
    ours.backward()
    mine = _gradients(found)
    found.method.zero_grad(set_to_none=True)
    with explicit():
        theirs = found.method.as_released([_as_trained(found, view) for view in views], noise, PROGRESS).loss()
        theirs.backward()  # type: ignore[no-untyped-call]
    difference = max(distance(ours.detach()[None], theirs.detach()[None]), distance(mine, _gradients(found)))
    found.method.zero_grad(set_to_none=True)
    return Equality(difference, TOLERANCE.get(found.cell.resolved.engine.precision, MIXED))


def same_features(found: Subject) -> Equality:
    """Pooled features of clips, empty bodies averaged in."""
    spec, noise = found.source.spec, Noise(0, 0, found.device)
    batch = found.source.batch(found.rows(0, CLIPS), spec.test_view, noise)
    found.method.eval()
    [encoder, *_] = found.method.encoders().values()
    with torch.no_grad(), found.autocast():
        ours = encoder.clip(batch)
    theirs = released_features(encoder, batch.filled(spec.persons), spec.persons)
    return Equality(distance(ours.to(theirs.dtype), theirs), TOLERANCE.get(found.cell.resolved.engine.precision, MIXED))


def trains_on_all(found: Subject) -> bool:
    """Whether the method's configuration asks for empty bodies in training."""
    chosen = getattr(found.cell.resolved.method, "empty_bodies", None)
    return getattr(chosen, "value", None) == "reference"


def _as_trained(found: Subject, view: Batch) -> Batch:
    return view.filled(found.source.spec.persons) if trains_on_all(found) else view


def _gradients(found: Subject) -> Tensor:
    return torch.cat([p.grad.flatten() for p in found.method.parameters() if p.grad is not None]).float().clone()


def distance(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference over the largest value of ``theirs``; infinite where shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30))
