"""What is done to whole parts of a body: they are hidden for some frames, or are those of another clip.

Draws are for the whole global batch: all its clips are masked and mixed in the same way.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sslskel.api.devices import constant
from sslskel.api.noise import Noise
from sslskel.api.skeleton import PARTS, SkeletonLayout
from sslskel.config.groups import Fidelity, require

UNIT = 4
"""Frames of a unit, in which segments of mixes are counted."""
CHUNK = 8
"""Frames through which the same parts stay hidden."""


def part_table(layout: SkeletonLayout, device: torch.device) -> Tensor:
    """(5, V) bool: which joints belong to which of the five parts; raises ``DataError`` where one is missing."""
    of_parts = [set(layout.part(part)) for part in PARTS]
    table = tuple(joint in part for part in of_parts for joint in range(layout.num_joints))
    return constant(table, device, torch.bool).reshape(len(PARTS), -1)


def require_chunks(layout: SkeletonLayout, frames: int, who: str) -> None:
    """Raise ``DataError`` where the layout lacks a body part, ``UsageError`` where frames do not fit chunks."""
    for part in PARTS:
        layout.part(part)
    require(
        frames % CHUNK == 0,
        f"{who} cuts clips into chunks of {CHUNK} frames, but clip.frames={frames} is not a multiple of {CHUNK}; the"
        f" nearest that is: {max(1, round(frames / CHUNK)) * CHUNK}",
    )


def topology_mask(layout: SkeletonLayout, frames: int, ratio: float, noise: Noise) -> Tensor:
    """Which joints are hidden when: (T, V) bool, the same for the whole batch (PCM3, section 3.2).

    In every chunk of 8 frames ``int(5 * ratio)`` of the five parts are hidden.
    Noise site: ``topology.parts`` (an order of the parts per chunk, the first are hidden; (T/8, 5)).
    Raises ``DataError`` and ``UsageError`` as :func:`require_chunks`.
    """
    require_chunks(layout, frames, "the topology mask")
    require(0 <= ratio <= 1, f"the share of hidden parts is {ratio}; it must be in [0, 1]")
    count = int(len(PARTS) * ratio)
    order = noise.permutation("topology.parts", len(PARTS), (frames // CHUNK,), per="batch")[..., :count]
    return part_table(layout, order.device)[order].any(1).repeat_interleave(CHUNK, 0)


class Extent(NamedTuple):
    """The fewest and the most body parts and units of a mix."""

    parts: tuple[int, int]
    units: tuple[int, int]


class MixPlan(NamedTuple):
    """How the clips of a global batch are mixed in pairs, all in the same way."""

    partner: Tensor
    """(N,) int64: the row of the global batch that clip n is mixed with."""
    weight: Tensor
    """(T, V): the partner's share of each joint and frame, 0 or 1 unless all is blended."""
    frame: Tensor
    """(T,) int64: the partner's frame that is read."""
    joints: Tensor
    """(V,) bool: the joints of the parts that are taken, unless all is blended."""
    resizes: Tensor
    """() bool: whether the partner's frames are sped up."""

    @property
    def share(self) -> Tensor:
        """(): how much of a mix is the partner's, 0 to 1; lambda in PCM3."""
        return self.weight.mean()

    def apply(self, own: Tensor, partner: Tensor) -> Tensor:
        """Clips and their partners, (n, M, T, V, C) each -> the mixes, (n, M, T, V, C)."""
        weight = self.weight[..., None].to(own.dtype)
        return own * (1 - weight) + partner.index_select(2, self.frame) * weight


def partner_rows(clips: int, noise: Noise, site: str, fidelity: Fidelity = Fidelity.released) -> Tensor:
    """(N,) int64: the clip ``shift`` rows later over the whole batch; as released never the one before.

    Noise site: ``site`` (the shift - 1). Raises ``UsageError`` below 3 clips.
    """
    require(clips >= 3, f"mixing needs at least 3 clips in a step, but this one has {clips}; raise train.batch_size")
    shift = 1 + noise.integers(site, clips - 2 if fidelity is Fidelity.released else clips - 1, per="batch")
    return (torch.arange(clips, device=shift.device) + shift) % clips


def mix_plan(
    layout: SkeletonLayout,
    frames: int,
    clips: int,
    extent: Extent,
    noise: Noise,
    *,
    site: str = "mix",
    fidelity: Fidelity = Fidelity.released,
) -> MixPlan:
    """Draw one of three mixes of every clip with the one ``shift`` rows later, over the global batch of N clips.

    Cut (probability 1/2): some body parts over some units of 4 frames come from the partner's same segment. Resize
    (1/4): they come from a segment of twice the length, sped up. Blend (1/4): everything is a weighted mean
    (PCM3, section 3.3; ActCLR, section 3.3). A segment is no longer than the clip.

    ``fidelity=released`` reads the partner's first frames for a resize, whatever the segment, up to the clip's end
    (so that segments over half the clip are sped up less), and never pairs a clip with the one before it. ``paper``
    takes any other clip as partner, and for a resize at most half the clip, from twice as many frames around the same
    middle.

    Noise sites behind ``site``, all per batch: ``shift`` (0.., + 1), ``kind`` (U[0, 1)), ``count`` (0.., + the
    fewest parts), ``parts`` (an order of the parts, the first are taken), ``units`` (0.., + the least), ``start``
    (unit), ``blend`` (U[0, 1)).
    Raises ``UsageError`` below 3 clips, ``DataError`` where the layout lacks a part.
    """
    released = fidelity is Fidelity.released
    partner = partner_rows(clips, noise, f"{site}.shift", fidelity)
    kind = noise.uniform(f"{site}.kind", per="batch", dtype=torch.float64)
    cut, resize = kind > 0.5, (kind > 0.25) & (kind <= 0.5)

    units = frames // UNIT
    least, most = (min(size, units) for size in extent.units)
    span = least + noise.integers(f"{site}.units", most - least + 1, per="batch")
    if not released:
        span = torch.where(resize, span.clamp(max=units // 2), span)
    start = noise.integers(f"{site}.start", units - span + 1, per="batch")
    length, begin = span * UNIT, start * UNIT
    time = torch.arange(frames, device=kind.device)
    inside = (time >= begin) & (time < begin + length)

    fewest, all_taken = extent.parts
    taken = fewest + noise.integers(f"{site}.count", all_taken - fewest + 1, per="batch")
    order = noise.permutation(f"{site}.parts", len(PARTS), per="batch")
    first = torch.arange(len(PARTS), device=kind.device) < taken
    joints = (part_table(layout, kind.device)[order] & first[:, None]).any(0)

    blend = noise.uniform(f"{site}.blend", per="batch", dtype=torch.float64).to(torch.float32)
    weight = torch.where(cut | resize, (inside[:, None] & joints).to(torch.float32), blend)
    source = (2 * length).clamp(max=frames)
    faster = ((time - begin).to(torch.float32) * (source / length).to(torch.float32)).floor().to(torch.int64)
    if not released:
        faster = faster + (begin - length // 2).clamp(min=0).minimum(frames - source)
    return MixPlan(partner, weight, torch.where(resize & inside, faster, time), joints, resize)


def blended_keys(own: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Keys (n, dim) of clips and of their partners, whose ``share`` is () or (n, 1) -> those of mixes, of length 1."""
    return functional.normalize((1 - share) * own + share * partner, dim=1)
