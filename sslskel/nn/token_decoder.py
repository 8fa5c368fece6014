"""From features of the seen tokens to values of the hidden ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sslskel.nn.shared_tokens import shared_attention, shares
from sslskel.nn.token_masks import placed
from sslskel.nn.transformer_blocks import Block, init_linears, learned_table


@dataclass(frozen=True)
class DecoderSize:
    """Width, blocks, heads, and width of the hidden layers over that of the decoder."""

    dim: int
    depth: int
    heads: int
    mlp_ratio: float = 4.0


class TokenDecoder(nn.Module):
    """Predicts the values of hidden tokens from the encoder's view of the others.

    It works in the order [seen | hidden], since attention has no order but the
    positions added, so that the hidden part is a slice and nothing is un-shuffled.
    """

    def __init__(self, size: DecoderSize, dim: int, segments: int, joints: int, values: int) -> None:
        super().__init__()
        self.embed = nn.Linear(dim, size.dim)
        self.mask_token = learned_table(1, 1, size.dim)
        self.time_table = learned_table(segments, size.dim)
        self.joint_table = learned_table(joints, size.dim)
        self.blocks = nn.ModuleList(Block(size.dim, size.heads, size.mlp_ratio) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.dim)
        self.pred = nn.Linear(size.dim, values)
        init_linears(self)

    def forward(self, seen: Tensor, order: Tensor, known: Tensor | None = None) -> Tensor:
        """(P, K, D) features of the first K tokens of ``order`` (P, L) -> (P, L-K, S) values of the others.

        Where ``known`` (P, L) bool is given, in that order, nothing attends to the other tokens.
        """
        embedded = self.embed(seen)
        kept, hidden = embedded.shape[1], order.shape[1] - embedded.shape[1]
        table = (self.time_table[:, None] + self.joint_table).flatten(0, 1)
        mask_token = self.mask_token.to(embedded.dtype)
        content = torch.cat([embedded, mask_token.expand(order.shape[0], hidden, -1)], 1)
        positions = placed(table, order)
        x = content + positions
        shared = known is None and shares(len(order), kept, order.shape[1], x.device)
        for at, block in enumerate(self.blocks, start=1):
            assert isinstance(block, Block)
            # Nothing is predicted for the seen tokens, so that the last block need not finish them.
            first = kept if at == len(self.blocks) else 0
            attended = None
            if shared and at == 1:
                masked = block.norm1(mask_token[0] + table)
                attended = shared_attention(block.attn, block.norm1(x[:, :kept]), masked, order, first)
            x = block(x, None, first, known) if attended is None else block.after_attention(x[:, first:], attended)
        values: Tensor = self.pred(self.norm(x))
        return values

    def as_released(self, seen: Tensor, restore: Tensor) -> Tensor:
        """The same in the plainest way, as released MAMP code does it, to be measured against.

        (P, K, D) features of the seen tokens, places (P, L) of all in the order [seen | hidden] -> (P, L, S): the
        input is un-shuffled, and all tokens are predicted.
        """
        embedded = self.embed(seen)
        fill = self.mask_token.to(embedded.dtype).expand(len(embedded), restore.shape[1] - embedded.shape[1], -1)
        tokens = torch.cat([embedded, fill], 1)
        tokens = tokens.gather(1, restore[..., None].expand(-1, -1, tokens.shape[-1]))
        tokens = tokens + self.time_table.repeat_interleave(len(self.joint_table), 0)
        tokens = tokens + self.joint_table.repeat(len(self.time_table), 1)
        for block in self.blocks:
            tokens = block(tokens)
        values: Tensor = self.pred(self.norm(tokens))
        return values
