"""2s-AGCN (Shi et al., CVPR 2019): graph convolution over bones, learned edges and edges compared for each clip.

After the description: no recorded run of it is at hand. One stream of the two; bones and joints are streams of
methods here. The convolution is in ``sslskel.nn.adaptive_graph``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from sslskel.api.backbone import Backbone
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.adaptive_graph import STRIDES, AdaptiveBlock, AdaptiveGraphConv, widths
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.graph import directed


@dataclass
class Agcn2sConfig:
    """Sizes of the network; the default is the paper's."""

    width: int = 64
    """Channels of the first four blocks, a multiple of 4; three of twice and three of four times as many follow."""

    def __post_init__(self) -> None:
        require(
            self.width >= 4 and self.width % 4 == 0,
            f"backbone.width is {self.width}; it must be a positive multiple of 4, since a quarter is compared",
        )


class Agcn2s(Backbone[Agcn2sConfig]):
    """Ten blocks over one person's track; T' = T / 4, rounded up twice, V' = V, D = 4 * width.

    The graphs are a joint itself, its parent, and the mean of its children. The input is normalised per joint and
    coordinate of a person, where the paper's code has statistics for each actor slot. Raises ``DataError`` where the
    layout has no bones.
    """

    Config = Agcn2sConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"quick": {"width": 8}, "cpu": {"width": 16}}
    keeps_joints = True
    batch_statistics = True

    def __init__(self, config: Agcn2sConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        fixed, sizes = directed(clip.layout, "agcn2s"), widths(config.width)
        self.dim = sizes[-1]
        self.input_norm = GlobalBatchNorm(clip.layout.num_joints * clip.coordinates)

        def block(at: int, channels: int) -> AdaptiveBlock:
            learned = torch.full_like(fixed, 1e-6)
            spatial = AdaptiveGraphConv(channels, sizes[at], sizes[at] // 4, learned, fixed)
            return AdaptiveBlock(spatial, channels, sizes[at], STRIDES[at], around=at > 0)

        inputs = [clip.coordinates, *sizes[:-1]]
        self.blocks = nn.Sequential(*(block(at, channels) for at, channels in enumerate(inputs)))

    def forward(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P, T', V, D)."""
        rows, frames, joints, coordinates = tracks.shape
        x: Tensor = self.input_norm(tracks.permute(0, 2, 3, 1).flatten(1, 2))
        x = self.blocks(x.reshape(rows, joints, coordinates, frames).permute(0, 2, 3, 1))
        return x.permute(0, 2, 3, 1)
