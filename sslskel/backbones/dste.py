"""DSTE, the dense encoder of USDRL (Weng et al., AAAI 2025): two kinds of attention side by side on each axis.

One attends to tokens behind a convolution, the other also to tokens mixed along the axis; both share their attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.noise import Noise
from sslskel.api.unbound import Unbound
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.masked_attention import Dropout
from sslskel.nn.transformer_blocks import MLP, Attention
from sslskel.nn.two_axes import Axes, AxesBackbone, TwoAxesConfig, attention_of


@dataclass
class DsteConfig(TwoAxesConfig):
    """Defaults are those of the released code, but for ``drop_path``."""

    convolution: float = 0.5
    """Share of the attention behind a convolution in what a layer gives; the other one has the rest."""
    kernel: int = 1
    """Tokens that the convolution spans."""
    gap: int = 4
    """Every so many tokens, from the first on, one is not mixed along the axis."""
    drop_path: float = 0.0
    """Chance that a branch is skipped for a clip in training; 0.1 as released."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            0 <= self.convolution <= 1, f"backbone.convolution is {self.convolution}; it is a share and must be 0 to 1"
        )
        require(
            self.kernel >= 1 and self.kernel % 2 == 1, f"backbone.kernel is {self.kernel}; it must be an odd number"
        )
        require(self.gap >= 1, f"backbone.gap is {self.gap}; it must be at least 1")
        require(0 <= self.drop_path < 1, f"backbone.drop_path is {self.drop_path}; it must be in [0, 1)")


class Pass(NamedTuple):
    """What all branches of a layer share in one pass."""

    attention: Attention
    drop: Dropout
    rate: float
    """Chance that a branch is skipped for a clip."""


class Branches(nn.Module):
    """Attention, which is the layer's, and two linear layers, with norms before them."""

    def __init__(self, width: int, site: str) -> None:
        super().__init__()
        self.site, self.mlp = site, MLP(width, 2 * width)
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def attended(self, x: Tensor, layer: Pass, name: str) -> Tensor:
        """(N, L, W) -> (N, L, W), zeros for skipped clips."""
        return layer.drop.paths(layer.attention(self.attention_norm(x)), layer.rate, f"{self.site}.{name}.attention")

    def changed(self, x: Tensor, layer: Pass, name: str) -> Tensor:
        """(N, L, W) -> (N, L, W), zeros for skipped clips."""
        return layer.drop.paths(self.mlp(self.mlp_norm(x)), layer.rate, f"{self.site}.{name}.mlp")


class ConvolutionAttention(Branches):
    """Attention over tokens to which a convolution was added; nothing is added to what it gives, as released."""

    def __init__(self, config: DsteConfig, site: str) -> None:
        super().__init__(config.width, site)
        self.convolution = nn.Conv1d(config.width, config.width, config.kernel, padding=config.kernel // 2)

    def forward(self, x: Tensor, layer: Pass) -> Tensor:
        """(N, L, W) -> (N, L, W)."""
        near = x + functional.relu(self.convolution(x.transpose(1, 2))).transpose(1, 2)
        return self.changed(self.attended(near, layer, "convolved") + x, layer, "convolved")


class ShiftAttention(Branches):
    """One block over tokens that are mixed along the axis and over tokens as they are, averaged."""

    kept: Tensor

    def __init__(self, config: DsteConfig, tokens: int, site: str) -> None:
        super().__init__(config.width, site)
        self.mix, self.mix_again = nn.Linear(tokens, tokens), nn.Linear(tokens, tokens)
        kept = torch.arange(tokens) % config.gap == 0
        self.register_buffer("kept", kept[:, None], persistent=False)

    def forward(self, x: Tensor, layer: Pass) -> Tensor:
        """(N, L, W) -> (N, L, W)."""
        mixed = self.mix_again(functional.relu(self.mix(x.transpose(1, 2)))).transpose(1, 2) + x
        shifted = torch.where(self.kept, x, mixed)
        return (self._block(shifted, layer, "shifted") + self._block(x, layer, "plain")) / 2

    def _block(self, x: Tensor, layer: Pass, name: str) -> Tensor:
        x = self.attended(x, layer, name) + x
        return x + self.changed(x, layer, name)


class DenseLayer(nn.Module):
    """Both kinds of attention on the same tokens, and the average of what they give."""

    def __init__(self, config: DsteConfig, tokens: int, site: str) -> None:
        super().__init__()
        self.share, self.attention = config.convolution, attention_of(config.width, config.heads)
        self.convolved, self.shifted = ConvolutionAttention(config, site), ShiftAttention(config, tokens, site)

    def forward(self, x: Tensor, drop: Dropout, rate: float) -> Tensor:
        """(N, L, W) -> (N, L, W)."""
        layer = Pass(self.attention, drop, rate)
        mixed: Tensor = self.share * self.convolved(x, layer) + (1 - self.share) * self.shifted(x, layer)
        return mixed


class Dste(AxesBackbone[DsteConfig]):
    """Layers over both axes, positions added before each of them."""

    Config = DsteConfig
    presets = MappingProxyType({"quick": {"width": 32}, "cpu": {"width": 64}})

    def __init__(self, config: DsteConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        tokens = {"frames": clip.frames, "joints": clip.persons * clip.layout.num_joints}
        self.frame_layers, self.joint_layers = (
            nn.ModuleList(DenseLayer(config, count, f"dste.{axis}.{at}") for at in range(config.layers))
            for axis, count in tokens.items()
        )
        self.drop_rate = config.drop_path
        self._noise: Noise | None = None

    def bind(self, noise: Noise) -> None:
        """Draw the skipped branches of the following training passes from this noise, bound to their clips."""
        self._noise = noise

    def set_drop_path(self, rate: float) -> bool:
        """The chance that a branch is skipped, the same in all layers."""
        self.drop_rate = rate
        return True

    def encode(self, axes: Axes) -> Axes:
        """Embedded tokens -> tokens behind all layers."""
        drop = self._dropout(len(axes.frames))
        for frame_layer, joint_layer in zip(self.frame_layers, self.joint_layers, strict=True):
            frames, joints = self.placed(axes)
            axes = Axes(frame_layer(frames, drop, self.drop_rate), joint_layer(joints, drop, self.drop_rate))
        return axes

    def _dropout(self, rows: int) -> Dropout:
        if not self.training or not self.drop_rate:
            return Dropout(0.0, None, rows)
        if self._noise is None:
            raise Unbound(self, "backbone.drop_path")
        return Dropout(0.0, self._noise, rows)
