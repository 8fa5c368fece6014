"""Momentum contrast: a trained query tower, a key tower that follows it, and a queue of past keys.

He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020.
What is compared with what is the method's business.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from sslskel.batch import Batch
from sslskel.contrastive.losses import similarities
from sslskel.contrastive.queue import Queue


def frozen_copy(module: nn.Module) -> nn.Module:
    """The same weights again, never trained."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(key: nn.Module, query: nn.Module, momentum: float) -> None:
    """key = momentum * key + (1 - momentum) * query, parameters alone.

    Buffers stay: a key's batch statistics are those of its own passes, as released.
    A parameter that occurs twice moves once.
    """
    ours, theirs = list(key.parameters()), list(query.parameters())
    torch._foreach_mul_(ours, momentum)
    torch._foreach_add_(ours, theirs, alpha=1 - momentum)


class MomentumContrast(nn.Module):
    """One stream's query, key and queue.

    The order of a step is that of released MoCo code: :meth:`follow` before the keys are
    computed, the loss against the queue as it was, :meth:`push` after the optimiser.
    """

    def __init__(self, query: nn.Module, key: nn.Module, dim: int, size: int, momentum: float) -> None:
        super().__init__()
        self.query, self.key = query, key.requires_grad_(False)
        self.queue = Queue(size, dim)
        self.momentum = momentum
        self._new: Tensor | None = None

    def follow(self) -> None:
        """Move the key towards the query; call it in ``on_step_start``."""
        follow(self.key, self.query, self.momentum)

    @torch.no_grad()
    def keys(self, batch: Batch) -> Tensor:
        """(N, dim) keys of a view, kept for :meth:`push`."""
        self._new = self.key(batch)
        return self._new

    def similarities(self, query: Tensor, key: Tensor) -> Tensor:
        """Cosines of queries (N, dim) with their keys (N, dim), then with the queue: (N, 1+K)."""
        return similarities(query, key, self.queue.entries)

    def push(self) -> None:
        """Put the step's keys into the queue; call it in ``on_step_end``."""
        if self._new is not None:
            self.queue.push(self._new)
            self._new = None
