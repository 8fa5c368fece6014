"""Which tokens are hidden, and what their values are measured in."""

from __future__ import annotations

import torch
from torch import Tensor

from sslskel.methods.masked_modelling.config import MaskedModellingConfig, Masking
from sslskel.nn.transformer_blocks import patchify


def normalise_tokens(tokens: Tensor) -> Tensor:
    """Zero mean, unit (unbiased) variance over the values of each token: (P, L, S) -> (P, L, S)."""
    variance, mean = torch.var_mean(tokens, dim=-1, keepdim=True)
    return (tokens - mean) / torch.sqrt(variance + 1e-6)


def motion_intensity(tracks: Tensor, segment: int) -> Tensor:
    """How much each token differs from the one a segment earlier: (P, T, V, C) -> (P, L), in the tracks' unit.

    The mean absolute difference over the token's values; the first segment has no
    predecessor and copies the second (MAMP, motion-aware masking).
    """
    rows, frames, joints, coordinates = tracks.shape
    values = patchify(tracks, segment).reshape(rows, frames // segment, joints, segment * coordinates)
    change = (values[:, 1:] - values[:, :-1]).abs().mean(-1)
    first = change[:, :1] if change.shape[1] else values.new_zeros(values[:, :1].shape[:-1])
    return torch.cat([first, change], 1).flatten(1)


def motion_scores(intensity: Tensor, uniform: Tensor, tau: float) -> Tensor:
    """Gumbel-top-k keys of motion-aware masking, (P, L) each; the smallest are kept.

    Log-probabilities softmax(I / (tau * max I)) plus Gumbel noise, so that sorting
    draws without replacement (MAMP, motion-aware masking). The division by the
    person's maximum is in the released code alone.
    """
    scaled = intensity / (intensity.amax(-1, keepdim=True) * tau + 1e-10)
    gumbel = -torch.log(-torch.log(uniform + 1e-10) + 1e-10)
    return torch.log_softmax(scaled, -1) + gumbel


def mask_order(
    tracks: Tensor, segment: int, uniform: Tensor, config: MaskedModellingConfig, known: Tensor | None = None
) -> Tensor:
    """Token ids (P, L) in the order in which they are kept: the first K are seen, the rest hidden.

    ``uniform`` (P, L) decides: alone where masking is random, else by way of :func:`motion_scores`. Tokens that
    are not ``known``, (P, L) bool, come last.
    """
    if config.masking is Masking.random or config.tau <= 0:
        keys = uniform
    else:
        intensity = motion_intensity(tracks, segment)
        # A joint that a body lacks stands where another one is, whose motion must not count twice.
        intensity = intensity if known is None else intensity * known
        keys = motion_scores(intensity, uniform, config.tau)
    return (keys if known is None else keys.masked_fill(~known, torch.inf)).argsort(-1)
