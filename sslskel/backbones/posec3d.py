"""PoseC3D (Duan et al., "Revisiting Skeleton-based Action Recognition", CVPR 2022): SlowOnly over pictures of poses.

A clip becomes a volume with a channel for each joint or limb, which 3D convolutions read. Sizes are those of the
released code for poses of images. How 3D joints are seen in a picture is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone, Features
from sslskel.api.noise import Noise
from sslskel.api.unbound import Unbound
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.graph import bones
from sslskel.nn.heat_maps import compact, cropped, drawn_boxes, flipped, joint_maps, limb_maps, stretched
from sslskel.nn.temporal_conv import start_convolutions

EXPANSION = 4
"""Channels that leave a block, in multiples of those within."""


class Shows(Enum):
    """What has a map of its own."""

    joints = "joints"
    limbs = "limbs"


class Plane(Enum):
    """Axes of 3D joints that run to the right and up in a picture; depth is not seen."""

    xy = "xy"
    zy = "zy"
    xz = "xz"


@dataclass
class PoseC3DConfig:
    """Sizes of pictures and network; defaults are those of the released code, ``plane`` apart."""

    shows: Shows = Shows.joints
    plane: Plane = Plane.xy
    """Ours: released code reads poses of images. Clips in 2D are pictures as they are."""
    pixels: int = 56
    """Pixels of a side in training, where ``augment`` cuts a part out."""
    test_pixels: int = 64
    """Pixels of a side of a whole picture."""
    padding: float = 0.25
    """Share by which the box around all joints of a clip grows."""
    sigma: float = 0.6
    """Standard deviation of a joint's spot, pixels."""
    augment: bool = True
    """Train on random parts of pictures, at even odds mirrored."""
    least_area: float = 0.56
    """Share of a picture that such a part has at least."""
    width: int = 32
    """Channels of the first convolution; a stage has twice those of the one before."""
    blocks: list[int] = field(default_factory=lambda: [4, 6, 3])
    """Of each stage. From the second on they see 3 frames; the third halves time."""

    def __post_init__(self) -> None:
        for name in ("pixels", "test_pixels", "width"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")
        require(0 <= self.padding <= 10, f"backbone.padding is {self.padding}; it must be from 0 to 10")
        require(0 < self.sigma <= 1000, f"backbone.sigma is {self.sigma}; it must be above 0, and at most 1000")
        require(0 < self.least_area <= 1, f"backbone.least_area is {self.least_area}; it must be in (0, 1]")
        require(
            bool(self.blocks) and min(self.blocks) >= 1,
            f"backbone.blocks is {self.blocks}; it needs at least one stage, and at least one block in each",
        )


def normed(channels: int, out: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> nn.Sequential:
    """A convolution without bias over (frames, height, width), and batch norm."""
    around = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Sequential(nn.Conv3d(channels, out, kernel, stride, around, bias=False), GlobalBatchNorm(out))


class Bottleneck(nn.Module):
    """Three convolutions with a way around: over ``frames`` frames, over 3 x 3 pixels with the stride, over nothing."""

    def __init__(self, channels: int, inner: int, frames: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        out, still = EXPANSION * inner, (1, 1, 1)
        self.first = normed(channels, inner, (frames, 1, 1), still)
        self.second = normed(inner, inner, (1, 3, 3), stride)
        self.third = nn.Conv3d(inner, out, 1, bias=False)
        self.last_norm = GlobalBatchNorm(out)
        same = channels == out and stride == still
        self.beside: nn.Module = nn.Identity() if same else normed(channels, out, still, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C', T', H', W')."""
        inner = functional.relu(self.second(functional.relu(self.first(x))))
        return functional.relu(self.last_norm(self.third(inner)) + self.beside(x))


class SlowOnly(nn.Module):
    """A convolution over pictures and stages of blocks, each of which halves height and width."""

    def __init__(self, channels: int, width: int, blocks: list[int]) -> None:
        super().__init__()
        self.dim = EXPANSION * width * 2 ** (len(blocks) - 1)
        self.stem = normed(channels, width, (1, 7, 7), (1, 1, 1))
        inner = [width * 2**stage for stage in range(len(blocks))]
        sizes = pairwise([width, *(EXPANSION * one for one in inner)])
        self.stages = nn.Sequential()
        for stage, ((before, after), count) in enumerate(zip(sizes, blocks, strict=True)):
            frames, stride = (3 if stage else 1), (2 if stage == 2 else 1, 2, 2)
            rest = (Bottleneck(after, inner[stage], frames, (1, 1, 1)) for _ in range(count - 1))
            self.stages.append(nn.Sequential(Bottleneck(before, inner[stage], frames, stride), *rest))
        start_convolutions(self)
        for part in self.modules():
            if isinstance(part, Bottleneck):
                nn.init.zeros_(part.last_norm.weight)

    def forward(self, volume: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, D, T', H', W')."""
        seen = functional.max_pool3d(functional.relu(self.stem(volume)), (1, 3, 3), 1, (0, 1, 1))
        out: Tensor = self.stages(seen)
        return out


class PoseC3D(Backbone[PoseC3DConfig]):
    """SlowOnly over pictures of all persons, averaged over a picture: T' = T / 2, V' = 1.

    A person in a frame that is not valid is not drawn, nor counted for the box around a clip. The feature of a clip is
    the mean over all of its maps. In training, parts of pictures and mirror images come from the noise that it is
    bound to. Raises ``DataError`` where limbs are asked for and the layout has no bones.
    """

    Config = PoseC3DConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "quick": {"width": 2, "blocks": [1, 1, 1], "pixels": 12, "test_pixels": 14},
        "cpu": {"width": 8, "blocks": [1, 1, 1], "pixels": 24, "test_pixels": 28},
    }
    joins_persons = True
    batch_statistics = True
    reads_validity = True

    def __init__(self, config: PoseC3DConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.config, self.persons, self.order = config, clip.persons, clip.layout.mirror()
        self.whole = clip.unit == "pixel"
        self.limbs = bones(clip.layout, "posec3d") if config.shows is Shows.limbs else []
        self.network = SlowOnly(len(self.limbs) or clip.layout.num_joints, config.width, config.blocks)
        self.dim = self.network.dim
        self._noise: Noise | None = None

    def bind(self, noise: Noise) -> None:
        """Draw parts of pictures and mirror images of the following training passes from this noise."""
        self._noise = noise

    def picture(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, M, T, V, 2), x to the right and y down."""
        clips, frames, _, numbers = tracks.shape
        apart = tracks.reshape(clips, frames, self.persons, -1, numbers).transpose(1, 2)
        if numbers == 2:
            return apart
        across, up = ("xyz".index(axis) for axis in self.config.plane.value)
        return torch.stack([apart[..., across], -apart[..., up]], -1)

    def maps(self, tracks: Tensor, valid: Tensor) -> Tensor:
        """(N, T, M*V, C), (N, T, M) bool -> the volume (N, channels, T, H, W) in single precision at least."""
        config = self.config
        there = valid.transpose(1, 2)[..., None, None]
        points = self.picture(tracks.to(torch.promote_types(tracks.dtype, torch.float32)))
        # Moved by whole units, so that no coordinate that is there is 0.
        least = points.where(there, torch.inf).amin((1, 2, 3), keepdim=True)
        points = (points - least.floor() + 1).where(there, 0)
        points, sides = compact(points, config.padding, self.whole)
        points, size = stretched(points, sides, config.test_pixels), config.test_pixels
        if self.training and config.augment:
            if self._noise is None:
                raise Unbound(self, "backbone.augment")
            points, size = self._part(points, self._noise), config.pixels
        scores = there[..., 0].expand(points.shape[:4]).to(points.dtype)
        if self.limbs:
            return limb_maps(points, scores, self.limbs, size, config.sigma)
        return joint_maps(points, scores, size, config.sigma)

    def _part(self, points: Tensor, noise: Noise) -> Tensor:
        config = self.config
        points = stretched(*cropped(points, drawn_boxes(config.test_pixels, config.least_area, noise)), config.pixels)
        mirrored = noise.uniform("picture.mirrored", per="clip") < 0.5
        return torch.where(mirrored[:, None, None, None, None], flipped(points, config.pixels, self.order), points)

    def forward(self, tracks: Tensor, valid: Tensor | None = None) -> Features:
        """(N, T, M*V, C), (N, T, M) bool -> a grid (N, T', 1, D) and its mean.

        Without ``valid`` all persons are there.
        """
        if valid is None:
            valid = torch.ones(*tracks.shape[:2], self.persons, dtype=torch.bool, device=tracks.device)
        seen: Tensor = self.network(self.maps(tracks, valid).to(tracks.dtype))
        grid = seen.mean((3, 4)).transpose(1, 2)[:, :, None]
        return Features(grid, token=grid.mean((1, 2)))
