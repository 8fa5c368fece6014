"""Takes place, heading and size out of clips in the common body, all persons of a clip alike."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec

SMALLEST = 1e-6
"""Lengths below it, in the dataset's unit, are no direction and no size."""


@dataclass(frozen=True)
class Align:
    """Augment for clips in ``COMMON_BODY``, with y upwards; what is measured, the clip's first person decides.

    ``root``: the middle of the hips is the origin in every frame; in one without the first person it stays where it
    was. ``heading``: turned about y so that the line from right to left shoulder has no part along z, on average over
    the valid frames. ``size``: divided by the mean length from the middle of the hips to that of the shoulders.
    Frames that are zero everywhere (no person) stay zero. Raises ``DataError`` for 2D clips that are to be turned.
    """

    root: bool = False
    heading: bool = False
    size: bool = False

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        if self.heading:
            clip.require_3d("clip.align_heading")
        tracks = batch.tracks
        if not len(tracks):
            return batch
        clips = torch.arange(batch.num_clips, device=tracks.device)
        leader = torch.searchsorted(batch.owner, clips).clamp(max=len(tracks) - 1)
        first, valid = tracks[leader], batch.valid[leader]
        ends = {name: [first[:, :, clip.layout.joint(f"{side}_{name}")] for side in ("left", "right")] for name in ENDS}
        hips, shoulders = ((ends[name][0] + ends[name][1]) / 2 for name in ENDS)
        there = (tracks != 0).flatten(2).any(-1)[..., None, None]
        if self.root:
            origin = _held(hips, valid)
            tracks = torch.where(there, tracks - origin[batch.owner][:, :, None], tracks)
        if self.heading:
            tracks = _turned(tracks, _over_frames(ends["shoulder"][0] - ends["shoulder"][1], valid)[batch.owner])
        if self.size:
            length = _over_frames((shoulders - hips).norm(dim=-1, keepdim=True), valid)[:, 0]
            size = torch.where(length > SMALLEST, length, torch.ones_like(length))
            tracks = tracks / size[batch.owner][:, None, None, None]
        return batch._replace(tracks=tracks)


ENDS = ("hip", "shoulder")
"""Joints between whose middles the torso is."""


def _held(values: Tensor, valid: Tensor) -> Tensor:
    """(N, T, C) as they are in valid frames; in others those of the last valid frame before, or of the first one."""
    frames = torch.arange(valid.shape[1], device=valid.device).expand_as(valid)
    before = torch.where(valid, frames, -1).cummax(1).values
    first = valid.to(torch.int8).argmax(1, keepdim=True)
    at = torch.where(before < 0, first, before)
    return values.gather(1, at[..., None].expand_as(values))


def _over_frames(values: Tensor, valid: Tensor) -> Tensor:
    """Mean (N, C) of (N, T, C) over the valid frames."""
    there = valid[..., None].to(values.dtype)
    return (values * there).sum(1) / there.sum(1).clamp_min(1.0)


def _turned(tracks: Tensor, line: Tensor) -> Tensor:
    """Tracks (P, T, V, 3) turned about y so that ``line`` (P, 3) has its horizontal part along x."""
    length = (line[:, 0] ** 2 + line[:, 2] ** 2).sqrt()
    known = length > SMALLEST
    cos = torch.where(known, line[:, 0] / length.clamp_min(SMALLEST), 1.0)[:, None, None]
    sin = torch.where(known, line[:, 2] / length.clamp_min(SMALLEST), 0.0)[:, None, None]
    x, y, z = tracks.unbind(-1)
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], -1)
