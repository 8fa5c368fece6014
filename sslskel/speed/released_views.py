"""Augmentations of contrastive views as released feeders make them: one clip after another, in numpy.

The draws are those of our own augmentations, so that both sides get the same clips. A clip is (T, M, V, C) with zeros
for missing persons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, reduce

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import Augment, ClipSpec
from sslskel.config.groups import Fidelity
from sslskel.errors import UsageError
from sslskel.transforms.augment import (
    AxisMask,
    Either,
    FillPersons,
    Flip,
    GaussianNoise,
    JointCorruption,
    Shear,
    TiltRotation,
    chosen,
    drawn,
)
from sslskel.transforms.augment_time import TAPS, GaussianBlur, TimeFlip
from sslskel.transforms.clip import rotation_matrices

Clip = npt.NDArray[np.float32]
Change = Callable[[Clip], Clip]
"""Of one clip, with its draws already made."""
KNOWN = (
    AxisMask,
    Either,
    FillPersons,
    Flip,
    GaussianBlur,
    GaussianNoise,
    JointCorruption,
    Shear,
    TiltRotation,
    TimeFlip,
)
"""What :func:`changes` has a plain form of."""


def changes(augments: Iterable[Augment], batch: Batch, noise: Noise, clip: ClipSpec) -> list[Change]:
    """What happens to each of the N clips of a batch with all its person slots, whose tracks are not read.

    Raises ``UsageError`` for an augmentation that no released feeder has.
    """
    steps = [_steps(augment, batch, noise, clip) for augment in augments]
    return [partial(_in_turn, [of_clip[at] for of_clip in steps]) for at in range(batch.num_clips)]


def _in_turn(steps: list[Change], clip: Clip) -> Clip:
    return reduce(lambda changed, step: step(changed), steps, clip)


def _steps(augment: Augment, batch: Batch, noise: Noise, clip: ClipSpec) -> list[Change]:
    """One change per clip."""
    count, size = batch.num_clips, clip.coordinates
    if isinstance(augment, FillPersons):
        return [_same] * count
    if isinstance(augment, Either):
        first = chosen(noise, batch, "either", augment.per, augment.probability)
        both = [_steps(part, batch, noise, clip) for part in (augment.first, augment.second)]
        return [both[0][at] if picked else both[1][at] for at, picked in enumerate(first.tolist())]
    if isinstance(augment, Shear):
        draw = (2 * drawn(noise, batch, "shear.off_diagonal", augment.per, size * (size - 1)) - 1) * augment.amplitude
        matrices = np.tile(np.eye(size), (count, 1, 1))
        matrices[:, ~np.eye(size, dtype=bool)] = draw.numpy()
        return [partial(_turned, matrix.T.astype(np.float32)) for matrix in matrices]
    if isinstance(augment, JointCorruption):
        return _corruptions(augment, batch, noise, clip)
    if isinstance(augment, TiltRotation):
        axes = 3 if size == 3 else 1
        about = torch.arange(axes) == noise.on(batch).integers("tilt.axis", axes, per=augment.per)[..., None]
        draw = drawn(noise, batch, "tilt.angles", augment.per, axes)
        degrees = draw * torch.where(about, augment.main, augment.other).to(draw)
        turns = rotation_matrices(torch.deg2rad(degrees)).float().numpy()
        return [partial(_turned, turn.T) for turn in turns]
    return _chosen_steps(augment, batch, noise, clip)


def _chosen_steps(augment: Augment, batch: Batch, noise: Noise, clip: ClipSpec) -> list[Change]:
    """Of augmentations that leave some clips as they are."""
    count, every = batch.num_clips, [_same] * batch.num_clips
    if isinstance(augment, Flip):
        site, every = "flip", [partial(_ordered, list(clip.layout.mirror()))] * count
    elif isinstance(augment, TimeFlip):
        site, every = "time_flip", [_backwards] * count
    elif isinstance(augment, GaussianNoise):
        values = noise.on(batch).normal("noise.values", tuple(batch.tracks.shape[1:]), dtype=torch.float32)
        apart = values.reshape(count, -1, *values.shape[1:]).transpose(1, 2).numpy() * np.float32(augment.sd)
        site, every = "noise.chance", [partial(np.add, one) for one in apart]
    elif isinstance(augment, AxisMask):
        axis = noise.on(batch).integers("axis.which", clip.coordinates, per=augment.per).expand(count)
        site, every = "axis.chance", [partial(_without_axis, at) for at in axis.tolist()]
    elif isinstance(augment, GaussianBlur) and augment.fidelity is Fidelity.released:
        sigma = 0.1 + 1.9 * drawn(noise, batch, "blur.sigma", augment.per)
        site, every = "blur.chance", [partial(_blurred, one) for one in sigma.tolist()]
    else:
        raise UsageError(
            f"--against as_released knows no plain form of {type(augment).__name__}; use clip.stream=joint"
            " clip.centre=stored method.fidelity=released"
        )
    picked = chosen(noise, batch, site, augment.per, augment.probability)
    return [change if taken else _same for change, taken in zip(every, picked.tolist(), strict=True)]


def _corruptions(augment: JointCorruption, batch: Batch, noise: Noise, clip: ClipSpec) -> list[Change]:
    joints, size = clip.layout.num_joints, clip.coordinates
    order: Tensor = noise.on(batch).permutation("corrupt.joints", joints, per=augment.per)
    hit = order.expand(batch.num_clips, -1)[:, : round(augment.share * joints)].tolist()
    zeroed = (drawn(noise, batch, "corrupt.kind", augment.per) < 0.5).tolist()
    draw = (2 * drawn(noise, batch, "corrupt.matrix", augment.per, size * size) - 1).float().numpy()
    matrices = draw.reshape(-1, size, size)
    return [
        partial(_corrupted, at, np.zeros_like(matrix) if gone else matrix)
        for at, gone, matrix in zip(hit, zeroed, matrices, strict=True)
    ]


def _same(clip: Clip) -> Clip:
    return clip


def _turned(matrix: Clip, clip: Clip) -> Clip:
    turned: Clip = np.dot(clip, matrix)
    return turned


def _corrupted(joints: list[int], matrix: Clip, clip: Clip) -> Clip:
    changed = clip.copy()
    changed[:, :, joints] = np.dot(clip[:, :, joints], matrix)
    return changed


def _ordered(joints: list[int], clip: Clip) -> Clip:
    return clip[:, :, joints]


def _backwards(clip: Clip) -> Clip:
    return clip[::-1]


def _without_axis(axis: int, clip: Clip) -> Clip:
    changed = clip.copy()
    changed[..., axis] = 0
    return changed


def _blurred(sigma: float, clip: Clip) -> Clip:
    offsets = np.arange(TAPS) - TAPS // 2
    weights = np.exp(-np.square(offsets) / (2 * sigma**2)).astype(np.float32)
    padded = np.pad(clip, [(TAPS // 2, TAPS // 2), (0, 0), (0, 0), (0, 0)])
    blurred: Clip = sum(weight * padded[at : at + len(clip)] for at, weight in enumerate(weights))
    return blurred
