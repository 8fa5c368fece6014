"""The transformer encoder of MAMP (Mao et al., ICCV 2023) over space-time tokens of one person.

Its blocks are in ``sslskel.nn.transformer_blocks``; masking, decoding and losses belong to the methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from sslskel.api.backbone import Backbone
from sslskel.api.noise import Noise
from sslskel.api.unbound import Unbound
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.errors import UsageError
from sslskel.nn.transformer_blocks import (
    Block,
    branch_factors,
    init_linears,
    learned_table,
    patchify,
    rising_rates,
    take_tokens,
)


@dataclass
class TransformerConfig:
    """Sizes of the encoder; defaults are those of the released MAMP models."""

    dim: int = 256
    """Numbers of a token, and D of a feature; a multiple of ``heads``."""
    depth: int = 8
    """Blocks."""
    heads: int = 8
    """Attention heads."""
    mlp_ratio: float = 4.0
    """Hidden units of an MLP, as a multiple of ``dim``."""
    segment: int = 4
    """Frames per token."""
    qkv_bias: bool = True
    """Whether queries, keys and values have a bias."""
    drop_path: float = 0.0
    """Chance of skipping the last block's branches in training; earlier blocks rise to it linearly from 0."""
    layer_scale: float = 0.0
    """Start of learned factors of what attention and MLP add; 0 for none."""
    norm_eps: float = 1e-5
    """Added to variances in layer norms."""
    unsaid: ClassVar[Mapping[str, object]] = {"layer_scale": 0.0, "norm_eps": 1e-5}

    def __post_init__(self) -> None:
        for name in ("dim", "depth", "heads", "segment"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.dim % self.heads == 0, f"backbone.dim={self.dim} is not divisible by backbone.heads={self.heads}")
        require(
            self.dim * self.mlp_ratio >= 1,
            f"backbone.mlp_ratio is {self.mlp_ratio}; the hidden layer needs at least one unit",
        )
        require(0 <= self.drop_path < 1, f"backbone.drop_path is {self.drop_path}; it must be in [0, 1)")
        require(self.layer_scale >= 0, f"backbone.layer_scale is {self.layer_scale}; it must not be negative")
        require(self.norm_eps > 0, f"backbone.norm_eps is {self.norm_eps}; it must be positive")


