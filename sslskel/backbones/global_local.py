"""The transformer of GL-Transformer (Kim et al., ECCV 2022): a clip's joints and persons as tokens of each frame.

Attention over the tokens of a frame and over the frames of a clip in turn. What it learns to predict is the method's.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone
from sslskel.api.noise import Noise
from sslskel.api.unbound import Unbound
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.errors import UsageError
from sslskel.nn.masked_attention import Dropout, MaskedAttention
from sslskel.nn.transformer_blocks import MLP
from sslskel.transforms.body_frame import chest


@dataclass
class GlobalLocalConfig:
    """Sizes of the network; defaults are the released ones: 199 million weights for two bodies of 25 joints."""

    width: int = 48
    """Numbers per joint and person; a frame has as many as all of them together, 2400."""
    depth: int = 4
    """Blocks."""
    heads: int = 8
    """Attention heads."""
    mlp_ratio: float = 2.0
    """Hidden units of an MLP, as a multiple of its inputs."""
    dropout: float = 0.0
    """Of embeddings, attention and branches; 0.1 as released."""
    drop_path: float = 0.0
    """Chance of skipping the last block's branches in training; earlier blocks rise to it linearly from 0."""

    def __post_init__(self) -> None:
        for name in ("width", "depth", "heads"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.width % self.heads == 0, f"backbone.width={self.width} is not divisible by backbone.heads={self.heads}"
        )
        require(
            self.width * self.mlp_ratio >= 1,
            f"backbone.mlp_ratio is {self.mlp_ratio}; the hidden layer needs at least one unit",
        )
        for name in ("dropout", "drop_path"):
            require(0 <= getattr(self, name) < 1, f"backbone.{name} is {getattr(self, name)}; it must be in [0, 1)")


class GlobalLocalBlock(nn.Module):
    """Attention over the tokens of a frame, over the frames, and two linear layers, each added to its input."""

    def __init__(self, config: GlobalLocalConfig, frames: int, tokens: int, site: str) -> None:
        super().__init__()
        whole, self.site = config.width * tokens, site
        self.table = nn.Parameter(torch.zeros(1, frames, tokens, config.width))
        self.token_norm, self.over_tokens = nn.LayerNorm(config.width), MaskedAttention(config.width, config.heads)
        self.frame_norm, self.over_frames = nn.LayerNorm(whole), MaskedAttention(whole, config.heads)
        self.norm, self.mlp = nn.LayerNorm(whole), MLP(whole, round(whole * config.mlp_ratio))

    def forward(self, x: Tensor, padding: Tensor, drop: Dropout, path: float) -> Tensor:
        """(N, T, L, W), (N, T) -> (N, T, L, W); no frame attends to padding. Positions are added twice, as released."""
        site = self.site

        def added(x: Tensor, branch: Tensor, name: str) -> Tensor:
            return x + drop.paths(drop(branch.reshape(x.shape), f"{site}.{name}"), path, f"{site}.{name}.path")

        shape = x.shape
        x = x + self.table
        folded = self.token_norm(x).flatten(0, 1)
        x = added(x, self.over_tokens(folded, None, drop, f"{site}.tokens.weights"), "tokens")
        flat = (x + self.table).flatten(2)
        mixed = self.over_frames(self.frame_norm(flat), padding[:, None, None], drop, f"{site}.frames.weights")
        flat = added(flat, mixed, "frames")
        wide = drop(functional.gelu(self.mlp.fc1(self.norm(flat))), f"{site}.mlp.hidden")
        return added(flat, self.mlp.fc2(wide), "mlp").reshape(shape)


class GlobalLocal(Backbone[GlobalLocalConfig]):
    """Blocks over all persons of a clip, a norm, and two layers that stay with the encoder; T' = T, V' = 1.

    The chest's slot has an embedding of its own, for clips in which it holds the way of the body
    (``sslskel.transforms.body_frame``). Invalid frames of a person are read as zeros. Raises ``UsageError`` at the
    first pass over clips of another shape.
    """

    Config = GlobalLocalConfig
    presets = MappingProxyType(
        {"cpu": {"width": 8, "depth": 3, "heads": 4}, "quick": {"width": 4, "depth": 2, "heads": 2}}
    )
    joins_persons = True
    reads_validity = True

    def __init__(self, config: GlobalLocalConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        joints = clip.layout.num_joints
        self.bodies, self.chest = (clip.persons, joints), chest(clip.layout)
        self.track_shape = (clip.frames, clip.persons * joints, clip.coordinates)
        self.dim, self.dropout = config.width * joints * clip.persons, config.dropout
        self.embed = nn.Linear(clip.coordinates, config.width)
        self.embed_way = nn.Linear(clip.coordinates, config.width)
        self.blocks = nn.ModuleList(
            GlobalLocalBlock(config, clip.frames, clip.persons * joints, f"global_local.{at}")
            for at in range(config.depth)
        )
        self.norm = nn.LayerNorm(self.dim)
        self.mlp = nn.Sequential(
            nn.Linear(self.dim, self.dim),
            nn.GELU(),
            nn.LayerNorm(self.dim),
            nn.Linear(self.dim, self.dim),
            nn.GELU(),
            nn.LayerNorm(self.dim),
        )
        self.set_drop_path(config.drop_path)
        self._noise: Noise | None = None

    def bind(self, noise: Noise) -> None:
        """Draw dropout and drop path of the following training passes from this noise, bound to their clips."""
        self._noise = noise

    def set_drop_path(self, rate: float) -> bool:
        """Chance of skipping the last block's branches; earlier blocks rise to it linearly from 0."""
        depth = len(self.blocks)
        self.drop_rates = [rate * at / max(depth - 1, 1) for at in range(depth)]
        return depth > 1

    def layers(self) -> list[list[nn.Parameter]]:
        """Embeddings, every block, the layers behind them."""
        first = [*self.embed.parameters(), *self.embed_way.parameters()]
        last = [*self.norm.parameters(), *self.mlp.parameters()]
        return [first, *(list(block.parameters()) for block in self.blocks), last]

    def forward(self, tracks: Tensor, valid: Tensor) -> Tensor:  # type: ignore[override]  # reads validity
        """(N, T, M*V, C), (N, T, M) -> (N, T, 1, D). Tokens are joint by joint, the persons of a joint together."""
        if tuple(tracks.shape[1:]) != self.track_shape:
            expected, actual = (" x ".join(map(str, shape)) for shape in (self.track_shape, tracks.shape[1:]))
            raise UsageError(
                f"this network reads clips of {expected} (frames x joints of all persons x coordinates), but was given"
                f" {actual}"
            )
        drop = self._dropout(len(tracks))
        joints = tracks.reshape(*tracks.shape[:2], *self.bodies, tracks.shape[3])
        joints = joints.masked_fill(~valid[..., None, None], 0).transpose(2, 3)
        place = torch.arange(self.bodies[1], device=tracks.device)[:, None, None] == self.chest
        embedded = torch.where(place, self.embed_way(joints), self.embed(joints)).flatten(2, 3)
        x = drop(embedded, "global_local.embed")
        padding = ~valid.any(2)
        for block, rate in zip(self.blocks, self.drop_rates, strict=True):
            x = block(x, padding, drop, rate)
        features: Tensor = self.mlp(self.norm(x.flatten(2)))
        return features[:, :, None]

    def _dropout(self, rows: int) -> Dropout:
        if not self.training or not (self.dropout or self.drop_rates[-1]):
            return Dropout(0.0, None, rows)
        if self._noise is None:
            raise Unbound(self, "backbone.dropout")
        return Dropout(self.dropout, self._noise, rows)
