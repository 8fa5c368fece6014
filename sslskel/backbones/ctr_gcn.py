"""CTR-GCN (Chen et al., ICCV 2021): graph convolution whose edges each channel refines for each clip.

The usual supervised reference. Its graph's matrices are made in ``sslskel.nn.graph``, the fixed
graph of the contrastive codes is ``st_gcn.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.graph import directed
from sslskel.nn.temporal_conv import TemporalConv


@dataclass
class CtrGcnConfig:
    """Sizes of the network; defaults are those of the paper and its released code."""

    width: int = 64
    """Channels of the first four blocks, a multiple of 4; three of twice and three of four times as many follow."""
    reduction: int = 8
    """How many times fewer channels are compared between joints than enter a block."""

    def __post_init__(self) -> None:
        require(
            self.width >= 4 and self.width % 4 == 0,
            f"backbone.width is {self.width}; it must be a positive multiple of 4, a quarter for each branch over time",
        )
        require(self.reduction >= 1, f"backbone.reduction is {self.reduction}; it must be at least 1")


STRIDES = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)
"""Frames a block steps by."""
FIRST = 8
"""Channels compared in the first block, whose input has but a few coordinates."""


class GraphConv(nn.Module):
    """Channel-wise topology refinement over K graphs at once (section 3.2).

    Edge (u, v) of graph k has the weight ``A[k, u, v] + alpha * M(tanh(phi(x)[u] - psi(x)[v]))``, which differs
    between clips and output channels; ``phi`` and ``psi`` see the mean over frames. A is learned, alpha starts at 0.
    """

    def __init__(self, channels: int, out: int, graph: Tensor, reduction: int) -> None:
        super().__init__()
        parts = len(graph)
        self.parts = parts
        compared = FIRST if channels < FIRST else max(1, channels // reduction)
        self.graph = nn.Parameter(graph.clone())
        self.alpha = nn.Parameter(torch.zeros(()))
        self.target = nn.Conv2d(channels, parts * compared, 1)
        self.source = nn.Conv2d(channels, parts * compared, 1)
        self.refine = nn.Conv2d(parts * compared, parts * out, 1, groups=parts)
        self.value = nn.Conv2d(channels, parts * out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(P, C, T, V) -> (P, C', T, V)."""
        rows, _, frames, joints = x.shape
        # Mean and 1x1 convolution commute: comparing means costs a T-th of averaging what was compared.
        still = x.mean(2, keepdim=True)
        gaps = self.target(still).transpose(2, 3) - self.source(still)
        edges = self.refine(torch.tanh(gaps)).reshape(rows, self.parts, -1, joints, joints)
        edges = self.alpha * edges + self.graph[:, None].to(edges.dtype)
        values = self.value(x).reshape(rows, self.parts, -1, frames, joints)
        return torch.einsum("pkcuv,pkctv->pctu", edges, values)


class CtrGcnBlock(nn.Module):
    """Graph convolution with its own way around, convolution over time, and a way around both."""

    def __init__(self, channels: int, out: int, stride: int, graph: Tensor, reduction: int, *, around: bool) -> None:
        super().__init__()
        self.spatial = GraphConv(channels, out, graph, reduction)
        self.after = GlobalBatchNorm(out)
        self.beside: nn.Module = nn.Identity()
        if channels != out:
            self.beside = nn.Sequential(nn.Conv2d(channels, out, 1), GlobalBatchNorm(out))
        self.temporal = TemporalConv(out, stride)
        self.shortcut: nn.Module | None = nn.Identity() if around else None
        if around and (channels != out or stride != 1):
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, (stride, 1)), GlobalBatchNorm(out))

    def forward(self, x: Tensor) -> Tensor:
        """(P, C, T, V) -> (P, C', T', V)."""
        mixed = self.temporal(functional.relu(self.after(self.spatial(x)) + self.beside(x)))
        return functional.relu(mixed if self.shortcut is None else mixed + self.shortcut(x))


class CtrGcn(Backbone[CtrGcnConfig]):
    """Ten blocks over one person's track; T' = T / 4, rounded up twice, V' = V, D = 4 * width.

    The input is normalised per joint and coordinate of a person, where the released code
    has statistics of its own for each actor slot. Raises ``DataError`` where the layout has no bones.
    """

    Config = CtrGcnConfig
    keeps_joints = True
    batch_statistics = True

    def __init__(self, config: CtrGcnConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        width, graph = config.width, directed(clip.layout, "ctr_gcn")
        widths = [width] * 4 + [2 * width] * 3 + [4 * width] * 3
        self.dim = widths[-1]
        self.input_norm = GlobalBatchNorm(clip.layout.num_joints * clip.coordinates)
        self.blocks = nn.Sequential(
            *(
                CtrGcnBlock(channels, out, stride, graph, config.reduction, around=at > 0)
                for at, (channels, out, stride) in enumerate(
                    zip([clip.coordinates, *widths[:-1]], widths, STRIDES, strict=True)
                )
            )
        )
        _init(self)

    def forward(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P, T', V, D)."""
        rows, frames, joints, coordinates = tracks.shape
        x: Tensor = self.input_norm(tracks.permute(0, 2, 3, 1).flatten(1, 2))
        x = self.blocks(x.reshape(rows, joints, coordinates, frames).permute(0, 2, 3, 1))
        return x.permute(0, 2, 3, 1)


@torch.no_grad()
def _init(network: CtrGcn) -> None:
    """Kaiming-normal convolutions, zero biases; a block starts with its way around the graph alone, as released."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # every convolution here has one
        elif isinstance(module, CtrGcnBlock):
            nn.init.constant_(module.after.weight, 1e-6)
