"""Clips without what tells their class, for pretraining and for the parts that protocols see.

Labels are withheld by leaving them out of what is handed on, not by asking plugins to look away. Code of
the same process can still open the dataset itself (docs/guide/protocols.md).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.dataset import Dataset, Ints, Segments
from sslskel.api.noise import Noise, Seal
from sslskel.api.view import ViewSpec
from sslskel.data.loader import ClipSource
from sslskel.hashing import stable_id

NO_ROWS = np.zeros(0, np.int64)


def without_labels(dataset: Dataset, shown: Ints = NO_ROWS) -> Dataset:
    """The same frames, with labels and annotated actions of the clips in rows ``shown`` (n,) alone.

    Subjects, cameras and setups are -1 and the recordings behind clips are left out.
    """
    other = copy.copy(dataset)
    other.labels = np.full_like(dataset.labels, -1)
    other.labels[shown] = dataset.labels[shown]
    for name in ("subjects", "cameras", "setups"):
        setattr(other, name, np.full_like(dataset.labels, -1))
    if dataset.segments is not None:
        known = np.isin(dataset.segments.owner, shown)
        other.segments = Segments(*(column[known] for column in dataset.segments))
    other.untrimmed = other.recording = None
    return other


class LabelledPart:
    """Clips of a training part with their labels, and no dataset; a ``protocol.ClipSet``."""

    def __init__(self, source: ClipSource) -> None:
        self._source = source
        self.spec, self.lengths = source.spec, source.lengths
        self.keys, self.labels, self.segments = source.keys, source.labels, source.segments

    def __len__(self) -> int:
        return len(self.keys)

    def batches(self, view: ViewSpec, noise: Noise, size: int) -> Iterator[Batch]:
        """Every clip once, in order, ``size`` clips at a time (the last batch may be smaller)."""
        return self._source.batches(view, noise, size)

    def subset(self, rows: Tensor) -> LabelledPart:
        """The clips at these positions, in this order."""
        return LabelledPart(self._source.subset(rows))


class JudgedPart:
    """Clips to be scored: tensors without labels, and no dataset; a ``protocol.ClipSet``.

    Keys are sealed where a seal is given. A view depends on the clip's own key, so that what is
    hidden or drawn is the same under every seal.
    """

    def __init__(self, source: ClipSource, seal: Seal | None = None) -> None:
        self._source, self._seal = source, seal
        self.spec, self.lengths = source.spec, source.lengths
        self.keys, self.labels = self._closed(source.keys), torch.full_like(source.keys, -1)
        self.segments: Segments | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def batches(self, view: ViewSpec, noise: Noise, size: int) -> Iterator[Batch]:
        """Every clip once, in order, ``size`` clips at a time (the last batch may be smaller)."""
        for batch in self._source.batches(view, noise, size):
            yield batch._replace(key=self._closed(batch.key)).unlabelled()

    def subset(self, rows: Tensor) -> JudgedPart:
        """The clips at these positions, in this order."""
        return JudgedPart(self._source.subset(rows), self._seal)

    def _closed(self, keys: Tensor) -> Tensor:
        return keys if self._seal is None else self._seal.close(keys)


def shuffled_part(source: ClipSource, seal: Seal, name: str) -> JudgedPart:
    """All clips of a source in an order that ``name`` decides: in a dataset, clips of a class stand side by side."""
    order = Noise(stable_id("test part", name)).permutation("order", len(source), per="batch")
    return JudgedPart(source.subset(order), seal)
