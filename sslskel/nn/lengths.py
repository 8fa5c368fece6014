"""Sequences of different lengths in one tensor: how long each is, and means up to its end."""

from __future__ import annotations

import torch
from torch import Tensor


def last_valid(valid: Tensor) -> Tensor:
    """Number of steps up to the last valid one, 0 where there is none: (N, T) bool -> (N,) int64."""
    return ((torch.arange(valid.shape[1], device=valid.device) + 1) * valid).amax(1)


def up_to(lengths: Tensor, steps: int) -> Tensor:
    """Which steps lie before the end: (N,), T -> (N, T) bool."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def mean_up_to(states: Tensor, lengths: Tensor) -> Tensor:
    """Sum of the states before the end over the length plus 0.01, as in MS2L: (N, T, D), (N,) -> (N, D)."""
    inside = states * up_to(lengths, states.shape[1])[..., None]
    return inside.sum(1) / (lengths.to(states.dtype)[:, None] + 0.01)
