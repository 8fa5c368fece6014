"""The contract of a method on other clips than NTU's: longer, another body, one person, two dimensions.

A refusal in a sentence is as good as working; anything else is not.
"""

from __future__ import annotations

import dataclasses

import torch

from sslskel.api.dataset import DatasetInfo
from sslskel.checks.fixtures import FRAMES, SMALL_BODY, dataset_info, make_spec
from sslskel.checks.method_case import FEW, MethodCase, close_enough, forward, loss_of
from sslskel.checks.runner import Skip, expect
from sslskel.errors import UsageError


def other_frames(case: MethodCase) -> None:
    """Twice as many frames work, or are refused with a UsageError."""
    _other(case, case.info, 2 * FRAMES)


def other_layout(case: MethodCase) -> None:
    """Another body with 11 joints works, or is refused with a UsageError."""
    _other(case, dataset_info(SMALL_BODY))


def one_person(case: MethodCase) -> None:
    """Clips of one person at most work, or are refused with a UsageError."""
    _other(case, dataset_info(persons=1))


def two_dimensions(case: MethodCase) -> None:
    """2D coordinates work, or are refused with a UsageError."""
    _other(case, dataset_info(coordinates=2))


def _other(case: MethodCase, info: DatasetInfo, frames: int = FRAMES) -> None:
    other = dataclasses.replace(case, info=info)
    try:
        method = other.build(make_spec(info, frames))
        encoders = method.encoders()
        views, noise = other.views(method, clips=FEW)
    except UsageError as refusal:
        raise Skip(f"it refuses them: {refusal}") from refusal
    if case.plugin.trains:
        loss = forward(method, views, noise).loss()
        expect(torch.isfinite(loss), f"the loss is {float(loss.detach())}")
    for stream, encoder in encoders.items():
        features = encoder.eval().clip(views[0])
        expect(features.shape == (FEW, encoder.dim), f"features of '{stream}' have shape {tuple(features.shape)}")


def missing_persons_do_not_matter(case: MethodCase) -> None:
    """An empty third person slot changes neither batch nor loss."""
    case.require_training()
    method = case.build()
    views, noise = case.views(method)
    wider = case.build(dataclasses.replace(case.spec, persons=case.spec.persons + 1))
    shapes = [{name: value.shape for name, value in m.state_dict().items()} for m in (method, wider)]
    if shapes[0] != shapes[1]:
        raise Skip("its weights depend on the number of person slots")
    wider.load_state_dict(method.state_dict())
    close_enough(loss_of(wider, views, noise), case.first_loss, _EMPTY_BODIES)


_EMPTY_BODIES = (
    "a slot without a person changes the loss; average over the persons that are there, as"
    ' PooledEncoder(..., empty_bodies="present") does, or, where missing persons count on purpose, give'
    " expected_failed_checks['missing_persons_do_not_matter'] the reason"
)

SHAPE_CHECKS = (other_frames, other_layout, one_person, two_dimensions, missing_persons_do_not_matter)
