"""Dense arrays as clips of a stored dataset, to be drawn as a run draws them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.skeleton import NTU25
from sslskel.api.view import ClipSpec
from sslskel.data.loader import ClipSource
from sslskel.data.store.store import StoredDataset, open_dataset, write_dataset

NTU = DatasetInfo("ntu_like", 1, NTU25, tuple(f"A{i:03d}" for i in range(60)), fps=30.0, persons=2)


def dense_clip(name: str, rows: np.ndarray, label: int = 0) -> Clip:
    """(T, V, C, M) zero-padded -> a clip; a person's interval ends where only zeros follow."""
    tracks = []
    for slot in range(rows.shape[-1]):
        joints = rows[..., slot]
        seen = (joints != 0).any((1, 2))
        if seen.any():
            begin, end = seen.nonzero()[0][[0, -1]] + (0, 1)
            tracks.append(Track(slot, int(begin), joints[begin:end], seen[begin:end]))
    return Clip(name, label, len(rows), tuple(tracks))


def stored(path: Path, clips: list[Clip], info: DatasetInfo = NTU) -> StoredDataset:
    """A dataset in a folder."""
    write_dataset(path, info, clips)
    return open_dataset(path)


def clips_of(
    path: Path, arrays: Sequence[torch.Tensor], spec: ClipSpec, dtype: torch.dtype = torch.float64
) -> ClipSource:
    """Arrays (C, T, V, M), a clip each, to be drawn from."""
    clips = [dense_clip(f"clip{at}", x.permute(1, 2, 0, 3).numpy()) for at, x in enumerate(arrays)]
    return ClipSource(stored(path, clips), np.arange(len(clips)), spec, dtype=dtype)
