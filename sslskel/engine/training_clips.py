"""A run's source as methods see it between epochs: in order, with positions, without labels."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.distributed import rank, world_size
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec
from sslskel.data.loader import ClipSource
from sslskel.data.mixture import Mixture
from sslskel.engine.disguise import Disguised
from sslskel.errors import UsageError


class SourceClips:
    """All clips of a source; an ``api.clips.TrainingClips``."""

    def __init__(self, source: ClipSource | Mixture | Disguised) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def batches(self, view: ViewSpec, noise: Noise, size: int, rows: Tensor | None = None) -> Iterator[Batch]:
        """Any view of the clips at ``rows`` (n,), in that order (default: each clip once), ``size`` at a time."""
        if size < 1:
            raise UsageError(f"a batch of {size} clips was asked for; it must hold at least 1")
        every = torch.arange(len(self)) if rows is None else rows.to("cpu", torch.int64)
        for first in range(0, len(every), size):
            some = every[first : first + size]
            batch = self._source.batch(some, view, noise)
            yield batch.unlabelled().placed(some)

    def share(self) -> Tensor:
        """(n,) rows of this process, as the engine divides a batch."""
        return torch.arange(len(self)).tensor_split(world_size())[rank()]
