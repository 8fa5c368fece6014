"""Graph convolution over edges that are compared for each clip, against its formula written out number by number."""

from __future__ import annotations

import torch

from sslskel.nn.adaptive_graph import AdaptiveGraphConv


def test_edges_are_known_learned_and_compared() -> None:
    torch.manual_seed(0)
    fixed, learned = torch.rand(3, 4, 4), torch.randn(3, 4, 4)
    conv = AdaptiveGraphConv(6, 5, 2, learned, fixed).double().eval()
    with torch.no_grad():
        conv.after.weight.fill_(1)
    x = torch.randn(2, 6, 3, 4, dtype=torch.float64)
    first, second = conv.first(x).unflatten(1, (3, 2)), conv.second(x).unflatten(1, (3, 2))
    gathered = torch.zeros(2, 3, 6, 3, 4, dtype=torch.float64)
    for row in range(2):
        for h in range(3):
            products = torch.zeros(4, 4, dtype=torch.float64)
            for u in range(4):
                for v in range(4):
                    products[u, v] = (first[row, h, :, :, u] * second[row, h, :, :, v]).sum() / (2 * 3)
            edges = products.exp() / products.exp().sum(0) + fixed[h] + learned[h]
            for v in range(4):
                gathered[row, h, :, :, v] = sum(x[row, :, :, u] * edges[u, v] for u in range(4))
    wanted = (conv.after(conv.value(gathered.flatten(1, 2))) + conv.beside(x)).relu()
    torch.testing.assert_close(conv(x), wanted, rtol=0, atol=1e-12)
