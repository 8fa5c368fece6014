"""Clips of one person each: who moves most, seen along the axes of their first pose, scaled, and cut by a stride."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.skeleton import SkeletonLayout
from sslskel.errors import DataError
from sslskel.transforms.clip import transformed

SMALLEST = 1e-12
"""Lengths below it, in the dataset's unit, are no direction."""


@dataclass(frozen=True)
class EveryFrame:
    """Sampler: a clip frame by frame, then padding; of one longer than T every second frame, or third ..."""

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) -> (N, T)."""
        step = (lengths + frames - 1) // frames
        at = torch.arange(frames, device=lengths.device) * step[:, None]
        return torch.where(at < lengths[:, None], at, -1).to(torch.float64)


@dataclass(frozen=True)
class Landmarks:
    """Joints that fix the axes of a body."""

    base: int
    """Base of the spine, the origin."""
    up: int
    """The next joint of the spine."""
    left: int
    right: int

    @classmethod
    def of(cls, layout: SkeletonLayout) -> Landmarks:
        """Hips begin the legs, the base is their parent. Raises ``DataError`` for a body without these joints."""
        hips = [layout.parts[part][0] for part in ("left_leg", "right_leg") if part in layout.parts]
        base, torso = layout.parents[hips[0]] if len(hips) == 2 else -1, layout.parts.get("torso", ())
        beside = [joint for joint, parent in enumerate(layout.parents) if parent == base] + [layout.parents[base]]
        spine = [joint for joint in beside if joint in torso and joint not in hips]
        if base < 0 or not spine:
            raise DataError(
                "the axes of a body are fixed by its hips, where its legs begin, and by the joint of its torso that"
                f" follows on their parent, but layout '{layout.name}' has no such joints"
            )
        return cls(base, spine[0], *hips)


def liveliest(batch: Batch) -> Tensor:
    """Rows (K,) of the person of each clip that moves most: the largest sum of variances over its valid frames."""
    there = batch.valid[..., None].to(batch.tracks.dtype)
    rows, count = batch.tracks.flatten(2), there.sum(1, keepdim=True).clamp(min=1)
    mean = (rows * there).sum(1, keepdim=True) / count
    variance = ((rows - mean).square() * there).sum((1, 2)) / count[:, 0, 0]
    order = variance.argsort(descending=True, stable=True)
    order = order[batch.owner[order].argsort(stable=True)]
    owner = batch.owner[order]
    first = torch.ones_like(owner, dtype=torch.bool)
    first[1:] = owner[1:] != owner[:-1]
    return order[first]


def _unit(vectors: Tensor) -> Tensor:
    """(..., 3) of length one; zeros where there is no direction."""
    length: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / length.clamp(min=SMALLEST)


def turned(tracks: Tensor, valid: Tensor, joints: Landmarks, *, mirrored: bool) -> Tensor:
    """(P, T, V, 3) in the axes of each body's first valid frame (P, T): across the hips, ahead, up the spine.

    As released the second axis is the other way round (``mirrored``), which makes the basis left-handed.
    """
    pose = tracks[torch.arange(len(tracks), device=tracks.device), valid.to(torch.int8).argmax(1)]
    origin = pose[:, joints.base]
    up, across = _unit(pose[:, joints.up] - origin), pose[:, joints.left] - pose[:, joints.right]
    across = _unit(across - (across * up).sum(-1, keepdim=True) * up)
    ahead = _unit(torch.linalg.cross(across, up) if mirrored else torch.linalg.cross(up, across))
    return transformed(tracks - origin[:, None, None], torch.stack([across, ahead, up], 1))


def rescaled(tracks: Tensor, kept: Tensor) -> Tensor:
    """(P, T, V, C), each axis of each person from -1 to 1 over the kept frames (P, T); 0 along an axis of no extent."""
    there = kept[..., None, None]
    low = torch.where(there, tracks, torch.inf).amin((1, 2), keepdim=True)
    span = torch.where(there, tracks, -torch.inf).amax((1, 2), keepdim=True) - low
    return torch.where(span > 0, 2 * (tracks - low) / span - 1, 0.0)


def strided(tracks: Tensor, kept: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """The kept frames alone, every s-th of L from the first on, s = floor(L / T), T at most: (P, T, V, C), (P, T)."""
    count = kept.sum(1, keepdim=True)
    at = torch.arange(frames, device=kept.device) * (count // frames).clamp(min=1)
    there = at < count
    order = (~kept).to(torch.int8).argsort(dim=1, stable=True)
    read = order.gather(1, at.clamp(max=kept.shape[1] - 1))
    taken = tracks.take_along_dim(read[..., None, None], 1)
    return torch.where(there[..., None, None], taken, 0.0), there


@dataclass(frozen=True)
class OnePerson:
    """Batches of any kind -> one lively person of each clip in the axes of the body: a function of each clip alone.

    (Predict & Cluster, Su et al., CVPR 2020, section 4.) Frames with missing joints go, T ``frames`` at most stay.
    """

    frames: int
    landmarks: Landmarks | None
    """None for coordinates as they are; frames with missing joints stay then."""
    mirrored: bool = False
    """As :func:`turned`."""
    rescale: bool = True
    """As :func:`rescaled`."""

    def __call__(self, batch: Batch) -> Batch:
        """One person at most of each clip, (K, T, V, C), valid frames first; a clip without a person has no row."""
        lead = liveliest(batch)
        tracks, kept, owner = batch.tracks[lead], batch.valid[lead], batch.owner[lead]
        if len(lead) and self.landmarks is not None:
            whole = kept & (tracks != 0).flatten(2).all(2)
            tracks = turned(tracks, kept, self.landmarks, mirrored=self.mirrored)
            # In clips that are centred in every frame a coordinate of zero does not mean a missing joint.
            kept = torch.where(whole.any(1, keepdim=True), whole, kept)
        if len(lead) and self.rescale:
            tracks = rescaled(tracks, kept)
        tracks, kept = strided(tracks, kept, self.frames)
        return batch._replace(tracks=tracks, valid=kept, owner=owner, slot=torch.zeros_like(owner))
