"""Positions of tokens as sines and cosines of their number (Vaswani et al. 2017, section 3.5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinusoids(channels: int, tokens: int) -> Tensor:
    """Sines in even channels and cosines in odd ones of a token's number: (channels, tokens)."""
    number = torch.arange(tokens, dtype=torch.float32)
    at = torch.arange(0, channels, 2, dtype=torch.float32)
    angles = torch.exp(at * -(math.log(10000.0) / channels))[:, None] * number
    return torch.stack([angles.sin(), angles.cos()], 1).flatten(0, 1)[:channels]
