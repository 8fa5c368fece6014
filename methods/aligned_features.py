"""The stronger floor: coordinates of a body turned to face one way and scaled to one size, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

import torch
from torch import Tensor

from sslskel import Batch, BuildBackbone, ClipSpec, Encoder, MethodCard, Noise, PretextMethod, Progress

SMALLEST = 1e-6
"""Lengths below it, in the dataset's unit, are no direction and no size."""


class Axis(Enum):
    """An axis of the data."""

    x = "x"
    y = "y"
    z = "z"


@dataclass
class AlignedFeaturesConfig:
    """Which axis is vertical; the rest follows from the body."""

    vertical: Axis = Axis.y
    """Kinects and motion capture mostly have y upwards."""


def shoulders(clip: ClipSpec) -> tuple[int, int]:
    """The joints where left and right arm begin; raises ``DataError`` where the layout defines no arms."""
    return clip.layout.part("left_arm")[0], clip.layout.part("right_arm")[0]


class AlignedEncoder(Encoder):
    """Each person relative to its own centre joint, turned about the vertical so that its shoulder line lies along one
    axis on average over the clip, and divided by its mean length from centre to shoulder line.

    D = M*T*V*C; a missing person, or a frame without one, is zeros.
    """

    def __init__(self, clip: ClipSpec, vertical: Axis) -> None:
        super().__init__()
        self.spec = clip
        self.vertical = "xyz".index(vertical.value)
        self.shoulders = shoulders(clip)
        self.dim = clip.persons * clip.frames * clip.layout.num_joints * clip.coordinates

    def _aligned(self, batch: Batch) -> Tensor:
        """(N, M, T, V, C) without a unit."""
        centre = self.spec.layout.centre
        rows = batch.tracks - batch.tracks[:, :, centre : centre + 1]
        present = batch.valid[:, :, None, None]
        left, right = (rows[:, :, joint] for joint in self.shoulders)
        rows = _turned(rows, _over_frames(left - right, batch.valid), self.vertical)
        size = _over_frames(((left + right) / 2).norm(dim=-1, keepdim=True), batch.valid)
        rows = torch.where(present, rows / size.clamp_min(SMALLEST)[:, None, None], 0.0)
        return batch._replace(tracks=rows).dense(self.spec.persons).permute(0, 4, 2, 3, 1)

    def clip(self, batch: Batch) -> Tensor:
        return self._aligned(batch).flatten(1)

    def steps(self, batch: Batch) -> Tensor:
        return self._aligned(batch).transpose(1, 2).flatten(2)


def _over_frames(values: Tensor, valid: Tensor) -> Tensor:
    """Mean (P, C) of (P, T, C) over the frames in which the person is there."""
    there = valid[..., None].to(values.dtype)
    return (values * there).sum(1) / there.sum(1).clamp_min(1.0)


def _turned(rows: Tensor, line: Tensor, vertical: int) -> Tensor:
    """Rows (P, T, V, 3) turned about the vertical so that ``line`` (P, 3) has one horizontal direction."""
    one, other = (axis for axis in range(3) if axis != vertical)
    length = (line[:, one] ** 2 + line[:, other] ** 2).sqrt()
    known = length > SMALLEST
    cos = torch.where(known, line[:, one] / length.clamp_min(SMALLEST), 1.0)[:, None, None]
    sin = torch.where(known, line[:, other] / length.clamp_min(SMALLEST), 0.0)[:, None, None]
    turned = rows.clone()
    turned[..., one] = cos * rows[..., one] + sin * rows[..., other]
    turned[..., other] = cos * rows[..., other] - sin * rows[..., one]
    return turned


class AlignedFeatures(PretextMethod[AlignedFeaturesConfig]):
    """No network and nothing to learn: what a classifier gets once place, heading and size are taken out.

    Raises ``DataError`` for 2D bodies and for those that define no arms.
    """

    Config = AlignedFeaturesConfig
    card = MethodCard(family="floor")
    trains = False
    uses_backbone = False

    def __init__(self, config: AlignedFeaturesConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        clip.require_3d("aligned_features")
        shoulders(clip)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> NoReturn:
        raise RuntimeError("aligned_features has no loss: a method with trains=False takes no step")

    def encoders(self) -> dict[str, Encoder]:
        """The coordinates of the clip, aligned and flattened."""
        return {"joint": AlignedEncoder(self.clip, self.config.vertical)}
