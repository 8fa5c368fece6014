"""Mixes of two clips and the hidden parts of PCM3 (Zhang et al., ACM MM 2023, sections 3.2 and 3.3).

Draws are for the whole global batch; the losses that follow are in the method itself.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sslskel import PARTS, ClipSpec, Fidelity, Noise, SkeletonLayout, clip_counts, gather_rows, own_rows, require
from sslskel.api.devices import constant

UNIT = 4
"""Frames of a unit, in which mixed segments are counted."""
CHUNK = 8
"""Frames through which the same parts stay hidden."""


def require_parts(layout: SkeletonLayout, frames: int, who: str) -> None:
    """Raise ``DataError`` where the layout lacks a body part, ``UsageError`` where frames do not fit chunks."""
    for part in PARTS:
        layout.part(part)
    require(
        frames % CHUNK == 0,
        f"{who} cuts clips into chunks of {CHUNK} frames, but clip.frames={frames} is not a multiple of {CHUNK}; the"
        f" nearest that is: {max(1, round(frames / CHUNK)) * CHUNK}",
    )


def part_table(layout: SkeletonLayout, device: torch.device) -> Tensor:
    """(5, V) bool: which joints belong to which of the five parts; raises ``DataError`` where one is missing."""
    of_parts = [set(layout.part(part)) for part in PARTS]
    table = tuple(joint in part for part in of_parts for joint in range(layout.num_joints))
    return constant(table, device, torch.bool).reshape(len(PARTS), -1)


def topology_mask(layout: SkeletonLayout, frames: int, ratio: float, noise: Noise) -> Tensor:
    """Which joints are hidden when: (T, V) bool, the same for the whole batch.

    In every chunk of 8 frames ``int(5 * ratio)`` of the five parts are hidden. As released
    only the first person is masked; that is up to the caller.
    Noise site: ``topology.parts`` (an order of the parts per chunk, the first are hidden; (T/8, 5)).
    Raises ``DataError`` and ``UsageError`` as :func:`require_parts`.
    """
    require_parts(layout, frames, "the topology mask")
    require(0 <= ratio <= 1, f"the share of hidden parts is {ratio}; it must be in [0, 1]")
    count = int(len(PARTS) * ratio)
    order = noise.permutation("topology.parts", len(PARTS), (frames // CHUNK,), per="batch")[..., :count]
    return part_table(layout, order.device)[order].any(1).repeat_interleave(CHUNK, 0)


def hidden_numbers(clip: ClipSpec, ratio: float, noise: Noise) -> Tensor:
    """The topology mask on the numbers of a frame as recurrent backbones read them: (T, V*C*M) bool.

    Only the first person is masked, as released. Draws and errors are those of :func:`topology_mask`.
    """
    joints = topology_mask(clip.layout, clip.frames, ratio, noise)
    hidden = joints.new_zeros(*joints.shape, clip.coordinates, clip.persons)
    hidden[..., 0] = joints[..., None]
    return hidden.flatten(1)


class MixPlan(NamedTuple):
    """How the clips of a global batch are mixed in pairs, all in the same way."""

    partner: Tensor
    """(N,) int64: the row of the global batch that clip n is mixed with."""
    share: Tensor
    """(): how much of a mix is the partner's, 0 to 1; lambda in the paper."""
    weight: Tensor
    """(T, V): the partner's share of each joint and frame, 0 or 1 unless all is blended."""
    frame: Tensor
    """(T,) int64: the partner's frame that is read."""

    def apply(self, own: Tensor, partner: Tensor) -> Tensor:
        """Clips and their partners, (n, M, T, V, C) each -> the mixes, (n, M, T, V, C)."""
        weight = self.weight[..., None].to(own.dtype)
        return own * (1 - weight) + partner.index_select(2, self.frame) * weight


