"""Persons seen from their own chest and facing one way, and padded clips stretched in time.

The displacements that a method may predict from them are the method's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.devices import longest_float
from sslskel.api.noise import Noise
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require


def exactly(batch: Batch) -> Batch:
    """The batch in float64, or in float32 on a device without it."""
    return batch._replace(tracks=batch.tracks.to(longest_float(batch.tracks.device)))


def shoulder(layout: SkeletonLayout, side: str) -> int:
    """The joint at which an arm begins; raises ``DataError`` where the layout does not define the arm."""
    arm = layout.part(f"{side}_arm")
    return next(joint for joint in arm if layout.parents[joint] not in arm)


def chest(layout: SkeletonLayout) -> int:
    """The joint on which the left arm hangs, or the layout's centre where that is not known."""
    above = layout.parents[shoulder(layout, "left")] if layout.parts.get("left_arm") else -1
    return layout.centre if above < 0 else above


def leaders(batch: Batch) -> Tensor:
    """(N,) row of each clip's first person; a clip without one has another clip's."""
    clips = torch.arange(batch.num_clips, device=batch.owner.device)
    return torch.searchsorted(batch.owner, clips).clamp(max=max(len(batch.owner) - 1, 0))


@dataclass(frozen=True)
class BodyFrame:
    """Augment: joints relative to the person's chest, turned so that the shoulders lie along x (GL-Transformer).

    Each person and frame has its own turn about y. The chest's slot holds its way from the first frame of the view
    instead, in the same turning frame. A frame is valid for everybody where it is one of the clip's: as many as have
    the first person, so that a gap cuts the end, or with ``keeps_gaps`` all up to that person's last. Everything
    behind is zero. Raises ``DataError`` for 2D clips, and where the layout does not define both arms.
    """

    keeps_gaps: bool = False

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        clip.require_3d("the frame of a body")
        if not len(batch.owner):
            return batch
        left, right, middle = shoulder(clip.layout, "left"), shoulder(clip.layout, "right"), chest(clip.layout)
        joints = exactly(batch).tracks
        place = joints[:, :, middle]
        slots = torch.arange(clip.layout.num_joints, device=joints.device)[:, None]
        moved = torch.where(slots == middle, (place - place[:, :1])[:, :, None], joints - place[:, :, None])
        turned = _facing(moved, joints[:, :, right] - joints[:, :, left])
        frames = torch.arange(joints.shape[1], device=joints.device)
        seen = batch.valid[leaders(batch)]
        length = (seen * (frames + 1)).amax(1) if self.keeps_gaps else seen.sum(1)
        valid = frames < length[batch.owner][:, None]
        tracks = turned.to(batch.tracks.dtype).masked_fill(~valid[..., None, None], 0)
        return batch._replace(tracks=tracks, valid=valid)


def _facing(joints: Tensor, line: Tensor) -> Tensor:
    """(P, T, V, 3) turned about y so that the line (P, T, 3) from left to right shoulder has no part along z.

    A person turns one way in all frames, chosen by the sum of z over them.
    """
    along, across = line[..., 0], line[..., 2]
    cos = along / ((along.square() + across.square()).sqrt() + 1e-4)
    way = torch.where(across.sum(1, keepdim=True) >= 0, -1.0, 1.0)
    sin = way * (1 - cos.square()).clamp(min=0).sqrt()
    x, y, z = joints.unbind(-1)
    cos, sin = cos[..., None], sin[..., None]
    return torch.stack([cos * x - sin * z, y, sin * x + cos * z], -1)


@dataclass(frozen=True)
class Stretch:
    """Augment: the valid frames of a clip, which lead, become up to a share ``amount`` more or fewer (GL-Transformer).

    Linear interpolation with half-pixel centres; what does not fit into T is cut. Noise sites: ``stretch.sign``
    (U[0, 1), above 1/2 for fewer) and ``stretch.ratio``.
    """

    amount: float = 0.1

    def __post_init__(self) -> None:
        require(0 <= self.amount < 1, f"the amount of a stretch is {self.amount}; it must be in [0, 1)")

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        if not len(batch.owner):
            return batch
        noise = noise.on(batch)
        fewer = noise.uniform("stretch.sign", per="clip", dtype=torch.float64) > 0.5
        ratio = noise.uniform("stretch.ratio", per="clip", dtype=torch.float64)
        length = batch.valid[leaders(batch)].sum(1)
        exact = longest_float(length.device)
        wanted = (length.to(exact) * (1 + torch.where(fewer, -1.0, 1.0) * ratio * self.amount)).long().clamp(min=1)
        frames = torch.arange(batch.tracks.shape[1], device=length.device)
        at = (frames.to(exact) + 0.5) * (length.to(exact) / wanted)[:, None] - 0.5
        low, last = at.floor(), (length - 1).clamp(min=0)[:, None]
        share = (at - low)[batch.owner][..., None, None].to(batch.tracks.dtype)
        before, after = (_frames(batch, torch.minimum(low.long() + step, last).clamp(min=0)) for step in (0, 1))
        valid = ((frames < wanted[:, None]) & (length > 0)[:, None])[batch.owner]
        tracks = (before * (1 - share) + after * share).masked_fill(~valid[..., None, None], 0)
        return batch._replace(tracks=tracks, valid=valid)


def _frames(batch: Batch, at: Tensor) -> Tensor:
    """Tracks (P, T, V, C) at frames (N, T) of each clip."""
    rows = torch.arange(len(batch.owner), device=at.device)[:, None]
    return batch.tracks[rows, at[batch.owner]]
