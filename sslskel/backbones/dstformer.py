"""DSTformer, the backbone of MotionBERT (Zhu et al., ICCV 2023): attention over joints and over frames in turn.

One token per joint and frame. The transformer with attention over all tokens at once is ``transformer.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sslskel.api.backbone import Backbone
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.errors import UsageError
from sslskel.nn.transformer_blocks import Block, init_linears, learned_table


@dataclass
class DSTformerConfig:
    """Sizes of the network; defaults are those of the released light model."""

    dim: int = 256
    """Numbers of a token, and D of a feature; a multiple of ``heads``."""
    depth: int = 5
    """Stages, each of two branches with attention over joints and over frames."""
    heads: int = 8
    """Attention heads."""
    mlp_ratio: float = 4.0
    """Hidden units of an MLP, as a multiple of ``dim``."""

    def __post_init__(self) -> None:
        for name in ("dim", "depth", "heads"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.dim % self.heads == 0, f"backbone.dim={self.dim} is not divisible by backbone.heads={self.heads}")
        require(
            self.dim * self.mlp_ratio >= 1,
            f"backbone.mlp_ratio is {self.mlp_ratio}; the hidden layer needs at least one unit",
        )


class Stage(nn.Module):
    """Two streams, joints before frames and frames before joints, blended token by token (section 3.2)."""

    def __init__(self, config: DSTformerConfig) -> None:
        super().__init__()

        def blocks() -> nn.ModuleList:
            return nn.ModuleList(Block(config.dim, config.heads, config.mlp_ratio) for _ in range(2))

        self.over_joints, self.over_frames = blocks(), blocks()
        init_linears(self)
        self.blend = nn.Linear(2 * config.dim, 2)
        # Equal shares to begin with, as released.
        nn.init.zeros_(self.blend.weight)
        nn.init.constant_(self.blend.bias, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(P, T, V, D) -> (P, T, V, D)."""
        first = self._frames(self._joints(x, 0), 0)
        second = self._joints(self._frames(x, 1), 1)
        share = self.blend(torch.cat([first, second], -1)).softmax(-1)
        blended: Tensor = first * share[..., :1] + second * share[..., 1:]
        return blended

    def _joints(self, x: Tensor, stream: int) -> Tensor:
        mixed: Tensor = self.over_joints[stream](x.flatten(0, 1))
        return mixed.reshape(x.shape)

    def _frames(self, x: Tensor, stream: int) -> Tensor:
        across = x.transpose(1, 2)
        mixed: Tensor = self.over_frames[stream](across.flatten(0, 1))
        return mixed.reshape(across.shape).transpose(1, 2)


class DSTformer(Backbone[DSTformerConfig]):
    """Stages of two streams over one person's track; T' = T, V' = V.

    The released model ends with a linear layer and tanh for its pretext tasks, which is
    left to the method here. Raises ``UsageError`` for clips of other frames or joints.
    """

    Config = DSTformerConfig
    keeps_joints = True

    def __init__(self, config: DSTformerConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim = config.dim
        self.track_shape = (clip.frames, clip.layout.num_joints, clip.coordinates)
        self.embed = nn.Linear(clip.coordinates, config.dim)
        init_linears(self.embed)
        self.time_table = learned_table(clip.frames, 1, config.dim)
        self.joint_table = learned_table(clip.layout.num_joints, config.dim)
        self.stages = nn.Sequential(*(Stage(config) for _ in range(config.depth)))
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P, T, V, D)."""
        if tuple(tracks.shape[1:]) != self.track_shape:
            expected, actual = (" x ".join(map(str, shape)) for shape in (self.track_shape, tracks.shape[1:]))
            raise UsageError(
                f"this DSTformer reads tracks of {expected} (frames x joints x coordinates), but was given {actual}"
            )
        x = self.stages(self.embed(tracks) + self.time_table + self.joint_table)
        features: Tensor = self.norm(x)
        return features
