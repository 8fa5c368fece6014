"""What ActCLR does to positives: bones of another clip's lengths, and mixes of two clips (section 3.3).

Slots are the rows (N, M, T, V, C) of all persons that a clip can have, zeros where one is missing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sslskel import ClipSpec, Noise, SkeletonLayout, Stream, bone, clip_counts, gather_rows, own_rows
from sslskel.methods.actclr.actionlets import kept
from sslskel.transforms.body_parts import Extent, MixPlan, blended_keys, mix_plan, partner_rows
from sslskel.transforms.limbs import from_bones

WIDE, NARROW = Extent(parts=(2, 3), units=(3, 5)), Extent(parts=(1, 2), units=(1, 3))
"""Of the second term's mixes up to an epoch and of all of the third's, and of the second's behind it."""


def length(vectors: Tensor) -> Tensor:
    """(..., C) -> (..., 1), never 0."""
    return (vectors.square().sum(-1, keepdim=True) + 1e-5).sqrt()


def transformed(own: Tensor, partner: Tensor, stream: Stream, layout: SkeletonLayout) -> Tensor:
    """Slots with the build of their partners': bone lengths, or the mean and spread of motion."""
    if stream is Stream.motion:
        scaled = (own - own.mean(3, keepdim=True)) / (own.std(2, keepdim=True) + 1e-3)
        return scaled * partner.std(2, keepdim=True) + partner.mean(3, keepdim=True)
    if stream is Stream.bone:
        return own / length(own) * length(partner)
    bones, others = bone(own, layout), bone(partner, layout)
    return from_bones(own, bones * (length(others) / length(bones)), layout)


def lendable(plan: MixPlan) -> Tensor:
    """(T, V): of the partner's joints and frames, what could be in the mix."""
    return torch.where(plan.resizes, plan.joints.to(torch.float32).expand(len(plan.frame), -1), plan.weight)


def actionlet_share(plan: MixPlan, own: Tensor, partner: Tensor) -> Tensor:
    """(n,): the partner's share of a mix, by weights of both clips' maps, (n, M, T', V) each."""
    steps, frames = own.shape[2], len(plan.weight)
    at = (torch.arange(steps, device=own.device) * -(-frames // steps)).clamp(max=frames - 1)
    lent, stays = lendable(plan)[at].to(own.dtype), 1 - plan.weight[at].to(own.dtype)
    theirs = ((partner * lent).sum((2, 3)) / (partner + 1e-5).sum((2, 3))).mean(1)
    ours = ((own * stays).sum((2, 3)) / (own.sum((2, 3)) + 1e-5)).mean(1)
    return theirs / (theirs + ours)


class Positives(NamedTuple):
    """What is mixed."""

    slots: Tensor
    """(n, M, T, V, C)."""
    actionlets: Tensor
    """(n, M, T', V)."""
    there: Tensor
    """(n, M), 0 for missing persons that do not count, else 1."""


def mixes(
    positives: Positives, keys: Tensor, clip: ClipSpec, stream: Stream, extent: Extent, noise: Noise
) -> tuple[Tensor, Tensor, Tensor]:
    """Positives and keys (n, dim) -> slots of the second term's input and of the third one's, and the latter's keys.

    Noise sites: ``swap.shift``, and those of mixes ``first`` and ``second``.
    """
    own, weight, there = positives
    counts = clip_counts(len(own), own.device)
    everyone = gather_rows(own, counts)
    clips, rows = len(everyone), len(own)
    partner = own_rows(partner_rows(clips, noise, "swap.shift"), rows, counts)
    swapped = transformed(own, everyone[partner], stream, clip.layout)
    first = mix_plan(clip.layout, clip.frames, clips, extent, noise, site="first")
    second = mix_plan(clip.layout, clip.frames, clips, WIDE, noise, site="second")
    partner = own_rows(first.partner, rows, counts)
    changed = kept(swapped, first.apply(swapped, gather_rows(swapped, counts)[partner]), weight)
    # As released the positive of joints is changed in place, so that the last term sees it so too.
    base = swapped if stream is Stream.joint else own
    partner = own_rows(second.partner, rows, counts)
    mixed = second.apply(base, gather_rows(base, counts)[partner])
    sharp = (weight / 0.1).exp() * there[..., None, None]
    share = actionlet_share(second, sharp, gather_rows(sharp, counts)[partner])[:, None]
    return changed, mixed, blended_keys(keys, gather_rows(keys, counts)[partner], share)