def mix_plan(layout: SkeletonLayout, frames: int, clips: int, fidelity: Fidelity, noise: Noise) -> MixPlan:
    """Draw one of three mixes of every clip with the one ``shift`` rows later, over the global batch of N clips.

    Cut (probability 1/2): 2 or 3 body parts over 7 to 11 units of 4 frames (of 64; in
    proportion otherwise) come from the partner's same segment. Resize (1/4): they come from
    a segment of twice the length, sped up. Blend (1/4): everything is a weighted mean.

    ``fidelity=released`` reads the partner's first frames for a resize, whatever the
    segment, up to the clip's end (so that segments over half the clip are sped up less),
    and never pairs a clip with the one before it. ``paper`` takes any other clip as
    partner, and for a resize at most half the clip, from twice as many frames around the same middle.

    Noise sites, all per batch: ``mix.shift`` (0.., + 1), ``mix.kind`` (U[0, 1)), ``mix.count``
    (0 or 1, + 2), ``mix.parts`` (an order of the parts, the first are taken), ``mix.units``
    (0.., + the least), ``mix.start`` (unit), ``mix.blend`` (U[0, 1)).
    Raises ``UsageError`` below 3 clips, and as :func:`require_parts`.
    """
    require_parts(layout, frames, "mixing")
    require(clips >= 3, f"mixing needs at least 3 clips in a step, but this one has {clips}; raise train.batch_size")
    released = fidelity is Fidelity.released
    shift = 1 + noise.integers("mix.shift", clips - 2 if released else clips - 1, per="batch")
    kind = noise.uniform("mix.kind", per="batch", dtype=torch.float64)
    cut, resize = kind > 0.5, (kind > 0.25) & (kind <= 0.5)

    units = frames // UNIT
    least, most = round(units * 7 / 16), round(units * 11 / 16)
    span = least + noise.integers("mix.units", most - least + 1, per="batch")
    if not released:
        span = torch.where(resize, span.clamp(max=units // 2), span)
    start = noise.integers("mix.start", units - span + 1, per="batch")
    length, begin = span * UNIT, start * UNIT
    time = torch.arange(frames, device=kind.device)
    inside = (time >= begin) & (time < begin + length)

    taken = 2 + noise.integers("mix.count", 2, per="batch")
    order = noise.permutation("mix.parts", len(PARTS), per="batch")
    parts = part_table(layout, kind.device)[order] & (torch.arange(len(PARTS), device=kind.device) < taken)[:, None]
    segment = (inside[:, None] & parts.any(0)).to(torch.float32)

    blend = noise.uniform("mix.blend", per="batch", dtype=torch.float64).to(torch.float32)
    weight = torch.where(cut | resize, segment, blend)
    source = (2 * length).clamp(max=frames)
    origin = torch.zeros_like(begin) if released else (begin - length // 2).clamp(min=0).minimum(frames - source)
    faster = origin + torch.floor((time - begin).to(torch.float32) * (source / length).to(torch.float32)).to(
        torch.int64
    )
    frame = torch.where(resize & inside, faster, time)
    rows = torch.arange(clips, device=kind.device)
    return MixPlan((rows + shift) % clips, weight.mean(), weight, frame)


class Mix(NamedTuple):
    """This process's clips, mixed with partners from the whole batch."""

    tracks: Tensor
    """(n, T, M*V, C)."""
    partner: Tensor
    """(n,) int64 rows of the global batch."""
    share: Tensor
    """(), how much of a mix is the partner's."""

    def blended(self, keys: Tensor) -> Tensor:
        """Keys (n, dim) of the clips as they were -> those of the mixes, of length 1, blended with the partners'."""
        partners = gather_rows(keys, clip_counts(len(keys), keys.device))[self.partner]
        return functional.normalize((1 - self.share) * keys + self.share * partners, dim=1)


def mix_clips(tracks: Tensor, clip: ClipSpec, fidelity: Fidelity, noise: Noise) -> Mix:
    """Mix joined clips (n, T, M*V, C) by one plan for the global batch.

    Draws and errors are those of :func:`mix_plan`.
    """
    persons = tracks.reshape(*tracks.shape[:2], clip.persons, -1, tracks.shape[3]).transpose(1, 2)
    counts = clip_counts(len(persons), persons.device)
    everyone = gather_rows(persons, counts)
    plan = mix_plan(clip.layout, clip.frames, len(everyone), fidelity, noise)
    partner = own_rows(plan.partner, len(tracks), counts)
    mixed = plan.apply(persons, everyone[partner]).transpose(1, 2).flatten(2, 3)
    return Mix(mixed, partner, plan.share.to(tracks.dtype))
