"""Attention in which some tokens do not see others, and dropout of keyed noise, for transformers with padding.

Attention without masks, and blocks without dropout, are in ``transformer_blocks``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.noise import Noise
from sslskel.nn.dropout import dropped


@dataclass(frozen=True)
class Dropout:
    """Dropout of one training pass over ``rows`` rows; without noise nothing is dropped."""

    rate: float
    noise: Noise | None
    rows: int

    def __call__(self, x: Tensor, site: str) -> Tensor:
        """(rows * n, ...) with a share of its numbers zeroed; the n parts of a row lie side by side."""
        if self.noise is None or not self.rate or not x.numel():
            return x
        return dropped(x.reshape(self.rows, -1), self.rate, self.noise, site).reshape(x.shape)

    def paths(self, branch: Tensor, rate: float, site: str) -> Tensor:
        """(rows, ...), what a branch adds: nothing in a share ``rate`` of the rows (drop path)."""
        if self.noise is None or not rate or not branch.numel():
            return branch
        kept = dropped(branch.new_ones(self.rows), rate, self.noise, site)
        return branch * kept.reshape(-1, *[1] * (branch.ndim - 1))


class MaskedAttention(nn.Module):
    """Multi-head self-attention with one joint projection; ``each`` numbers per head, by default dim / heads."""

    def __init__(self, dim: int, heads: int, each: int = 0, *, bias: bool = True) -> None:
        super().__init__()
        inner = heads * each or dim
        self.heads, self.each = heads, inner // heads
        self.qkv = nn.Linear(dim, 3 * inner, bias=bias)
        self.proj = nn.Linear(inner, dim, bias=bias)

    def forward(self, x: Tensor, hidden: Tensor | None = None, drop: Dropout | None = None, site: str = "") -> Tensor:
        """(P, L, D) -> (P, L, D).

        ``hidden`` is True where a token (second last axis) does not see another one (last axis), in a shape that
        broadcasts to (P, H, L, L); a token that sees none sees all alike. ``drop`` drops attention weights.
        """
        q, k, v = self.qkv(x).reshape(*x.shape[:2], 3, self.heads, self.each).permute(2, 0, 3, 1, 4)
        # The least number rather than infinity: a row without a valid frame then has a softmax too.
        least = torch.finfo(q.dtype).min
        if drop is None or drop.noise is None or not drop.rate:
            shown = None if hidden is None else q.new_zeros(hidden.shape).masked_fill(hidden, least)
            mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=shown)
        else:
            products = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
            weights = (products if hidden is None else products.masked_fill(hidden, least)).softmax(-1)
            mixed = drop(weights, site).to(v.dtype) @ v
        gathered: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return gathered
