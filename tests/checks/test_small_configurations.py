"""Configurations with small networks, as the checks use them."""

from __future__ import annotations

from dataclasses import dataclass

from sslskel.checks import small_config
from sslskel.config.groups import require


@dataclass
class Many:
    dim: int = 256
    decoder_dim: int = 8
    heads: int = 8
    queue_size: int = 16384
    clusters: int = 1000
    epochs: int = 100
    depth_scale: float = 3.0

    def __post_init__(self) -> None:
        require(self.dim % self.heads == 0, "dim is not divisible by heads")


@dataclass
class Stubborn:
    dim: int = 256

    def __post_init__(self) -> None:
        require(self.dim >= 128, "dim is too small")


def test_small_configurations_cut_sizes_and_nothing_else() -> None:
    assert small_config(Many) == Many(16, 8, 2, 64, 8, 100, 3.0)
    assert small_config(Many, Many(epochs=7)).epochs == 7
    assert small_config(Many, dim=32, unknown=3).dim == 32
    assert small_config(Stubborn) == Stubborn()
