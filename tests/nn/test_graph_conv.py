"""Convolutions over one joint and over a graph, against the convolution and the sum that define them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sslskel.nn.graph_conv import GraphConv, PointConv


def agree(ours: Tensor, theirs: Tensor, leaves: list[Tensor]) -> None:
    """Both values, and the gradients of both to all leaves, in double precision."""
    torch.testing.assert_close(ours, theirs)
    slope = torch.randn_like(theirs)
    wanted = torch.autograd.grad(theirs, leaves, slope)
    torch.testing.assert_close(torch.autograd.grad(ours, leaves, slope), wanted)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_point_conv_is_a_convolution(stride: int) -> None:
    torch.manual_seed(0)
    layer = PointConv(3, 5, stride).double()
    x = torch.randn(2, 3, 7, 4, dtype=torch.float64, requires_grad=True)
    assert layer.bias is not None
    agree(layer(x), functional.conv2d(x, layer.weight, layer.bias, (stride, 1)), [x, layer.weight, layer.bias])


@pytest.mark.parametrize("channels", [2, 6])
def test_a_graph_conv_sums_over_graphs_in_either_order(channels: int) -> None:
    """With fewer channels than come out it is over joints first, else over channels."""
    torch.manual_seed(0)
    layer = GraphConv(channels, 4, 3).double()
    x = torch.randn(2, channels, 5, 4, dtype=torch.float64, requires_grad=True)
    graph = torch.randn(3, 4, 6, dtype=torch.float64, requires_grad=True)
    assert layer.bias is not None
    spread = functional.conv2d(x, layer.weight, layer.bias).unflatten(1, (3, 4))
    wanted = torch.einsum("pkctv,kvw->pctw", spread, graph)
    agree(layer.gathered(x, graph), wanted, [x, graph, layer.weight, layer.bias])
