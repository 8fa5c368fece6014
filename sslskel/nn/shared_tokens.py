"""Attention of a first block in which most tokens are mask tokens: what these ask of each other is computed once.

A mask token differs from row to row in its position alone, so that queries, keys, values and products of all
positions are the same for every row of a batch; a row only says which of them are hidden, and adds its seen tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sslskel.nn.attention import attention
from sslskel.nn.plain import is_explicit
from sslskel.nn.transformer_blocks import Attention, take_tokens

FEWEST_ROWS = 4
LARGEST_SHARE = 0.25
"""Of seen tokens; with more of them, or with fewer rows, little is shared."""
FARTHEST = 40.0
"""How far a token's product with itself may lie below the largest: exp(-40) still leaves 7 digits above the least
float32."""


def shares(rows: int, seen: int, tokens: int, device: torch.device) -> bool:
    """Whether so many rows with so many seen tokens are faster this way; never on a GPU, whose fused kernel is."""
    if torch.compiler.is_compiling() or is_explicit():
        return False
    return device.type == "cpu" and rows >= FEWEST_ROWS and 0 < seen <= LARGEST_SHARE * tokens


def shared_attention(attn: Attention, seen: Tensor, masked: Tensor, order: Tensor, first: int) -> Tensor | None:
    """What ``attn`` gives for rows of seen tokens (P, K, D) and of mask tokens at their positions, (P, L - first, D).

    ``masked`` (L, D) is the mask token at every position, ``order`` (P, L) the positions of a row's tokens, the K seen
    ones first. ``first`` is 0, or K where nothing is asked by the seen tokens. None where the products are so far apart
    that sums over hidden tokens, made without each row's own maximum, would lose digits.
    """
    rows, kept, _ = seen.shape
    q, k, v = attn.qkv(masked).unflatten(-1, (3, attn.heads, -1)).permute(1, 2, 0, 3)
    asking, asked, value = attn.qkv(seen).unflatten(-1, (3, attn.heads, -1)).permute(2, 0, 3, 1, 4)
    hidden = q.new_ones(order.shape).scatter(1, order[:, :kept], 0)
    scaled = q * q.shape[-1] ** -0.5
    among, towards = scaled @ k.transpose(-2, -1), scaled @ asked.transpose(-2, -1)
    bound = torch.maximum(among.detach().amax(-1), towards.detach().amax((0, 3)))
    if float((bound - among.detach().diagonal(dim1=1, dim2=2)).amax()) > FARTHEST:
        return None
    weights, own = (among - bound[..., None]).exp(), (towards - bound[..., None]).exp()
    values = (v[:, :, None] * hidden.T[:, :, None]).flatten(2)
    summed = (weights @ values).unflatten(-1, (rows, -1)).permute(2, 0, 1, 3) + own @ value
    # Where a row's token is seen, the sum is not used; 1 keeps it from 0 / 0.
    mass = (weights @ hidden.T).permute(2, 0, 1) + own.sum(-1) + (1 - hidden)[:, None]
    mixed = take_tokens((summed / mass[..., None]).transpose(1, 2).flatten(2), order[:, kept:])
    if first == 0:
        known = torch.cat([hidden.new_ones(rows, kept), hidden], 1).bool()
        keys, contents = (torch.cat([a, b.expand(rows, *b.shape)], 2) for a, b in ((asked, k), (value, v)))
        mixed = torch.cat([attention(asking, keys, contents, known).transpose(1, 2).flatten(2), mixed], 1)
    gathered: Tensor = attn.proj(mixed)
    return gathered
