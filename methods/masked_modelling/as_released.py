"""The same step in the plainest way, as released code takes it; to be measured against, never trained with.

Every token is embedded before most are dropped, the decoder un-shuffles its input, and all tokens are
predicted though the hidden ones alone count (so in the released MAMP code). Weights are the method's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from sslskel import Backbone, Batch, Noise, Progress, StepOutput, Term, TokenBackbone, UsageError
from sslskel.methods.masked_modelling.config import MaskedModellingConfig, Signal
from sslskel.methods.masked_modelling.masking import mask_order
from sslskel.nn.token_decoder import TokenDecoder
from sslskel.nn.token_masks import normalise_tokens
from sslskel.nn.transformer_blocks import patchify, take_tokens


class Masked(Protocol):
    """What the plain form reads of the method."""

    config: MaskedModellingConfig
    backbone: Backbone
    decoder: TokenDecoder
    segment: int
    num_tokens: int
    num_kept: int

    def signal(self, tracks: Tensor, signal: Signal) -> Tensor:
        """The tracks themselves, or their motion: (P, T, V, C) -> (P, T, V, C)."""
        ...

    def apart(self, tracks: Tensor) -> Tensor:
        """Tracks by what a token covers: (P, T, V, C), or (P, T, 1, V*C) where tokens cover all joints."""
        ...


def released_step(method: Masked, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
    """What ``method.forward`` returns, over every row of the batch; raises ``UsageError`` for other backbones."""
    backbone, decoder, batch = method.backbone, method.decoder, views[0]
    if not isinstance(backbone, TokenBackbone):
        raise UsageError(f"backbone {type(backbone).__name__} offers no tokens, so that this step has no plain form")
    tracks, noise = batch.tracks, noise.view(0).on(batch)
    backbone.bind(noise)
    uniform = noise.uniform("mask", (method.num_tokens,), per="person", dtype=tracks.dtype)
    order = mask_order(method.apart(tracks), method.segment, uniform, method.config)
    restore = order.argsort(-1)
    hidden = torch.ones_like(uniform).index_fill(1, torch.arange(method.num_kept, device=uniform.device), 0)
    hidden = hidden.gather(1, restore)

    seen = take_tokens(backbone.tokens(method.signal(tracks, method.config.input)), order[:, : method.num_kept])
    latent = decoder.embed(backbone.encode(seen))
    fill = decoder.mask_token.to(latent.dtype).expand(len(latent), method.num_tokens - method.num_kept, -1)
    x = torch.cat([latent, fill], 1)
    x = x.gather(1, restore[..., None].expand(-1, -1, x.shape[-1]))
    x = x + decoder.time_table.repeat_interleave(len(decoder.joint_table), 0)
    x = x + decoder.joint_table.repeat(len(decoder.time_table), 1)
    for block in decoder.blocks:
        x = block(x)
    predicted = decoder.pred(decoder.norm(x))

    target = patchify(method.apart(method.signal(tracks, method.config.target)), method.segment)
    if method.config.normalise_target:
        target = normalise_tokens(target)
    each = (predicted.to(target.dtype) - target).square().mean(-1)
    return StepOutput({"masked": Term((each * hidden).sum(), hidden.sum())})
