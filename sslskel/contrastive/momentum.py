"""Momentum contrast: a trained query tower, a key tower that follows it, and a queue of past keys.

He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020.
What is compared with what, each method decides.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.distributed import clip_counts
from sslskel.api.method import BuildBackbone, Progress
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec
from sslskel.config.groups import Stream
from sslskel.contrastive.config import ContrastConfig, decay_all, require_queue
from sslskel.contrastive.losses import similarities
from sslskel.contrastive.queue import Queue
from sslskel.contrastive.tower import HeadInit, Tower, projector
from sslskel.nn.teacher import follow


class MomentumContrast(nn.Module):
    """One stream's query tower, key tower and queue.

    The order of a step is that of released MoCo code: :meth:`follow` before the keys are
    computed, the loss against the queue as it was, :meth:`push` after the optimiser. The key's
    batch statistics are those of its own passes, as released.
    """

    def __init__(self, query: Tower, key: Tower, config: ContrastConfig) -> None:
        super().__init__()
        self.query, self.key = query, key.requires_grad_(False)
        self.queue = Queue(config.queue, config.dim)
        self.momentum = config.momentum
        self._new: Tensor | None = None

    def follow(self) -> None:
        """Move the key towards the query; call it in ``on_step_start``."""
        follow(self.key, self.query, self.momentum)

    def restart(self) -> None:
        """Give the key the query's weights and statistics, where the query took other ones."""
        self.key.load_state_dict(self.query.state_dict())

    @torch.no_grad()
    def keys(self, batch: Batch, noise: Noise) -> Tensor:
        """(N, dim) keys of a view, kept for :meth:`push`."""
        keys: Tensor = self.key(batch, noise)
        return self.keep(keys)

    def keep(self, keys: Tensor) -> Tensor:
        """Remember keys (N, dim) for :meth:`push`."""
        self._new = keys.detach()
        return self._new

    def similarities(self, query: Tensor, key: Tensor) -> Tensor:
        """Products of queries (N, dim) with their keys (N, dim), then with the queue: (N, 1+K); mostly cosines."""
        return similarities(query, key, self.queue.entries)

    def neighbourhood(self, key: Tensor) -> Tensor:
        """Cosines of keys (N, dim) with the queue, from which a student learns who is near: (N, K)."""
        return key @ self.queue.entries.to(key).T

    def push(self) -> None:
        """Put the step's keys into the queue; call it in ``on_step_end``."""
        if self._new is not None:
            self.queue.push(self._new, clip_counts(len(self._new), self._new.device))
            self._new = None


class MomentumSteps(nn.Module):
    """What a method does around its loss with every :class:`MomentumContrast` it holds; named before its base class."""

    def contrasts(self) -> dict[str, MomentumContrast]:
        """All of them by the last part of their name, in the order in which the method made them."""
        return {
            name.rpartition(".")[2]: part for name, part in self.named_modules() if isinstance(part, MomentumContrast)
        }

    def require_batches(self, smallest: int, largest: int) -> None:
        """The queues must hold a batch."""
        for contrast in self.contrasts().values():
            require_queue(len(contrast.queue.entries), largest)

    def on_part_loaded(self) -> None:
        """The key encoders start where the queries do."""
        for contrast in self.contrasts().values():
            contrast.restart()

    def on_step_start(self, progress: Progress, noise: Noise) -> None:
        """Move the key encoders."""
        for contrast in self.contrasts().values():
            contrast.follow()

    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        """Put the keys into the queues."""
        for contrast in self.contrasts().values():
            contrast.push()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group: weight decay on everything, as released."""
        return decay_all(self)


class ReleasedSteps(MomentumSteps):
    """:class:`MomentumSteps` of a method whose released step has the same order, and differs in plain layers alone."""

    def as_released(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """``forward``, whose layers are plain where speed is measured."""
        output: StepOutput = self.forward(views, noise, progress)
        return output


def momentum_contrast(
    config: ContrastConfig,
    build_backbone: BuildBackbone,
    clip: ClipSpec,
    stream: Stream,
    init: HeadInit,
    *,
    apart: bool = False,
) -> MomentumContrast:
    """Towers and queue of one stream; with ``apart`` the key starts from weights of its own, not from the query's."""

    def tower() -> Tower:
        backbone = build_backbone(clip)
        return Tower(backbone, projector(backbone.dim, config.dim, init), clip, stream, config.empty_bodies)

    query = tower()
    return MomentumContrast(query, tower() if apart else copy.deepcopy(query), config)
