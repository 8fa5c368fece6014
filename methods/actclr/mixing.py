"""What ActCLR does to positives: bones of another clip's lengths, and mixes of two clips (section 3.3).

Slots are the rows (N, M, T, V, C) of all persons that a clip can have, zeros where one is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sslskel import PARTS, Batch, ClipSpec, Noise, SkeletonLayout, Stream, bone, clip_counts, gather_rows, own_rows
from sslskel.methods.actclr.actionlets import kept, part_table

UNIT = 4
"""Frames of a unit, in which segments of mixes are counted."""


class Extent(NamedTuple):
    """The fewest and the most body parts and units of a mix."""

    parts: tuple[int, int]
    units: tuple[int, int]


WIDE, NARROW = Extent((2, 3), (3, 5)), Extent((1, 2), (1, 3))


def in_slots(rows: Tensor, batch: Batch, persons: int) -> Tensor:
    """(P, ...) -> (N, M, ...), zeros for missing persons."""
    out = rows.new_zeros(batch.num_clips * persons, *rows.shape[1:])
    out = out.index_copy(0, batch.owner * persons + batch.slot, rows)
    return out.reshape(batch.num_clips, persons, *rows.shape[1:])


def partner_rows(clips: int, noise: Noise, site: str) -> Tensor:
    """(N,) int64: the clip ``shift`` rows later over the whole batch, never the one before. Noise site: ``site``."""
    shift = 1 + noise.integers(site, clips - 2, per="batch")
    return (torch.arange(clips, device=shift.device) + shift) % clips


def from_bones(joints: Tensor, bones: Tensor, layout: SkeletonLayout) -> Tensor:
    """(..., V, C): joints put together again from bones, each behind its parent; roots stay where they are."""
    placed: dict[int, Tensor] = {}
    left: Sequence[int] = range(layout.num_joints)
    while left:
        for joint in left:
            parent = layout.parents[joint]
            if parent < 0:
                placed[joint] = joints[..., joint, :]
            elif parent in placed:
                placed[joint] = placed[parent] + bones[..., joint, :]
        left = [joint for joint in left if joint not in placed]
    return torch.stack([placed[joint] for joint in range(layout.num_joints)], -2)


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


class Mix(NamedTuple):
    """How the clips of a step are mixed in pairs, all in the same way."""

    partner: Tensor
    """(N,) int64: the row of the global batch that clip n is mixed with."""
    weight: Tensor
    """(T, V): the partner's share of each joint and frame, 0 or 1 unless all is blended."""
    frame: Tensor
    """(T,) int64: the partner's frame that is read."""
    lent: Tensor
    """(T, V): of the partner's joints and frames, what could be in the mix."""

    def apply(self, own: Tensor, partner: Tensor) -> Tensor:
        """Slots and their partners' -> mixes, all (n, M, T, V, C)."""
        weight = self.weight[..., None].to(own.dtype)
        return own * (1 - weight) + partner.index_select(2, self.frame) * weight

    def share(self, own: Tensor, partner: Tensor) -> Tensor:
        """(n,): the partner's share of a mix, by weights of both clips' maps, (n, M, T', V) each."""
        steps = own.shape[2]
        frames = len(self.weight)
        at = (torch.arange(steps, device=own.device) * -(-frames // steps)).clamp(max=frames - 1)
        lent, kept = self.lent[at].to(own.dtype), 1 - self.weight[at].to(own.dtype)
        theirs = ((partner * lent).sum((2, 3)) / (partner + 1e-5).sum((2, 3))).mean(1)
        ours = ((own * kept).sum((2, 3)) / (own.sum((2, 3)) + 1e-5)).mean(1)
        return theirs / (theirs + ours)


def drawn_mix(layout: SkeletonLayout, frames: int, clips: int, extent: Extent, noise: Noise, site: str) -> Mix:
    """Draw one of three mixes over the global batch of N clips.

    Cut (probability 1/2): some body parts over some units of 4 frames come from the partner's same segment. Resize
    (1/4): they come from the partner's first frames, twice as many, sped up. Blend (1/4): all is a weighted mean. A
    segment is no longer than the clip. Noise sites behind ``site``, all per batch: ``shift``, ``count``, ``parts``
    (an order), ``units``, ``start``, ``kind`` and ``blend`` (U[0, 1)).
    """
    partner = partner_rows(clips, noise, f"{site}.shift")
    (fewest, most), sizes = extent
    shortest, longest = (min(size, frames // UNIT) for size in sizes)
    taken = fewest + noise.integers(f"{site}.count", most - fewest + 1, per="batch")
    order = noise.permutation(f"{site}.parts", len(PARTS), per="batch")
    span = shortest + noise.integers(f"{site}.units", longest - shortest + 1, per="batch")
    start = noise.integers(f"{site}.start", frames // UNIT - span + 1, per="batch")
    kind = noise.uniform(f"{site}.kind", per="batch", dtype=torch.float64)
    blend = noise.uniform(f"{site}.blend", per="batch", dtype=torch.float64).to(torch.float32)
    cut, resize = kind > 0.5, (kind > 0.25) & (kind <= 0.5)

    parts = part_table(layout, kind.device)[order]
    joints = (parts & (torch.arange(len(PARTS), device=kind.device) < taken)[:, None]).any(0)
    time, size, begin = torch.arange(frames, device=kind.device), span * UNIT, start * UNIT
    inside = (time >= begin) & (time < begin + size)
    source = (2 * size).clamp(max=frames)
    faster = ((time - begin).to(torch.float32) * (source / size).to(torch.float32)).floor().to(torch.int64)
    weight = torch.where(cut | resize, (inside[:, None] & joints).to(torch.float32), blend)
    lent = torch.where(resize, joints.to(torch.float32).expand(frames, -1), weight)
    return Mix(partner, weight, torch.where(resize & inside, faster, time), lent)


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
    first = drawn_mix(clip.layout, clip.frames, clips, extent, noise, "first")
    second = drawn_mix(clip.layout, clip.frames, clips, WIDE, noise, "second")
    partner = own_rows(first.partner, rows, counts)
    changed = kept(swapped, first.apply(swapped, gather_rows(swapped, counts)[partner]), weight)
    # As released the positive of joints is changed in place, so that the last term sees it so too.
    base = swapped if stream is Stream.joint else own
    partner = own_rows(second.partner, rows, counts)
    mixed = second.apply(base, gather_rows(base, counts)[partner])
    sharp = (weight / 0.1).exp() * there[..., None, None]
    share = second.share(sharp, gather_rows(sharp, counts)[partner])[:, None]
    blended = keys * (1 - share) + gather_rows(keys, counts)[partner] * share
    return changed, mixed, functional.normalize(blended, dim=1)
