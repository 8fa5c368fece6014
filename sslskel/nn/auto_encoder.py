"""An auto-encoder of features, whose middle layer is a shorter code, and the encoder that gives these codes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from sslskel.api.batch import Batch
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise


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


class CompressedEncoder(Encoder):
    """The codes of an encoder's features."""

    def __init__(self, encoder: Encoder, compressor: AutoEncoder, code: int) -> None:
        super().__init__()
        self.encoder, self.compressor, self.spec, self.dim = encoder, compressor, encoder.spec, code

    def bind(self, batch: Batch, noise: Noise) -> None:
        self.encoder.bind(batch, noise)

    def clip(self, batch: Batch) -> Tensor:
        codes: Tensor = self.compressor.encoder(self.encoder.clip(batch))
        return codes


def _layers(sizes: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Tanh(), nn.Linear(before, after)] if layers else [nn.Linear(before, after)]
    return layers
