"""STTFormer (Qiu et al., "Spatio-Temporal Tuples Transformer for Skeleton-Based Action Recognition", 2201.02849).

Attention within tuples of neighbouring frames, joints of all their frames against each other, and a convolution
over the tuples. Defaults are those of the released code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.errors import UsageError
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.positions import sinusoids
from sslskel.nn.temporal_conv import start_convolutions

SLOPE = 0.1
"""Of the leaky ReLUs."""


@dataclass
class SttFormerConfig:
    """Sizes of the network; defaults are those of the released code."""

    width: int = 64
    """Channels that a joint's coordinates are mapped to."""
    channels: list[int] = field(default_factory=list)
    """Channels behind each block; empty for ``width`` times 1, 1, 2, 2, 4, 4, 4, 4."""
    compared: list[int] = field(default_factory=list)
    """Channels that a head of each block compares; empty for a quarter of those behind the block."""
    heads: int = 3
    """Attention heads of a block."""
    segment: int = 6
    """Frames of a tuple."""
    token_kernel: int = 5
    """Tokens of a tuple, joints of one frame after the other, that the convolution behind attention spans."""
    tuple_kernel: int = 3
    """Tuples that the convolution over time spans."""
    positions: bool = True
    """Whether attention sees which joint and which frame of its tuple a token is."""

    def __post_init__(self) -> None:
        for name in ("width", "heads", "segment"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("token_kernel", "tuple_kernel"):
            span = getattr(self, name)
            require(span >= 1 and span % 2 == 1, f"backbone.{name} is {span}; it must be an odd number from 1")
        for name in ("channels", "compared"):
            require(
                all(number >= 1 for number in getattr(self, name)),
                f"backbone.{name} is {getattr(self, name)}; each block needs at least 1",
            )
        require(
            not self.compared or len(self.compared) == len(self.sizes),
            f"backbone.compared names {len(self.compared)} blocks, but backbone.channels {len(self.sizes)}",
        )

    @property
    def sizes(self) -> list[int]:
        """Channels behind each block."""
        return self.channels or [self.width * times for times in (1, 1, 2, 2, 4, 4, 4, 4)]


class SttBlock(nn.Module):
    """Attention within tuples, a layer for each token, a convolution over tuples; each with a way around."""

    positions: Tensor | None

    def __init__(self, channels: int, out: int, compared: int, tokens: int, config: SttFormerConfig) -> None:
        super().__init__()
        self.heads, heads, tall = config.heads, config.heads, config.tuple_kernel
        self.register_buffer("positions", sinusoids(channels, tokens) if config.positions else None, persistent=False)
        self.compare = nn.Conv2d(channels, 2 * heads * compared, 1)
        self.strength = nn.Parameter(torch.ones(heads))
        self.base = nn.Parameter(torch.full((heads, tokens, tokens), 1 / tokens))
        wide = config.token_kernel
        self.mix = nn.Sequential(
            nn.Conv2d(heads * channels, out, (1, wide), padding=(0, wide // 2)), GlobalBatchNorm(out)
        )
        self.each = nn.Sequential(nn.Conv2d(out, out, 1), GlobalBatchNorm(out))
        self.over_tuples = nn.Sequential(nn.Conv2d(out, out, (tall, 1), padding=(tall // 2, 0)), GlobalBatchNorm(out))
        self.beside: nn.Module = nn.Identity()
        self.beside_tuples: nn.Module = nn.Identity()
        if channels != out:
            self.beside = nn.Sequential(nn.Conv2d(channels, out, 1), GlobalBatchNorm(out))
            self.beside_tuples = nn.Sequential(nn.Conv2d(out, out, 1), GlobalBatchNorm(out))

    def weights(self, x: Tensor) -> Tensor:
        """What each token gathers from, per head and the same for all tuples: (P, C, T', L) -> (P, H, L, L).

        Products are averaged over channels and tuples, and not normalised over tokens (equations 3 and 4).
        """
        seen = x if self.positions is None else x + self.positions[:, None].to(x.dtype)
        query, key = self.compare(seen).unflatten(1, (2 * self.heads, -1)).chunk(2, 1)
        products = torch.einsum("phctu,phctv->phuv", query, key) / (query.shape[2] * query.shape[3])
        strength, base = (part.to(products.dtype) for part in (self.strength, self.base))
        weights: Tensor = products.tanh() * strength[:, None, None] + base
        return weights

    def forward(self, x: Tensor) -> Tensor:
        """(P, C, T', L) -> (P, C', T', L); values come without positions, and the first way around twice."""
        gathered = torch.einsum("pctu,phuv->phctv", x, self.weights(x)).flatten(1, 2)
        around = self.beside(x)
        mixed = functional.leaky_relu(around + self.mix(gathered), SLOPE)
        mixed = functional.leaky_relu(around + self.each(mixed), SLOPE)
        return functional.leaky_relu(self.beside_tuples(mixed) + self.over_tuples(mixed), SLOPE)


class SttFormer(Backbone[SttFormerConfig]):
    """Eight blocks over one person's track; T' = T / segment, V' = segment * V: a token for each joint of each frame
    of a tuple, frame by frame.

    Raises ``UsageError`` where ``clip.frames`` is not a whole number of tuples, and for tracks of another body.
    """

    Config = SttFormerConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "quick": {"width": 8, "channels": [8, 8, 16]},
        "cpu": {"width": 8, "channels": [8, 8, 16, 16]},
    }
    batch_statistics = True

    def __init__(self, config: SttFormerConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        require(
            clip.frames % config.segment == 0,
            f"clip.frames={clip.frames} is not divisible by backbone.segment={config.segment};"
            f" the nearest that is: {max(1, round(clip.frames / config.segment)) * config.segment}",
        )
        self.segment, self.joints = config.segment, clip.layout.num_joints
        self.embed = nn.Sequential(nn.Conv2d(clip.coordinates, config.width, 1), GlobalBatchNorm(config.width))
        sizes = config.sizes
        compared = config.compared or [max(1, size // 4) for size in sizes]
        tokens = config.segment * self.joints
        self.blocks = nn.Sequential(
            *(
                SttBlock(channels, out, each, tokens, config)
                for (channels, out), each in zip(pairwise([config.width, *sizes]), compared, strict=True)
            )
        )
        self.dim = sizes[-1]
        start_convolutions(self)

    def embedded(self, tracks: Tensor) -> Tensor:
        """What the blocks read: (P, T, V, C) -> (P, T', segment * V, width)."""
        rows, frames, joints, coordinates = tracks.shape
        if frames % self.segment or joints != self.joints:
            raise UsageError(
                f"this STTFormer reads tracks of {self.joints} joints in tuples of {self.segment} frames, but was given"
                f" {frames} frames of {joints} joints"
            )
        tuples = tracks.reshape(rows, frames // self.segment, self.segment * joints, coordinates)
        mapped: Tensor = functional.leaky_relu(self.embed(tuples.permute(0, 3, 1, 2)), SLOPE)
        return mapped.permute(0, 2, 3, 1)

    def encoded(self, tokens: Tensor) -> Tensor:
        """(P, T', segment * V, width) -> (P, T', segment * V, D), for any number T' of tuples."""
        features: Tensor = self.blocks(tokens.permute(0, 3, 1, 2))
        return features.permute(0, 2, 3, 1)

    def forward(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P, T', segment * V, D)."""
        return self.encoded(self.embedded(tracks))
