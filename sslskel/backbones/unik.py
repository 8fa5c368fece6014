"""UNIK (Yang et al., "UNIK: A Unified Framework for Real-world Skeleton-based Action Recognition", BMVC 2021).

Graph convolution without a graph of the body: edges are learned from a start by chance, and compared for each clip.
It is the backbone of ViA. The convolution is in ``sslskel.nn.adaptive_graph``; sizes are those of the released code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.adaptive_graph import STRIDES, AdaptiveBlock, AdaptiveGraphConv, widths
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.person_slots import SlotNorm, side_by_side
from sslskel.nn.temporal_conv import start_convolutions

FIRST_HEADS = 3
"""Heads of the first block, whatever is asked for: released code does not hand it the number."""


@dataclass
class UnikConfig:
    """Sizes of the network; defaults are those of the released NTU RGB+D scripts."""

    width: int = 64
    """Channels of the first four blocks, a multiple of 4; three of twice and three of four times as many follow."""
    heads: int = 4
    """Learned matrices of a block, from joint to joint, behind the first block."""
    window: int = 1
    """Frames whose joints are compared with each other, an odd number; ``tau`` in the paper."""

    def __post_init__(self) -> None:
        require(
            self.width >= 4 and self.width % 4 == 0,
            f"backbone.width is {self.width}; it must be a positive multiple of 4, since a quarter is compared",
        )
        require(self.heads >= 1, f"backbone.heads is {self.heads}; it must be at least 1")
        require(
            self.window >= 1 and self.window % 2 == 1,
            f"backbone.window is {self.window}; it must be an odd number of frames from 1",
        )


class WindowedConv(nn.Module):
    """A graph convolution over the joints of neighbouring frames, which a convolution makes one frame again."""

    def __init__(self, inner: AdaptiveGraphConv, out: int, window: int) -> None:
        super().__init__()
        self.inner, self.window = inner, window
        self.fold = nn.Conv3d(out, out, (1, window, 1))
        self.norm = GlobalBatchNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        """(P, C, T, V) -> (P, C', T, V); frames beyond the clip are zeros."""
        joints, half = x.shape[3], self.window // 2
        windows = functional.pad(x, (0, 0, half, half)).unfold(2, self.window, 1)
        mixed = self.inner(windows.transpose(3, 4).flatten(3))
        folded: Tensor = self.norm(self.fold(mixed.unflatten(3, (self.window, joints))).squeeze(3))
        return folded


def spatial(channels: int, out: int, heads: int, joints: int, window: int) -> nn.Module:
    """A block's graph convolution, whose edges start by chance."""
    edges = torch.empty(heads, joints * window, joints * window)
    nn.init.kaiming_uniform_(edges, a=math.sqrt(5))
    conv = AdaptiveGraphConv(channels, out, out // 4, edges)
    return conv if window == 1 else WindowedConv(conv, out, window)


class Unik(Backbone[UnikConfig]):
    """Ten blocks over the persons of a clip, each by itself behind the input norm; D = 4 * width.

    T' = T / 4, rounded up twice, V' = M * V. Absent persons are zeros and count in every mean, as released.
    """

    Config = UnikConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"quick": {"width": 8}, "cpu": {"width": 16}}
    joins_persons = True
    batch_statistics = True

    def __init__(self, config: UnikConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        joints, sizes = clip.layout.num_joints, widths(config.width)
        self.dim, self.persons = sizes[-1], clip.persons
        self.input_norm = SlotNorm(clip.persons, joints, clip.coordinates)

        def block(at: int, channels: int) -> AdaptiveBlock:
            heads = config.heads if at else FIRST_HEADS
            inside = spatial(channels, sizes[at], heads, joints, config.window)
            return AdaptiveBlock(inside, channels, sizes[at], STRIDES[at], around=at > 0)

        inputs = [clip.coordinates, *sizes[:-1]]
        self.blocks = nn.Sequential(*(block(at, channels) for at, channels in enumerate(inputs)))
        if config.window > 1:
            for part in self.modules():
                if isinstance(part, WindowedConv):
                    start_convolutions(part.fold)

    def forward(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T', M*V, D)."""
        return side_by_side(self.blocks(self.input_norm(tracks)), self.persons)
