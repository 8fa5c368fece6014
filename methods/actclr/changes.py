"""Augmentations of ActCLR's views that no other method has, and which of them an epoch draws."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sslskel import Augment, Batch, ClipSpec, Noise, bone
from sslskel.api.devices import constant
from sslskel.methods.actclr.mixing import from_bones
from sslskel.transforms.augment import AxisMask, FillPersons, Flip, GaussianNoise, Shear, TiltRotation, chosen, drawn
from sslskel.transforms.augment_time import GaussianBlur


@dataclass(frozen=True)
class ShearRound:
    """A shear of all joints but the root, which stays where it is. Draws are those of ``Shear``."""

    amplitude: float = 0.5

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        sheared = Shear(self.amplitude)(batch, noise, clip)
        root = constant(tuple(parent < 0 for parent in clip.layout.parents), batch.tracks.device, torch.bool)
        return sheared._replace(tracks=torch.where(root[:, None], batch.tracks, sheared.tracks))


@dataclass(frozen=True)
class Tempo:
    """At even odds the clip becomes slower or faster, U(0.5, 1.5) times as long; zeros follow it, or its end is cut.

    Linear between frames, with half-pixel centres. Noise sites: ``tempo.chance``, ``tempo.ratio`` (U[0, 1)).
    """

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        frames = batch.tracks.shape[1]
        clips = chosen(noise, batch, "tempo.chance", "clip", 0.5)
        ratio = drawn(noise, batch, "tempo.ratio", "clip")
        wanted = ((0.5 + ratio) * frames).long().clamp(min=1)
        wanted = torch.where(clips, wanted, frames)[batch.owner][:, None]
        time = torch.arange(frames, device=wanted.device)
        at = ((time + 0.5) * (frames / wanted.to(ratio.dtype)) - 0.5).clamp(0, frames - 1)
        low = at.floor().long()
        high = (low + 1).clamp(max=frames - 1)
        share = (at - low)[..., None, None].to(batch.tracks.dtype)
        before, after = (batch.tracks.take_along_dim(one[..., None, None], 1) for one in (low, high))
        there = time < wanted
        tracks = (before * (1 - share) + after * share).masked_fill(~there[..., None, None], 0)
        return batch._replace(tracks=tracks, valid=batch.valid.take_along_dim(low, 1) & there)


@dataclass(frozen=True)
class ShortBones:
    """Every bone keeps U(0, 0.5) of its length. Noise site: ``bones.share`` (U[0, 1), (N, V))."""

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        share = 0.5 * drawn(noise, batch, "bones.share", "clip", clip.layout.num_joints)
        bones = bone(batch.tracks, clip.layout) * share[batch.owner][:, None, :, None].to(batch.tracks.dtype)
        return batch._replace(tracks=from_bones(batch.tracks, bones, clip.layout))


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
