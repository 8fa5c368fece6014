"""Diffusion over tokens: levels of noise, their weights, and blocks that a level and a condition modulate."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sslskel.nn.transformer_blocks import MLP, Attention, init_linears, learned_table

LEVELS = 1000
"""Levels of noise, from 0, almost none, to noise alone."""
LEVEL_DIM = 64
"""Numbers of an embedded level."""


def inverse_cosine(curvature: float) -> Tensor:
    """(LEVELS,) float64, the share of a clip's variance that each level leaves (MacDiff's inverse cosine schedule)."""

    def left(t: float) -> float:
        start = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
        return start * (1 - t) * (1 + curvature) - curvature * math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    steps = (left((level + 1) / LEVELS) / left(level / LEVELS) for level in range(LEVELS))
    return torch.tensor([max(step, 0.001) for step in steps], dtype=torch.float64).cumprod(0)


def min_snr_weights(left: Tensor) -> Tensor:
    """(LEVELS,) shares of variance left -> factors of errors, 1 on average, smaller where there is little noise."""
    weights = (5 * (1 - left + 1e-3) / left).clamp(max=1)
    return weights / weights.mean()


def embedded_level(level: Tensor) -> Tensor:
    """(P,) -> (P, LEVEL_DIM) float32, cosines before sines."""
    half = LEVEL_DIM // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half, device=level.device) / half)
    angles = level[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], 1)


class Modulation(nn.Module):
    """A layer norm whose output is scaled and shifted by the level of noise, then by each token's condition."""

    def __init__(self, dim: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.condition, self.level = nn.Linear(condition, 2 * dim), nn.Linear(LEVEL_DIM, 2 * dim)

    def forward(self, x: Tensor, condition: Tensor, level: Tensor) -> Tensor:
        """(P, L, D), (P, L, E), (P, LEVEL_DIM) -> (P, L, D)."""
        scale, shift = self.level(level.to(x.dtype))[:, None].chunk(2, -1)
        own_scale, own_shift = self.condition(condition).chunk(2, -1)
        modulated: Tensor = own_scale * (scale * self.norm(x) + shift) + own_shift
        return modulated


class ModulatedBlock(nn.Module):
    """A transformer block whose norms are modulated."""

    def __init__(self, dim: int, heads: int, condition: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = Modulation(dim, condition), Modulation(dim, condition)
        self.attn, self.mlp = Attention(dim, heads, True), MLP(dim, 4 * dim)

    def forward(self, x: Tensor, condition: Tensor, level: Tensor, shown: Tensor) -> Tensor:
        """(P, L, D), (P, L, E), (P,) and (2,) bool, which halves get the condition and not zeros -> (P, L, D)."""
        embedded, shown = embedded_level(level), shown.to(condition.dtype)
        x = x + self.attn(self.norm1(x, condition * shown[0], embedded))
        changed: Tensor = self.mlp(self.norm2(x, condition * shown[1], embedded))
        return x + changed


class DiffusionDecoder(nn.Module):
    """Predicts from the tokens of a noisy clip; the level of noise and the condition modulate each half of a block."""

    def __init__(self, dim: int, heads: int, depth: int, grid: tuple[int, int], condition: int, numbers: int) -> None:
        """``grid`` is T' and V, ``condition`` the width of the condition of a token, ``numbers`` those of a token."""
        super().__init__()
        self.embed = nn.Linear(numbers, dim)
        self.time_table, self.joint_table = learned_table(grid[0], dim), learned_table(grid[1], dim)
        self.blocks = nn.ModuleList(ModulatedBlock(dim, heads, condition) for _ in range(depth))
        self.norm, self.pred = nn.LayerNorm(dim), nn.Linear(dim, numbers)
        init_linears(self.blocks)
        init_linears(self.pred)

    def forward(self, noisy: Tensor, condition: Tensor, level: Tensor, shown: Tensor) -> Tensor:
        """(P, L, S), (P, L, E), (P,) and which halves get the condition, (depth, 2) bool -> (P, L, S)."""
        x = self.embed(noisy) + (self.time_table[:, None] + self.joint_table).flatten(0, 1)
        for block, halves in zip(self.blocks, shown, strict=True):
            x = block(x, condition, level, halves)
        predicted: Tensor = self.pred(self.norm(x))
        return predicted
