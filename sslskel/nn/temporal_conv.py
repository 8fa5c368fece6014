"""Convolution over time in four branches, as CTR-GCN and networks after it have it, and how convolutions start.

Letters: P rows, C channels, T frames, V joints.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from sslskel.nn.batch_norm import GlobalBatchNorm


def start_convolutions(module: nn.Module) -> None:
    """Kaiming-normal weights by outgoing connections and zero biases for every convolution inside."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def branch(channels: int, out: int, *then: nn.Module) -> nn.Sequential:
    """Fewer channels, batch norm, ReLU, something over time, batch norm."""
    return nn.Sequential(nn.Conv2d(channels, out, 1), GlobalBatchNorm(out), nn.ReLU(), *then, GlobalBatchNorm(out))


class TemporalConv(nn.Module):
    """Four branches over time side by side: 5 frames, 5 of every second frame, the largest of 3, and one frame."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        quarter = channels // 4
        span = partial(nn.Conv2d, quarter, quarter, (5, 1), (stride, 1))
        self.branches = nn.ModuleList(
            [
                branch(channels, quarter, span((2, 0))),
                branch(channels, quarter, span((4, 0), (2, 1))),
                branch(channels, quarter, nn.MaxPool2d((3, 1), (stride, 1), (1, 0))),
                nn.Sequential(nn.Conv2d(channels, quarter, 1, (stride, 1)), GlobalBatchNorm(quarter)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """(P, C, T, V) -> (P, C, T', V)."""
        return torch.cat([part(x) for part in self.branches], 1)


def shortcut(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    """A way around a block whose channels or frames change: a convolution over one frame, and batch norm."""
    around = nn.Sequential(nn.Conv2d(channels, out, 1, (stride, 1)), GlobalBatchNorm(out))
    start_convolutions(around)
    return around


def start_temporal(module: TemporalConv) -> None:
    """:func:`start_convolutions`, and gains of batch norms from N(1, 0.02), as released."""
    start_convolutions(module)
    for part in module.modules():
        if isinstance(part, GlobalBatchNorm):
            nn.init.normal_(part.weight, 1.0, 0.02)
