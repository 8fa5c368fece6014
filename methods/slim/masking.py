"""Which tokens SLiM hides: tubes of neighbouring joints of one limb over neighbouring time steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MOST, TRIES = 100, 10
"""Tokens that one tube adds at most, and how often in a row one may fail before a mask stays as it is."""


def least(steps: int) -> int:
    """The smallest area that is drawn for a tube in a grid of so many time steps."""
    return min(steps, 8)


def tube_masks(wanted: Tensor, draws: Tensor, steps: int, limbs: Sequence[Sequence[int]], joints: int) -> Tensor:
    """Hide ``wanted`` (R,) tokens of each row, as far as tubes fit: (R, steps, joints) bool.

    ``draws`` (R, S, 5), U[0, 1) in double precision, are the limb, the number of its joints, the first of them, the
    area and the first step of S tubes, one after the other (released code, ``SkeletalMaskingGenerator``).
    """
    rows, sizes = len(wanted), torch.tensor([len(limb) for limb in limbs], device=wanted.device)
    widest = int(sizes.max())
    padded = [[*limb, *[joints] * (widest - len(limb))] for limb in limbs]
    members = torch.tensor(padded, device=wanted.device)
    place, step = torch.arange(widest, device=wanted.device), torch.arange(steps, device=wanted.device)
    hidden = torch.zeros(rows, steps, joints, dtype=torch.bool, device=wanted.device)
    count, failed = torch.zeros_like(wanted), torch.zeros_like(wanted)
    for which, wide, first, area, top in draws.permute(1, 2, 0):
        active = (count < wanted) & (failed < TRIES)
        if not bool(active.any()):
            break
        limb = (which * len(limbs)).long()
        width = 1 + (wide * sizes[limb]).long()
        begin = (first * (sizes[limb] - width + 1)).long()[:, None]
        rest = (wanted - count).clamp(max=MOST)
        size = least(steps) + area * (rest - least(steps))
        height = (size / width).round().long().clamp(1, steps)
        upper = (top * (steps - height + 1)).long()[:, None]
        taken = (place >= begin) & (place < begin + width[:, None])
        of_body = torch.zeros(rows, joints + 1, dtype=torch.bool, device=wanted.device)
        of_body = of_body.scatter(1, members[limb], taken)[:, None, :joints]
        tube = ((step >= upper) & (step < upper + height[:, None]))[:, :, None] & of_body
        new = (tube & ~hidden).sum((1, 2))
        fits = active & (new > 0) & (new <= rest)
        hidden = hidden | (tube & fits[:, None, None])
        count, failed = count + new * fits, torch.where(fits, 0, failed + 1)
    return hidden
