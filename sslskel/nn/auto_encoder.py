"""An auto-encoder of features, whose middle layer is a shorter code."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn


class AutoEncoder(nn.Module):
    """Linear layers with tanh behind each but the last, the code's included."""

    def __init__(self, dim: int, widths: Sequence[int], code: int) -> None:
        super().__init__()
        sizes = [dim, *widths, code]
        self.encoder = nn.Sequential(*_layers(sizes), nn.Tanh())
        self.decoder = nn.Sequential(*_layers(sizes[::-1]))

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) -> (N, D), the features again."""
        again: Tensor = self.decoder(self.encoder(features))
        return again


def _layers(sizes: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Tanh(), nn.Linear(before, after)] if layers else [nn.Linear(before, after)]
    return layers
