"""STTR: post-norm transformer layers over the frames of a clip, and others over its joints.

An encoder of USDRL (Weng et al., AAAI 2025); with one layer and no positions of joints, that of UmURL (Sun et al., ACM
MM 2023).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.view import ClipSpec
from sslskel.nn.transformer_blocks import MLP
from sslskel.nn.two_axes import Axes, AxesBackbone, TwoAxesConfig, attention_of


@dataclass
class SttrConfig(TwoAxesConfig):
    """Defaults are those of the released USDRL."""

    joint_positions: bool = True
    """Whether a joint's token has a learned position; frames always have sines and cosines."""


class PostNormLayer(nn.Module):
    """Attention and two linear layers as wide as a token, each added to its input and normalised."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention, self.mlp = attention_of(width, heads), MLP(width, width)
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, W) -> (N, L, W)."""
        x = self.attention_norm(x + self.attention(x))
        changed = self.mlp.fc2(functional.relu(self.mlp.fc1(x)))
        normed: Tensor = self.mlp_norm(x + changed)
        return normed


class Sttr(AxesBackbone[SttrConfig]):
    """Positions once, then layers; those of an axis start with equal weights, as released."""

    Config = SttrConfig
    presets = MappingProxyType({"quick": {"width": 64}, "cpu": {"width": 128}})

    def __init__(self, config: SttrConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip, joint_positions=config.joint_positions)

        def layers() -> nn.Sequential:
            first = PostNormLayer(config.width, config.heads)
            return nn.Sequential(*(copy.deepcopy(first) for _ in range(config.layers)))

        self.frame_layers, self.joint_layers = layers(), layers()

    def encode(self, axes: Axes) -> Axes:
        """Embedded tokens -> tokens behind all layers."""
        frames, joints = self.placed(axes)
        return Axes(self.frame_layers(frames), self.joint_layers(joints))
