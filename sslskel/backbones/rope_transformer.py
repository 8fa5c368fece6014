"""The transformer of SLiM (NeurIPS 2026): class token, registers, learned joints, rotary time, gated MLPs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone, Features
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.attention import attention
from sslskel.nn.transformer_blocks import learned_table, patchify

EPSILON = 1e-6
"""Of all layer norms."""
DEEPEST = 4
"""Blocks whose class tokens the deeper levels have, as many as there are."""
LEVELS = ("token_and_mean", "last_tokens", "last_tokens_and_mean")
"""The class token of the last block, or those of the last four, and the mean of the other tokens beside it."""


@dataclass
class RopeTransformerConfig:
    """Defaults are those of the released code."""

    dim: int = 256
    """Numbers of a token; a multiple of twice ``heads``."""
    depth: int = 8
    """Blocks."""
    heads: int = 8
    """Attention heads."""
    segment: int = 8
    """Frames per token."""
    registers: int = 4
    """Tokens that no output is read from."""
    rope_base: float = 10000.0
    """Base of the frequencies by which positions turn queries and keys."""

    def __post_init__(self) -> None:
        for name in ("dim", "depth", "heads", "segment"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.registers >= 0, f"backbone.registers is {self.registers}; it must not be negative")
        require(self.rope_base > 1, f"backbone.rope_base is {self.rope_base}; it must be above 1")
        require(
            self.dim % (2 * self.heads) == 0,
            f"backbone.dim={self.dim} is not divisible by twice backbone.heads={self.heads}, as its rotation in pairs"
            " needs",
        )


def gated_width(dim: int) -> int:
    """Hidden units of a gated MLP: two thirds of 4 * dim, in eights."""
    return (int(4 * dim * 2 / 3) + 7) // 8 * 8


class RotaryAttention(nn.Module):
    """Self-attention whose queries and keys are turned by their time step; (R, L, D) -> (R, L, D)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """``cos`` and ``sin`` are (L, D/heads/2); they are 1 and 0 where a token has no time."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed: Tensor = self.proj(attention(turned(q, cos, sin), turned(k, cos, sin), v).transpose(1, 2).flatten(2))
        return mixed


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Pairs of numbers, the first half with the second, turned by angles (Su et al. 2021): (..., L, E) -> the same."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


class GatedMlp(nn.Module):
    """SwiGLU (Shazeer 2020): (..., D) -> (..., D)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.w12, self.w3 = nn.Linear(dim, 2 * gated_width(dim)), nn.Linear(gated_width(dim), dim)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.w12(x).chunk(2, -1)
        out: Tensor = self.w3(functional.silu(gate) * value)
        return out


class RotaryBlock(nn.Module):
    """One pre-norm block: (R, L, D) -> (R, L, D)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, EPSILON), RotaryAttention(dim, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim, EPSILON), GatedMlp(dim)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x), cos, sin)
        changed: Tensor = self.mlp(self.norm2(x))
        return x + changed


class RopeTransformer(Backbone[RopeTransformerConfig]):
    """Tokens of a joint in some frames, a class token before them; any whole number of segments is read.

    The feature of a row is its class token. Levels have those of the last four blocks, each behind the final norm
    (``last_tokens``), or the mean of the other tokens beside (``token_and_mean``, ``last_tokens_and_mean``).
    ``hiding`` puts another one in the place of tokens, for methods that hide some.
    """

    Config = RopeTransformerConfig
    keeps_joints = True

    def __init__(self, config: RopeTransformerConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        require(
            clip.frames % config.segment == 0,
            f"clip.frames={clip.frames} is not divisible by backbone.segment={config.segment};"
            f" the nearest that is: {max(1, round(clip.frames / config.segment)) * config.segment}",
        )
        self.dim, self.segment = config.dim, config.segment
        self.base, self.pairs = config.rope_base, config.dim // config.heads // 2
        self.embed = nn.Linear(config.segment * clip.coordinates, config.dim)
        self.cls = nn.Parameter(1e-6 * torch.randn(1, config.dim))
        self.registers = nn.Parameter(1e-6 * torch.randn(config.registers, config.dim))
        self.table = learned_table(1 + clip.layout.num_joints, config.dim)
        self.blocks = nn.ModuleList(RotaryBlock(config.dim, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim, EPSILON)
        for layer in self.blocks.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    @property
    def levels(self) -> Mapping[str, int]:  # type: ignore[override]
        """Class tokens of one or more blocks, and the mean of the other tokens beside them."""
        tokens = min(DEEPEST, len(self.blocks))
        return MappingProxyType({name: n * self.dim for name, n in zip(LEVELS, (2, tokens, tokens + 1), strict=True)})

    def layers(self) -> list[list[nn.Parameter]]:
        """What makes tokens, every block, the final norm."""
        first = [*self.embed.parameters(), self.cls, self.registers, self.table]
        return [first, *(list(block.parameters()) for block in self.blocks), list(self.norm.parameters())]

    def forward(self, tracks: Tensor) -> Features:
        """(P, T, V, C) -> (P, T/segment, V, D), the class token and the level."""
        return self._read(tracks, self.embed(patchify(tracks, self.segment)))

    def hiding(self, tracks: Tensor, hidden: Tensor, filler: Tensor) -> Features:
        """As :meth:`forward`, with ``filler`` (1, D) for ``hidden`` (P, L) bool tokens, L = T/segment * V."""
        x = self.embed(patchify(tracks, self.segment))
        return self._read(tracks, torch.where(hidden[..., None], filler.to(x.dtype), x))

    def _read(self, tracks: Tensor, x: Tensor) -> Features:
        """Features of tracks (P, T, V, C) whose tokens are ``x`` (P, L, D), without positions."""
        steps, joints = tracks.shape[1] // self.segment, tracks.shape[2]
        x = x + self.table[1:].repeat(steps, 1)
        extra = torch.cat([self.cls + self.table[:1], self.registers]).to(x.dtype)
        x = torch.cat([extra.expand(len(x), -1, -1), x], 1)
        cos, sin = self._turns(len(extra), steps, joints, x)
        tokens = []
        for block in self.blocks:
            x = block(x, cos, sin)
            tokens.append(x[:, 0])
        x = self.norm(x)
        token, grid = x[:, 0], x[:, len(extra) :]
        deeper = torch.cat([*(self.norm(one) for one in tokens[-DEEPEST:-1]), token], -1)
        mean = grid.mean(1)
        parts = ((token, mean), (deeper,), (deeper, mean))
        levels = {name: torch.cat(of, -1) for name, of in zip(LEVELS, parts, strict=True)}
        return Features(grid.reshape(len(grid), steps, joints, self.dim), token, levels)

    def _turns(self, extra: int, steps: int, joints: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (L, E/2) of every token's angles; those without a time are not turned."""
        place = torch.arange(self.pairs, device=like.device, dtype=torch.float32)
        time = torch.arange(steps, device=like.device, dtype=torch.float32).repeat_interleave(joints)
        angles = time[:, None] * self.base ** (-place / self.pairs)
        angles = torch.cat([angles.new_zeros(extra, self.pairs), angles])
        return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


__all__ = ["RopeTransformer", "RopeTransformerConfig"]
