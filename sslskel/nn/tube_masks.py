"""Masks of tubes of tokens: neighbouring joints of one limb, over neighbouring time steps (SLiM, NeurIPS 2026)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sslskel.api.devices import constant

MOST, TRIES = 100, 10
"""Tokens that one tube adds at most, and how often in a row one may fail before a mask stays as it is."""
AT_ONCE = 16
"""Tubes whose joints are found together."""


def least(steps: int) -> int:
    """The smallest area that is drawn for a tube in a grid of so many time steps."""
    return min(steps, 8)


def tube_masks(
    wanted: Tensor, draws: Tensor, steps: Sequence[int], limbs: Sequence[Sequence[int]], joints: int
) -> Tensor:
    """Hide ``wanted`` (R,) tokens of each row, as far as tubes fit: (R, largest of steps, joints) bool.

    Rows are in equal shares, one for each number of time ``steps``; none is hidden behind them. ``draws`` (R, S, 5),
    U[0, 1) in double precision, are the limb, the number of its joints, the first of them, the area and the first step
    of S tubes, one after the other (released code, ``SkeletalMaskingGenerator``).
    """
    device, rows = wanted.device, len(wanted)
    each = rows // len(steps)
    length = constant(tuple(steps), device).repeat_interleave(each, output_size=rows)
    smallest = constant(tuple(least(count) for count in steps), device).repeat_interleave(each, output_size=rows)
    step = torch.arange(max(steps), device=device)
    hidden = torch.zeros(rows, max(steps), joints, dtype=torch.bool, device=device)
    count, failed = torch.zeros_like(wanted), torch.zeros_like(wanted)
    for some in torch.split(draws, AT_ONCE, 1):
        widths, bodies = limb_parts(some[:, :, :3], limbs, joints)
        for width, of_body, (area, top) in zip(
            widths.unbind(1), bodies.unbind(1), some[:, :, 3:].permute(1, 2, 0), strict=True
        ):
            active = (count < wanted) & (failed < TRIES)
            # Further tubes change nothing; a GPU takes them in less time than it would take to ask.
            if device.type == "cpu" and not bool(active.any()):
                return hidden
            rest = (wanted - count).clamp(max=MOST)
            size = smallest + area * (rest - smallest)
            height = torch.minimum((size / width).round().long().clamp(min=1), length)
            upper = (top * (length - height + 1)).long()[:, None]
            tube = ((step >= upper) & (step < upper + height[:, None]))[:, :, None] & of_body[:, None]
            new = (tube & ~hidden).sum((1, 2))
            fits = active & (new > 0) & (new <= rest)
            hidden = hidden | (tube & fits[:, None, None])
            count, failed = count + new * fits, torch.where(fits, 0, failed + 1)
    return hidden


def limb_parts(draws: Tensor, limbs: Sequence[Sequence[int]], joints: int) -> tuple[Tensor, Tensor]:
    """Limb, number of its joints and first of them, U[0, 1) each (R, S, 3) -> (R, S) numbers, (R, S, joints) bool."""
    device, widest = draws.device, max(map(len, limbs))
    sizes = constant(tuple(map(len, limbs)), device)
    padded = [joint for limb in limbs for joint in (*limb, *[joints] * (widest - len(limb)))]
    members = constant(tuple(padded), device).reshape(-1, widest)
    which, wide, first = draws.unbind(-1)
    limb = (which * len(limbs)).long()
    width = 1 + (wide * sizes[limb]).long()
    begin = (first * (sizes[limb] - width + 1)).long()[..., None]
    place = torch.arange(widest, device=device)
    taken = (place >= begin) & (place < begin + width[..., None])
    of_body = torch.zeros(*which.shape, joints + 1, dtype=torch.bool, device=device)
    return width, of_body.scatter(-1, members[limb], taken)[..., :joints]
