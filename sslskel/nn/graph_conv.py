"""Convolutions over one joint and over a fixed graph, as matrix products: faster on a CPU where layers are narrow.

Other devices keep the convolution, which is one launch. Letters: P rows, C channels, K graphs, T frames, V joints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslskel.nn.plain import is_explicit


def _by_products(x: Tensor) -> bool:
    # A compiled graph keeps convolutions too: its shapes are symbols, which reshaping would have to compare.
    return x.device.type == "cpu" and not is_explicit() and not torch.compiler.is_compiling()


class PointConv(nn.Conv2d):
    """A convolution over one joint of every ``stride``-th frame."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__(channels, out, 1, (stride, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(P, C, T, V) -> (P, C', T', V)."""
        if not _by_products(x):
            return super().forward(x)
        assert self.bias is not None
        read = x[:, :, :: self.stride[0]]
        weight = self.weight.flatten(1).expand(len(x), -1, -1)
        out = torch.baddbmm(self.bias[:, None], weight, read.flatten(2))
        return out.reshape(len(x), self.out_channels, *read.shape[2:])


class GraphConv(PointConv):
    """Sum over graphs of what a convolution of its own makes of the joints next to a joint.

    ``y[c', t, w] = sum over k, v of (W_k x + b_k)[c', t, v] A[k, v, w]`` (Yan et al., AAAI 2018, section 3.3).
    Weights are those of one convolution with K * C' channels, the first graph's first.
    """

    def __init__(self, channels: int, out: int, graphs: int) -> None:
        super().__init__(channels, graphs * out)
        self.graphs = graphs

    def gathered(self, x: Tensor, graph: Tensor) -> Tensor:
        """(P, C, T, V), (K, V, W) -> (P, C', T, W)."""
        widens = self.out_channels > self.graphs * self.in_channels
        if widens and _by_products(x):
            return self._joints_first(x, graph)
        spread: Tensor = self(x)
        spread = spread.reshape(len(x), self.graphs, self.out_channels // self.graphs, *x.shape[2:])
        return torch.einsum("pkctv,kvw->pctw", spread, graph.to(spread.dtype))

    def _joints_first(self, x: Tensor, graph: Tensor) -> Tensor:
        """The same where fewer channels come in than go out, so that less is summed over joints."""
        assert self.bias is not None
        weights, biases = self.weight.flatten(1).chunk(self.graphs), self.bias.reshape(self.graphs, -1)
        summed = (biases.T @ graph.sum(1).to(biases.dtype))[:, None].expand(-1, x.shape[2], -1).flatten(1)
        for edges, weight in zip(graph.to(x.dtype), weights, strict=True):
            near = (x @ edges).flatten(2)
            summed = torch.baddbmm(summed, weight.expand(len(x), -1, -1), near)
        return summed.reshape(*summed.shape[:2], x.shape[2], graph.shape[2])
