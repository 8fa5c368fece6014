"""Augmentations of contrastive methods that treat every frame alike: shear, corruption, flip, turns, noise, axis mask.

Those that move or mix frames are in ``augment_time.py``; mixes of two clips in ``body_parts.py``.
Each works on a whole batch on its device and draws from keyed noise only. Draws are per
clip, so that all its persons change alike; ``per="batch"`` draws once for all clips, as the
released PSTL does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.devices import constant
from sslskel.api.noise import Noise, Per
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import Augment, ClipSpec
from sslskel.config.groups import require
from sslskel.errors import DataError
from sslskel.transforms.clip import rotation_matrices, transformed


def drawn(noise: Noise, batch: Batch, site: str, per: Per, *shape: int) -> Tensor:
    """U[0, 1) of every clip in double precision: (N, *shape); the same for all clips where ``per`` is the batch."""
    draw = noise.on(batch).uniform(site, shape, per, torch.float64)
    return draw.expand(batch.num_clips, *shape) if per == "batch" else draw


def chosen(noise: Noise, batch: Batch, site: str, per: Per, probability: float) -> Tensor:
    """The clips that an augmentation with this probability changes: (N,) bool."""
    return drawn(noise, batch, site, per) < probability


def changed(batch: Batch, clips: Tensor, tracks: Tensor) -> Batch:
    """The batch with these tracks (P, T, V, C) where the clip is among ``clips`` (N,) bool."""
    return batch._replace(tracks=torch.where(clips[batch.owner][:, None, None, None], tracks, batch.tracks))


def either_of(batch: Batch, clips: Tensor, first: Callable[[Batch], Batch], second: Callable[[Batch], Batch]) -> Batch:
    """The batch changed by ``first`` where the clip is among ``clips`` (N,) bool, and by ``second`` in the other clips.

    Neither adds or drops rows. On the CPU each changes its own rows alone, and others are not worked out in vain; a
    GPU would be waited for to learn how many they are.
    """
    rows = clips[batch.owner]
    if batch.tracks.device.type != "cpu":
        one, other = first(batch), second(batch)
        return changed(other, clips, one.tracks)._replace(valid=torch.where(rows[:, None], one.valid, other.valid))
    if bool(rows.all()):
        return first(batch)
    if not bool(rows.any()):
        return second(batch)
    parts = [(own, change(batch.rows(own))) for own, change in ((rows, first), (~rows, second))]
    tracks = parts[0][1].tracks.new_empty(len(rows), *parts[0][1].tracks.shape[1:])
    valid = parts[0][1].valid.new_empty(len(rows), *parts[0][1].valid.shape[1:])
    for own, part in parts:
        tracks[own], valid[own] = part.tracks, part.valid
    return batch._replace(tracks=tracks, valid=valid)


def require_probability(value: float) -> None:
    """Raise ``UsageError`` unless the value is a probability."""
    require(0 <= value <= 1, f"the probability of an augmentation is {value}; it must be in [0, 1]")


def require_swaps(layout: SkeletonLayout, who: str) -> None:
    """Raise ``DataError`` where the layout has no left and right that ``who`` could exchange."""
    if not layout.swaps:
        raise DataError(
            f"{who} exchanges left and right joints, but layout '{layout.name}' names no pairs of them; give the layout"
            " swaps or leave it out"
        )


@dataclass(frozen=True)
class Shear:
    """Coordinate vectors are multiplied by a matrix of ones on its diagonal and U(-amplitude, amplitude) beside it.

    Amplitude 1 in ISC, CMD, PCM3 and PSTL, 0.5 in SkeletonCLR, CrosSCLR and AimCLR. The
    released codes fill the matrix in another order or from its other side, which is the
    same distribution. Noise site: ``shear.off_diagonal`` (U[0, 1), (N, C*(C-1)), row by row).
    """

    amplitude: float = 1.0
    per: Per = "clip"

    def __post_init__(self) -> None:
        require(self.amplitude >= 0, f"the amplitude of a shear is {self.amplitude}; it must not be negative")

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        size = batch.tracks.shape[-1]
        draw = drawn(noise, batch, "shear.off_diagonal", self.per, size * (size - 1))
        matrices = torch.eye(size, dtype=draw.dtype, device=draw.device).repeat(batch.num_clips, 1, 1)
        beside = ~torch.eye(size, dtype=torch.bool, device=draw.device)
        matrices.masked_scatter_(beside.expand_as(matrices), (2 * draw - 1) * self.amplitude)
        return batch._replace(tracks=transformed(batch.tracks, matrices.to(batch.tracks)[batch.owner]))


@dataclass(frozen=True)
class ShearRound:
    """A shear of all joints but the root, which stays where it is (ActCLR). Draws are those of :class:`Shear`."""

    amplitude: float = 0.5

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        sheared = Shear(self.amplitude)(batch, noise, clip)
        root = constant(tuple(parent < 0 for parent in clip.layout.parents), batch.tracks.device, torch.bool)
        return sheared._replace(tracks=torch.where(root[:, None], batch.tracks, sheared.tracks))


@dataclass(frozen=True)
class JointCorruption:
    """A share of the joints is corrupted in all frames: zero, or multiplied by one random matrix (ISC, CMD, PCM3).

    Each with probability 1/2; the matrix has entries U(-1, 1) and multiplies the coordinate vector from the right.
    0.6 are the 15 of 25 joints of the released codes. Noise sites: ``corrupt.joints`` (an order of all joints, the
    first are hit), ``corrupt.kind`` (U[0, 1), below 1/2 for zero), ``corrupt.matrix`` (U[0, 1), (N, C*C), row by
    row).
    """

    share: float = 0.6
    per: Per = "clip"

    def __post_init__(self) -> None:
        require(0 <= self.share <= 1, f"the share of corrupted joints is {self.share}; it must be in [0, 1]")

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        _, _, joints, size = batch.tracks.shape
        order = noise.on(batch).permutation("corrupt.joints", joints, per=self.per)[..., : round(self.share * joints)]
        hit = torch.zeros(batch.num_clips, joints, dtype=torch.bool, device=order.device)
        hit = hit.scatter(1, order.expand(batch.num_clips, -1), True)
        zeroed = drawn(noise, batch, "corrupt.kind", self.per) < 0.5
        matrices = (2 * drawn(noise, batch, "corrupt.matrix", self.per, size * size) - 1).reshape(-1, size, size)
        thrown = transformed(batch.tracks, matrices.transpose(1, 2).to(batch.tracks)[batch.owner])
        wrong = torch.where(zeroed[batch.owner][:, None, None, None], 0, thrown)
        # By coordinate, so that what lies side by side in memory is chosen in one go.
        rows = hit[batch.owner].repeat_interleave(size, 1)[:, None]
        tracks = torch.where(rows, wrong.flatten(2), batch.tracks.flatten(2)).reshape(batch.tracks.shape)
        return batch._replace(tracks=tracks)


@dataclass(frozen=True)
class Either:
    """The first augmentation with the given probability, otherwise the second; neither may add or drop rows.

    The views of ISC, CMD and PCM3 are ``Either(JointCorruption(), Shear())``.
    Noise site: ``either`` (U[0, 1), below the probability for the first), and those of both.
    """

    first: Augment
    second: Augment
    probability: float = 0.5
    per: Per = "clip"

    def __post_init__(self) -> None:
        require_probability(self.probability)

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        picked = chosen(noise, batch, "either", self.per, self.probability)
        return either_of(
            batch, picked, lambda part: self.first(part, noise, clip), lambda part: self.second(part, noise, clip)
        )


@dataclass(frozen=True)
class Flip:
    """Left and right joints exchange their tracks; coordinates stay, as in the released AimCLR and PSTL.

    (A mirror image would also turn the sign of one coordinate.) Raises ``DataError``
    where the layout names no pairs. Noise site: ``flip``.
    """

    probability: float = 0.5
    per: Per = "clip"

    def __post_init__(self) -> None:
        require_probability(self.probability)

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        require_swaps(clip.layout, "flip")
        order = constant(tuple(clip.layout.mirror()), batch.tracks.device)
        clips = chosen(noise, batch, "flip", self.per, self.probability)
        return changed(batch, clips, batch.tracks.index_select(2, order))


@dataclass(frozen=True)
class TiltRotation:
    """A turn by U(0, main) degrees about one axis and U(0, other) about the others: x first, then y, then z (AimCLR).

    Angles are never negative, in the paper (section 3.2) as in the released code. 2D coordinates turn in
    their plane by U(0, main). Noise sites: ``tilt.axis`` (0, 1 or 2), ``tilt.angles`` (U[0, 1), (N, 3) or (N, 1)).
    """

    main: float = 30.0
    other: float = 1.0
    per: Per = "clip"

    def __post_init__(self) -> None:
        for angle in (self.main, self.other):
            require(math.isfinite(angle), f"an angle of a tilt is {angle}; it must be a number of degrees")

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        axes = 3 if batch.tracks.shape[-1] == 3 else 1
        draw = drawn(noise, batch, "tilt.angles", self.per, axes)
        axis = noise.on(batch).integers("tilt.axis", axes, per=self.per)
        about = torch.arange(axes, device=draw.device) == axis[..., None]
        degrees = draw * torch.where(about, self.main, self.other).to(draw)
        matrices = rotation_matrices(torch.deg2rad(degrees)).to(batch.tracks.dtype)
        return batch._replace(tracks=transformed(batch.tracks, matrices[batch.owner]))


@dataclass(frozen=True)
class AxisRotation:
    """A turn by U(low, high) degrees about x, y or z: ``axis`` 0, 1 or 2, drawn where it is -1 (AS-CAL).

    2D coordinates turn in their plane. Noise sites: ``turn.axis`` (0, 1 or 2), ``turn.angle`` (U[0, 1)).
    """

    low: float = 0.0
    high: float = 30.0
    axis: int = -1
    per: Per = "clip"

    def __post_init__(self) -> None:
        require(self.axis in (-1, 0, 1, 2), f"the axis of a turn is {self.axis}; it must be 0, 1, 2, or -1 to draw one")
        for angle in (self.low, self.high):
            require(math.isfinite(angle), f"an angle of a turn is {angle}; it must be a number of degrees")

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        axes = 3 if batch.tracks.shape[-1] == 3 else 1
        draw = drawn(noise, batch, "turn.angle", self.per)
        if self.axis < 0 and axes > 1:
            axis = noise.on(batch).integers("turn.axis", axes, per=self.per).expand(batch.num_clips)
        else:
            axis = torch.full_like(batch.key, max(self.axis, 0) % axes)
        about = torch.arange(axes, device=draw.device) == axis[:, None]
        degrees = (self.low + (self.high - self.low) * draw)[:, None] * about
        matrices = rotation_matrices(torch.deg2rad(degrees)).to(batch.tracks.dtype)
        return batch._replace(tracks=transformed(batch.tracks, matrices[batch.owner]))


@dataclass(frozen=True)
class GaussianNoise:
    """N(0, sd) is added to every coordinate of the persons in the batch (AimCLR, PSTL), in the data's unit.

    The released codes add it to missing persons too; put :class:`FillPersons` first for that.
    Noise sites: ``noise.chance``, ``noise.values`` (normal, per person, (P, T, V, C)).
    """

    sd: float = 0.01
    probability: float = 0.5
    per: Per = "clip"

    def __post_init__(self) -> None:
        require_probability(self.probability)
        require(self.sd >= 0, f"the s.d. of the added noise is {self.sd}; it must not be negative")

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        tracks = batch.tracks
        clips = chosen(noise, batch, "noise.chance", self.per, self.probability)
        values = noise.on(batch).normal("noise.values", tuple(tracks.shape[1:]), dtype=tracks.dtype)
        return changed(batch, clips, tracks + self.sd * values)


def without_axis(tracks: Tensor, axis: Tensor) -> Tensor:
    """One coordinate, ``axis`` (R,), is zero: (R, T, V, C) -> the same."""
    kept = torch.arange(tracks.shape[-1], device=tracks.device) != axis[:, None]
    return tracks * kept[:, None, None]


@dataclass(frozen=True)
class AxisMask:
    """One coordinate of all joints becomes zero (AimCLR). Noise sites: ``axis.chance``, ``axis.which``."""

    probability: float = 0.5
    per: Per = "clip"

    def __post_init__(self) -> None:
        require_probability(self.probability)

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        size = batch.tracks.shape[-1]
        clips = chosen(noise, batch, "axis.chance", self.per, self.probability)
        axis = noise.on(batch).integers("axis.which", size, per=self.per).expand(batch.num_clips)
        return changed(batch, clips, without_axis(batch.tracks, axis[batch.owner]))


@dataclass(frozen=True)
class FillPersons:
    """Missing persons become rows of zeros, so that what follows changes them like the others, as released."""

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        return batch.filled(clip.persons)