class Transformer(Backbone[TransformerConfig]):
    """Segment embedding, joint and time positions, pre-norm blocks, final norm; a ``LayeredTokenBackbone``.

    Raises ``UsageError`` where ``clip.frames`` is not a whole number of segments, and
    at the first pass over tracks of another shape than the clip's.
    """

    Config = TransformerConfig
    keeps_joints = True
    masks_joints = True

    def __init__(self, config: TransformerConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        require(
            clip.frames % config.segment == 0,
            f"clip.frames={clip.frames} is not divisible by backbone.segment={config.segment};"
            f" the nearest that is: {max(1, round(clip.frames / config.segment)) * config.segment}",
        )
        self.dim, self.segment = config.dim, config.segment
        self.track_shape = (clip.frames, clip.layout.num_joints, clip.coordinates)
        # The released embedding is a convolution with torch's own initialisation, which a
        # linear layer over the same values shares; Xavier is for the blocks alone.
        self.embed = nn.Linear(config.segment * clip.coordinates, config.dim)
        self.time_table = learned_table(clip.frames // config.segment, config.dim)
        self.joint_table = learned_table(clip.layout.num_joints, config.dim)
        self.blocks = nn.ModuleList(
            Block(
                config.dim,
                config.heads,
                config.mlp_ratio,
                config.qkv_bias,
                layer_scale=config.layer_scale,
                eps=config.norm_eps,
            )
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.dim, config.norm_eps)
        init_linears(self.blocks)
        self.set_drop_path(config.drop_path)
        self._noise: Noise | None = None

    def bind(self, noise: Noise) -> None:
        """Draw the drop path of the following training passes from this noise, bound to their batch."""
        self._noise = noise

    def set_drop_path(self, rate: float) -> bool:
        """Chance of skipping the last block's branches; earlier blocks rise to it linearly from 0."""
        self.drop_rates = rising_rates(rate, len(self.blocks))
        return len(self.blocks) > 1

    def layers(self) -> list[list[nn.Parameter]]:
        """Embedding and positions, every block, the final norm: the layers of the released layer decay."""
        first = [*self.embed.parameters(), self.time_table, self.joint_table]
        return [first, *(list(block.parameters()) for block in self.blocks), list(self.norm.parameters())]

    def tokens(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P, L, D), positions added, time-major."""
        self._check(tracks)
        embedded: Tensor = self.embed(patchify(tracks, self.segment)) + self._positions()
        return embedded

    def kept_tokens(self, tracks: Tensor, keep: Tensor) -> Tensor:
        """What :meth:`tokens` gives for these ids (P, K) alone, the others never embedded: (P, K, D)."""
        self._check(tracks)
        positions = self._positions().index_select(0, keep.flatten()).reshape(*keep.shape, self.dim)
        embedded: Tensor = self.embed(take_tokens(patchify(tracks, self.segment), keep)) + positions
        return embedded

    def _positions(self) -> Tensor:
        """(L, D), time-major."""
        return (self.time_table[:, None] + self.joint_table).flatten(0, 1)

    def _check(self, tracks: Tensor) -> None:
        if tuple(tracks.shape[1:]) != self.track_shape:
            expected, actual = (" x ".join(map(str, shape)) for shape in (self.track_shape, tracks.shape[1:]))
            raise UsageError(
                f"this transformer reads tracks of {expected} (frames x joints x coordinates), but was given {actual}"
            )

    def encode(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """(P, L, D) [and (P, K) ids of the tokens to keep, in order] -> (P, L or K, D)."""
        return self._encoded(tokens if keep is None else take_tokens(tokens, keep))

    def _encoded(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """(P, K, D) -> (P, K, D); nothing attends to tokens that are not ``known``, (P, K) bool."""
        branches = self._branches(x)
        for at, block in enumerate(self.blocks):
            x = block(x, None if branches is None else branches[at], known=known)
        normed: Tensor = self.norm(x)
        return normed

    def encode_layers(self, tokens: Tensor) -> list[Tensor]:
        """(P, L, D) -> the tokens and the output of every block, without the final norm: depth + 1 of (P, L, D)."""
        states, branches = [tokens], self._branches(tokens)
        for at, block in enumerate(self.blocks):
            states.append(block(states[-1], None if branches is None else branches[at]))
        return states

    def forward(self, tracks: Tensor, known: Tensor | None = None) -> Tensor:
        """(P, T, V, C) [and (P, V) bool, the joints that the bodies have] -> (P, T/segment, V, D)."""
        rows, frames, joints, _ = tracks.shape
        tokens, segments = self.tokens(tracks), frames // self.segment
        encoded = self._encoded(tokens, None if known is None else known.repeat(1, segments))
        return encoded.reshape(rows, segments, joints, self.dim)

    def _branches(self, x: Tensor) -> Tensor | None:
        """Drop-path factors (depth, 2, P, 1, 1) of a training pass, 0 or 1/(1 - rate)."""
        if not self.training or self.drop_rates[-1] == 0:
            return None
        if self._noise is None:
            raise Unbound(self, "backbone.drop_path")
        draws = self._noise.uniform("drop_path", (len(self.drop_rates), 2), per="person")
        if draws.shape[0] != x.shape[0]:
            raise UsageError(
                f"backbone.drop_path was bound to a batch of {draws.shape[0]} persons, but {x.shape[0]} came;"
                " with empty bodies, bind and feed batch.filled(persons)"
            )
        return branch_factors(draws, self.drop_rates, x.dtype)
