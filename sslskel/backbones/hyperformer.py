"""Hyperformer (Zhou et al., "Hypergraph Transformer for Skeleton-based Action Recognition", 2211.09590).

Attention among the joints of a frame that knows the bones between them and the groups they belong to, then
convolution over time. Sizes, groups and the bones of the Kinect body are those of the released code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone
from sslskel.api.skeleton import NTU25, SkeletonLayout
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.graph import bones
from sslskel.nn.person_slots import SlotNorm, side_by_side
from sslskel.nn.temporal_conv import TemporalConv, shortcut, start_temporal

STRIDES = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)
"""Frames that each of the ten blocks steps by."""
GROUPS = {NTU25.name: (0, 4, 2, 2, 2, 2, 1, 1, 2, 2, 1, 1, 2, 3, 3, 3, 2, 3, 3, 3, 1, 0, 1, 0, 1)}
"""Released groups of joints, by layout."""
MOVED = {NTU25.name: {"left_hand_tip": "left_hand", "right_hand_tip": "right_hand"}}
"""Joints that hang on another one than in the layout, in the graph whose bones released code counts."""
OUTPUT_GROUPS = 6
"""Of the output projection, which released code cuts without regard to heads."""


@dataclass
class HyperformerConfig:
    """Sizes of the network; defaults are those of the released code."""

    dim: int = 216
    """Channels of every block, a multiple of 4 and of ``heads``; D of a feature."""
    heads: int = 9
    """Attention heads of a block."""
    groups: list[int] = field(default_factory=list)
    """Number of each joint's group, from 0; empty for the released ones of NTU's body, and the body parts of others."""

    def __post_init__(self) -> None:
        for name in ("dim", "heads"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.dim % self.heads == 0 and self.dim % 4 == 0,
            f"backbone.dim is {self.dim}; it must be a multiple of 4, a quarter for each branch over time, and of"
            f" backbone.heads={self.heads}",
        )
        wanted = list(range(max(self.groups, default=-1) + 1))
        require(
            sorted(set(self.groups)) == wanted,
            f"backbone.groups is {self.groups}; its numbers must be 0, 1, 2 and so on, each used",
        )


def hops(layout: SkeletonLayout) -> list[list[int]]:
    """Bones between any two joints, V numbers for each of V; one more than the farthest where no way leads.

    Raises ``DataError`` where the layout has no bones.
    """
    moved = {layout.joint(joint): layout.joint(to) for joint, to in MOVED.get(layout.name, {}).items()}
    linked: dict[int, set[int]] = {joint: set() for joint in range(layout.num_joints)}
    for joint, parent in bones(layout, "hyperformer"):
        to = moved.get(joint, parent)
        linked[joint].add(to)
        linked[to].add(joint)
    rows = []
    for start in linked:
        far, edge = {start: 0}, [start]
        for joint in edge:
            for near in linked[joint] - far.keys():
                far[near] = far[joint] + 1
                edge.append(near)
        rows.append(far)
    beyond = 1 + max(distance for far in rows for distance in far.values())
    return [[far.get(joint, beyond) for joint in linked] for far in rows]


def groups_of(layout: SkeletonLayout, asked: list[int]) -> list[int]:
    """Number of each joint's group; raises ``UsageError`` unless there is one for every joint."""
    known = list(GROUPS.get(layout.name, ()))
    if not known:
        at = {joint: number for number, part in enumerate(layout.parts.values()) for joint in part}
        known = [at.get(joint, len(layout.parts)) for joint in range(layout.num_joints)]
        order = sorted(set(known))
        known = [order.index(group) for group in known]
    chosen = asked or known
    require(
        len(chosen) == layout.num_joints,
        f"backbone.groups names {len(chosen)} joints, but layout '{layout.name}' has {layout.num_joints}",
    )
    return chosen


