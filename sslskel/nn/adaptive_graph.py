"""Graph convolution over edges that are learned, and compared for each clip, as 2s-AGCN introduced it.

Shi et al., "Two-Stream Adaptive Graph Convolutional Networks for Skeleton-Based Action Recognition", CVPR 2019,
section 4. Letters: P rows, C channels, H graphs, T frames, V joints.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.temporal_conv import shortcut, start_convolutions

STRIDES = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)
"""Frames that each of the ten blocks steps by."""


def widths(width: int) -> list[int]:
    """Channels of the ten blocks, the first four of ``width``."""
    return [width] * 4 + [2 * width] * 3 + [4 * width] * 3


class AdaptiveGraphConv(nn.Module):
    """Sum over graphs h of ``W_h x (F_h + L_h + S_h)``, batch norm, a way around, ReLU (equation 3).

    F is fixed and may be missing, L is learned, and S compares joints of the clip: the softmax over the first joint
    of ``a(x)^T b(x) / (C' T)``, C' channels compared. ``learned`` and ``fixed`` are (H, V, V), the graphs' start.
    """

    fixed: Tensor | None

    def __init__(self, channels: int, out: int, compared: int, learned: Tensor, fixed: Tensor | None = None) -> None:
        super().__init__()
        self.graphs = len(learned)
        self.learned = nn.Parameter(learned.clone())
        self.register_buffer("fixed", fixed, persistent=False)
        self.first = nn.Conv2d(channels, self.graphs * compared, 1)
        self.second = nn.Conv2d(channels, self.graphs * compared, 1)
        self.value = nn.Conv2d(self.graphs * channels, out, 1)
        self.after = GlobalBatchNorm(out)
        self.beside: nn.Module = nn.Identity()
        if channels != out:
            self.beside = shortcut(channels, out)
        for module in (self.first, self.second):
            start_convolutions(module)
        # A head's weights start as if it were one of H that are summed; blocks start as their way around.
        nn.init.normal_(self.value.weight, 0, math.sqrt(2 / self.value.weight.numel()))
        nn.init.zeros_(self.value.bias)  # type: ignore[arg-type]
        nn.init.constant_(self.after.weight, 1e-6)

    def edges(self, x: Tensor) -> Tensor:
        """(P, C, T, V) -> (P, H, V, V)."""
        first, second = (conv(x).unflatten(1, (self.graphs, -1)) for conv in (self.first, self.second))
        products = torch.einsum("phctu,phctv->phuv", first, second) / (first.shape[2] * first.shape[3])
        known = self.learned if self.fixed is None else self.learned + self.fixed
        compared: Tensor = products.softmax(-2)
        return compared + known.to(compared.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(P, C, T, V) -> (P, C', T, V)."""
        gathered = torch.einsum("pctu,phuv->phctv", x, self.edges(x).to(x.dtype)).flatten(1, 2)
        return functional.relu(self.after(self.value(gathered)) + self.beside(x))


class AdaptiveBlock(nn.Module):
    """A graph convolution, a convolution over 9 frames with batch norm, and a way around both."""

    def __init__(self, spatial: nn.Module, channels: int, out: int, stride: int, *, around: bool) -> None:
        super().__init__()
        self.spatial = spatial
        self.temporal = nn.Sequential(nn.Conv2d(out, out, (9, 1), (stride, 1), (4, 0)), GlobalBatchNorm(out))
        self.shortcut: nn.Module | None = nn.Identity() if around else None
        if around and (channels != out or stride != 1):
            self.shortcut = shortcut(channels, out, stride)
        start_convolutions(self.temporal)

    def forward(self, x: Tensor) -> Tensor:
        """(P, C, T, V) -> (P, C', T', V)."""
        mixed = self.temporal(self.spatial(x))
        return functional.relu(mixed if self.shortcut is None else mixed + self.shortcut(x))
