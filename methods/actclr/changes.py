"""Augmentations of ActCLR's views, and which of them an epoch draws."""

from __future__ import annotations

import torch
from torch import Tensor

from sslskel import Augment, Noise
from sslskel.transforms.augment import AxisMask, FillPersons, Flip, GaussianNoise, TiltRotation
from sslskel.transforms.augment_time import GaussianBlur, Tempo
from sslskel.transforms.limbs import ShortBones

QUERY: tuple[Augment, ...] = (Flip(), TiltRotation(), GaussianNoise(), GaussianBlur(), AxisMask())
STRONG: tuple[Augment, ...] = (*QUERY[:2], GaussianNoise(sd=0.05), *QUERY[3:], Tempo(), ShortBones())
COUNTS = ((5, 7), (3, 5), (1, 3), (0, 0))
"""Augmentations of query and strong view in each stage of training."""


def drawn_changes(stage: int, noise: Noise) -> Tensor:
    """(2, 7) bool of the host: which of ``QUERY`` and ``STRONG`` a stage's epoch draws.

    Noise sites: ``changes.query``, ``changes.strong``.
    """
    noise, picked = noise.at("cpu"), torch.zeros(2, len(STRONG), dtype=torch.bool, device="cpu")
    for row, (site, every, count) in enumerate(zip(("query", "strong"), (QUERY, STRONG), COUNTS[stage], strict=True)):
        picked[row, noise.permutation(f"changes.{site}", len(every), per="batch")[:count]] = True
    return picked


def changes(every: tuple[Augment, ...], picked: list[bool], *, filled: bool) -> tuple[Augment, ...]:
    """Those of a view that were drawn; ``filled`` gives missing persons noise and all, as released."""
    drawn_ones = (change for change, there in zip(every, picked, strict=False) if there)
    return (*((FillPersons(),) if filled else ()), *drawn_ones)
