"""Tokens, positions and pre-norm blocks of transformers, for backbones and for decoders of methods.

Which kernel computes attention is in ``attention.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import Tensor, nn

from sslskel.api.devices import constant
from sslskel.api.noise import Noise
from sslskel.nn.attention import attention


def patchify(tracks: Tensor, segment: int) -> Tensor:
    """Cut tracks into tokens: (P, T, V, C) -> (P, L, segment*C), L = T/segment * V.

    Tokens are time-major (token l*V + v), values frame by frame, coordinates innermost.
    """
    rows, frames, joints, coordinates = tracks.shape
    cut = tracks.reshape(rows, frames // segment, segment, joints, coordinates)
    return cut.transpose(2, 3).reshape(rows, frames // segment * joints, segment * coordinates)


def take_tokens(tokens: Tensor, ids: Tensor) -> Tensor:
    """Per row, the tokens with these ids, in their order: (P, L, D), (P, K) -> (P, K, D)."""
    first = torch.arange(ids.shape[0], device=ids.device)[:, None] * tokens.shape[1]
    return tokens.flatten(0, 1).index_select(0, (first + ids).flatten()).reshape(*ids.shape, tokens.shape[2])


def init_linears(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for every linear layer inside, as released."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def init_normal(module: nn.Module) -> None:
    """Weights of every linear layer inside as :func:`learned_table`, biases zero."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def rising_rates(rate: float, depth: int) -> list[float]:
    """Chances of skipping the branches of each block, linearly from 0 in the first to ``rate`` in the last."""
    return [rate * at / max(depth - 1, 1) for at in range(depth)]


def branch_factors(draws: Tensor, rates: Sequence[float], dtype: torch.dtype) -> Tensor:
    """Drop path: uniform draws (P, depth, 2) -> (depth, 2, P, 1, 1), 0 for a skipped branch, else 1 / (1 - rate)."""
    chances = constant(tuple(rates), draws.device, dtype)[:, None]
    kept = (draws.to(dtype) >= chances) / (1 - chances)
    return kept.permute(1, 2, 0)[..., None, None]


def learned_table(*shape: int) -> nn.Parameter:
    """A table of positions or mask tokens: normal with s.d. 0.02, cut at +-2, as released."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(*shape), std=0.02))


class Attention(nn.Module):
    """Multi-head self-attention with one joint projection to queries, keys and values."""

    def __init__(self, dim: int, heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, first: int = 0, known: Tensor | None = None) -> Tensor:
        """(P, L, D) -> (P, L - first, D): what the tokens from ``first`` on gather from all ``known`` (P, L)."""
        if first == 0:
            q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        else:
            q, k, v = self._for_some(x, first)
        mixed: Tensor = self.proj(attention(q, k, v, known).transpose(1, 2).flatten(2))
        return mixed

    def _for_some(self, x: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (P, H, L - first, D/H) of some tokens, keys and values (P, H, L, D/H) of all."""
        dim, bias = x.shape[-1], self.qkv.bias
        asking = F.linear(x[:, first:], self.qkv.weight[:dim], None if bias is None else bias[:dim])
        asked = F.linear(x, self.qkv.weight[dim:], None if bias is None else bias[dim:])
        # Written in full: a process may have no person at all, whose zero rows leave -1 open.
        rows, tokens, each = len(asked), asked.shape[1], dim // self.heads
        k, v = asked.reshape(rows, tokens, 2, self.heads, each).permute(2, 0, 3, 1, 4)
        return asking.reshape(rows, tokens - first, self.heads, each).transpose(1, 2), k, v


class MLP(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """One pre-norm transformer block: attention, then MLP, each added to its input.

    ``layer_scale`` above 0 is what learned factors of what is added start at; ``eps`` is that of the norms.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        mlp_ratio: float,
        qkv_bias: bool = True,
        *,
        layer_scale: float = 0.0,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps)
        self.attn = Attention(dim, heads, qkv_bias)
        self.norm2 = nn.LayerNorm(dim, eps)
        self.mlp = MLP(dim, round(dim * mlp_ratio))
        self.scale1 = nn.Parameter(torch.full((dim,), layer_scale)) if layer_scale else None
        self.scale2 = nn.Parameter(torch.full((dim,), layer_scale)) if layer_scale else None

    def forward(self, x: Tensor, branches: Tensor | None = None, first: int = 0, known: Tensor | None = None) -> Tensor:
        """(P, L, D) -> (P, L - first, D); ``branches`` (2, P, 1, 1) scales what the two branches add per row.

        ``first`` is for a last block whose first outputs are not used: those tokens are attended
        to, but nothing else is computed for them. Nothing attends to tokens that are not ``known``, (P, L) bool.
        """
        return self.after_attention(x[:, first:], self.attn(self.norm1(x), first, known), branches)

    def after_attention(self, x: Tensor, attended: Tensor, branches: Tensor | None = None) -> Tensor:
        """The rest of a pass, (P, L, D) each -> (P, L, D): adds what was attended to its input, then the MLP."""
        attended = attended if self.scale1 is None else self.scale1 * attended
        x = x + (attended if branches is None else branches[0] * attended)
        changed: Tensor = self.mlp(self.norm2(x))
        changed = changed if self.scale2 is None else self.scale2 * changed
        return x + (changed if branches is None else branches[1] * changed)


class TokenBlocks(nn.Module):
    """Blocks over all tokens of a row: learned positions before them, drop path of keyed noise, a norm behind them."""

    def __init__(
        self,
        dim: int,
        heads: int,
        depth: int,
        grid: tuple[int, int],
        *,
        drop_path: float = 0.0,
        layer_scale: float = 0.0,
        eps: float = 1e-5,
    ) -> None:
        """``grid`` is T' and V: token l * V + v is joint v in segment l; ``drop_path`` the rate of the last block."""
        super().__init__()
        self.time_table, self.joint_table = learned_table(grid[0], dim), learned_table(grid[1], dim)
        self.blocks = nn.ModuleList(Block(dim, heads, 4.0, layer_scale=layer_scale, eps=eps) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps)
        self.rates = rising_rates(drop_path, depth)

    def forward(self, x: Tensor, noise: Noise, site: str) -> Tensor:
        """(P, L, D) -> (P, L, D); a training pass draws which branches are skipped from ``noise`` at this site."""
        x = x + (self.time_table[:, None] + self.joint_table).flatten(0, 1)
        branches = None
        if self.training and self.rates[-1] > 0:
            branches = branch_factors(noise.uniform(site, (len(self.rates), 2)), self.rates, x.dtype)
        for at, block in enumerate(self.blocks):
            x = block(x, None if branches is None else branches[at])
        normed: Tensor = self.norm(x)
        return normed