class HypergraphAttention(nn.Module):
    """Attention of a frame's joints with terms for bones between them and for groups (section 3.3, equation 8)."""

    hops: Tensor

    def __init__(self, channels: int, config: HyperformerConfig, far: list[list[int]]) -> None:
        super().__init__()
        dim, heads = config.dim, config.heads
        self.heads = heads
        self.register_buffer("hops", torch.tensor(far), persistent=False)
        self.query = nn.Conv2d(channels, dim, 1, bias=False)
        self.key_value = nn.Conv2d(channels, 2 * dim, 1, bias=False)
        self.by_hops = nn.Parameter(torch.zeros(max(map(max, far)) + 1, dim))
        self.by_group = nn.Parameter(torch.zeros(heads, dim // heads))
        self.free = nn.Parameter(torch.eye(len(far)).repeat(heads, 1, 1))
        self.alpha = nn.Parameter(torch.zeros(1))
        self.project = nn.Conv2d(dim, dim, 1, groups=math.gcd(OUTPUT_GROUPS, dim))

    def scores(self, query: Tensor, key: Tensor, group: Tensor) -> Tensor:
        """(R, H, c, T, V) three times -> (R, T, H, V, V), before the softmax."""
        near = self.by_hops[self.hops].reshape(*self.hops.shape, self.heads, -1).to(query.dtype)
        compared = torch.einsum("rhctu,rhctv->rthuv", query, key + group)
        compared = compared + torch.einsum("rhctu,uvhc->rthuv", query, near)
        biased = torch.einsum("hc,rhctv->rthv", self.by_group.to(group.dtype), group)
        scaled: Tensor = (compared + biased[..., None, :]) * query.shape[2] ** -0.5
        return scaled

    def forward(self, x: Tensor, group: Tensor) -> Tensor:
        """Normed joints (R, C, T, V) and their groups' features (R, dim, T, V) -> (R, dim, T, V)."""
        query, group = (part.unflatten(1, (self.heads, -1)) for part in (self.query(x), group))
        key, value = self.key_value(x).unflatten(1, (2, self.heads, -1)).unbind(1)
        weights = self.scores(query, key, group).softmax(-1)
        weights = self.alpha.to(weights.dtype) * weights + self.free.to(weights.dtype)
        mixed = torch.einsum("rthuv,rhctv->rhctu", weights, value.to(weights.dtype)).flatten(1, 2)
        out: Tensor = self.project(mixed)
        return out


class HyperformerBlock(nn.Module):
    """Attention among joints with a way around, convolution over time, and a way around both."""

    share: Tensor

    def __init__(
        self, channels: int, stride: int, config: HyperformerConfig, far: list[list[int]], groups: list[int]
    ) -> None:
        super().__init__()
        dim = config.dim
        # What a joint is given of every joint: an equal share of those of its group.
        shares = [[(one == other) / groups.count(one) for other in groups] for one in groups]
        self.register_buffer("share", torch.tensor(shares), persistent=False)
        self.norm = nn.LayerNorm(channels)
        self.group = nn.Conv2d(channels, dim, 1, bias=False)
        self.attention = HypergraphAttention(channels, config, far)
        self.beside = nn.Conv2d(channels, dim, 1, bias=False) if channels != dim else nn.Identity()
        self.temporal = TemporalConv(dim, stride)
        start_temporal(self.temporal)
        self.shortcut: nn.Module = nn.Identity()
        if channels != dim or stride != 1:
            self.shortcut = shortcut(channels, dim, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(R, C, T, V) -> (R, dim, T', V)."""
        group = self.group(x @ self.share.to(x.dtype))
        normed = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        mixed = self.beside(x) + self.attention(normed, group)
        return functional.relu(self.temporal(mixed) + self.shortcut(x))


class Hyperformer(Backbone[HyperformerConfig]):
    """Ten blocks over the persons of a clip, each by itself behind the input norm.

    T' = T / 4, rounded up twice, V' = M * V. Attention starts switched off, as released: its strength starts at 0 and
    a free matrix for each head at the identity. Absent persons are zeros and count in every mean. Raises
    ``DataError`` where the layout has no bones.
    """

    Config = HyperformerConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "quick": {"dim": 24, "heads": 3},
        "cpu": {"dim": 48, "heads": 6},
    }
    joins_persons = True
    batch_statistics = True

    def __init__(self, config: HyperformerConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self.persons = config.dim, clip.persons
        far = hops(clip.layout)
        groups = groups_of(clip.layout, config.groups)
        self.input_norm = SlotNorm(clip.persons, clip.layout.num_joints, clip.coordinates)
        inputs = [clip.coordinates] + [config.dim] * (len(STRIDES) - 1)
        self.blocks = nn.Sequential(
            *(
                HyperformerBlock(channels, stride, config, far, groups)
                for channels, stride in zip(inputs, STRIDES, strict=True)
            )
        )

    def forward(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T', M*V, D)."""
        return side_by_side(self.blocks(self.input_norm(tracks)), self.persons)
