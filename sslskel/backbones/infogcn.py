"""InfoGCN (Chi et al., "InfoGCN: Representation Learning for Human Skeleton-based Action Recognition", CVPR 2022).

Graph convolution whose edges are attention among the joints of a frame times a learned matrix. Sizes are those of the
released code; its information bottleneck is a head and a loss, which belong to the method of this name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.graph import bones
from sslskel.nn.person_slots import SlotNorm, side_by_side
from sslskel.nn.temporal_conv import TemporalConv, shortcut, start_convolutions, start_temporal

STRIDES = (1, 1, 1, 2, 1, 1, 2, 1, 1)
"""Frames that each of the nine blocks steps by."""


@dataclass
class InfoGcnConfig:
    """Sizes of the network; defaults are those of the released code."""

    width: int = 64
    """Channels of the first three blocks, a multiple of 8; three of twice and three of four times as many follow."""
    heads: int = 3
    """Attention heads, each with a learned graph of the joints."""
    order: int = 1
    """Joints are read relative to the joint so many bones further in: 1 for bones, and where no joint is so far out,
    as 8 on NTU's body, joints themselves. Released code has 0 by default, whose input is zeros."""

    def __post_init__(self) -> None:
        require(
            self.width >= 8 and self.width % 8 == 0,
            f"backbone.width is {self.width}; it must be a positive multiple of 8, since an eighth is compared",
        )
        require(self.heads >= 1, f"backbone.heads is {self.heads}; it must be at least 1")
        require(
            self.order >= 1,
            f"backbone.order is {self.order}; it must be at least 1: relative to itself every joint is at 0",
        )


def outward(layout: SkeletonLayout) -> Tensor:
    """(V, V) with a 1 for each joint, by row, and the next one on its way to the layout's centre, by column.

    Raises ``DataError`` where the layout has no bones.
    """
    near: dict[int, list[int]] = {joint: [] for joint in range(layout.num_joints)}
    for joint, parent in bones(layout, "infogcn"):
        near[joint].append(parent)
        near[parent].append(joint)
    matrix, reached = torch.zeros(layout.num_joints, layout.num_joints), [layout.centre]
    for joint in reached:
        for other in near[joint]:
            if other not in reached:
                matrix[other, joint] = 1
                reached.append(other)
    return matrix


class SelfAttentionGraphConv(nn.Module):
    """Sum over heads of ``W_h (S_h * L_h) x``: S attention among a frame's joints, L learned (equation 9).

    Then batch norm, a way around, ReLU.
    """

    def __init__(self, channels: int, out: int, joints: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.learned = nn.Parameter(torch.eye(joints).repeat(heads, 1, 1))
        self.norm = nn.LayerNorm(channels)
        self.compare = nn.Linear(channels, 2 * heads * (channels // 8))
        nn.init.normal_(self.compare.weight, 0, 1)
        self.value = nn.Conv2d(heads * channels, out, 1)
        start_convolutions(self)
        self.after = GlobalBatchNorm(out)
        nn.init.constant_(self.after.weight, 1e-6)
        self.beside: nn.Module = shortcut(channels, out) if channels != out else nn.Identity()

    def attention(self, x: Tensor) -> Tensor:
        """(R, C, T, V) -> (R, T, H, V, V), each row adding to 1."""
        both: Tensor = self.compare(self.norm(x.permute(0, 2, 3, 1)))
        query, key = both.reshape(*both.shape[:3], 2, self.heads, -1).permute(3, 0, 1, 4, 2, 5)
        products = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        weights: Tensor = products.softmax(-1)
        return weights

    def forward(self, x: Tensor) -> Tensor:
        """(R, C, T, V) -> (R, C', T, V)."""
        attended = self.attention(x)
        edges = (attended * self.learned.to(attended.dtype)).to(x.dtype)
        gathered = torch.einsum("rthuv,rctv->rhctu", edges, x).flatten(1, 2)
        return functional.relu(self.after(self.value(gathered)) + self.beside(x))


class InfoGcnBlock(nn.Module):
    """Graph convolution, convolution over time with ReLU, and a way around both."""

    def __init__(self, channels: int, out: int, stride: int, joints: int, heads: int) -> None:
        super().__init__()
        self.spatial = SelfAttentionGraphConv(channels, out, joints, heads)
        self.temporal = TemporalConv(out, stride)
        start_temporal(self.temporal)
        same = channels == out and stride == 1
        self.shortcut: nn.Module = nn.Identity() if same else shortcut(channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(R, C, T, V) -> (R, C', T', V)."""
        return functional.relu(functional.relu(self.temporal(self.spatial(x))) + self.shortcut(x))


class InfoGcn(Backbone[InfoGcnConfig]):
    """Nine blocks over the persons of a clip, each by itself behind the norm; T' = T / 4, V' = M * V, D = 4 * width.

    The table of positions, which released code adds in front of a batch norm, has no effect in training. Absent persons
    are zeros and count in every mean, as released. Raises ``DataError`` where the layout has no bones.
    """

    Config = InfoGcnConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"quick": {"width": 8}, "cpu": {"width": 16}}
    joins_persons = True
    batch_statistics = True
    relative: Tensor

    def __init__(self, config: InfoGcnConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        joints, width = clip.layout.num_joints, config.width
        self.persons, self.joints, self.dim = clip.persons, joints, 4 * width
        relative = torch.eye(joints) - torch.linalg.matrix_power(outward(clip.layout), config.order)
        self.register_buffer("relative", relative, persistent=False)
        self.embed = nn.Linear(clip.coordinates, width)
        self.table = nn.Parameter(torch.randn(joints, width))
        self.input_norm = SlotNorm(clip.persons, joints, width)
        sizes = [width] * 3 + [2 * width] * 3 + [4 * width] * 3
        self.blocks = nn.Sequential(
            *(
                InfoGcnBlock(channels, out, stride, joints, config.heads)
                for channels, out, stride in zip([width, *sizes[:-1]], sizes, STRIDES, strict=True)
            )
        )

    def forward(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T', M*V, D)."""
        persons = tracks.reshape(*tracks.shape[:2], self.persons, self.joints, tracks.shape[3])
        seen = torch.einsum("uv,ntmvc->ntmuc", self.relative.to(tracks.dtype), persons)
        embedded = (self.embed(seen) + self.table).flatten(2, 3)
        # Frames last in memory, as released: a number that is equal everywhere keeps the rounding of that order, and
        # with it the side of a ReLU on which it falls.
        ordered = embedded.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        return side_by_side(self.blocks(self.input_norm(ordered)), self.persons)
