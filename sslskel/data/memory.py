"""A dataset in memory, for clips that come as arrays and go again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslskel.api.copies import SharedFrames
from sslskel.api.dataset import Clip, Dataset, DatasetInfo, Ints, Segments
from sslskel.data.duplicates.search import search
from sslskel.data.store.rows import Index


class MemoryDataset:
    """A ``dataset.Dataset`` that was never on a disk, checked clip by clip like a stored one."""

    def __init__(self, info: DatasetInfo, clips: Sequence[Clip]) -> None:
        index, joints, valid = Index(info, np.float32), [], []
        for clip in clips:
            for rows, flags in index.add(clip):
                joints.append(rows)
                valid.append(flags)
        self.info, self.fingerprint, self.path = info, "in memory", Path("(in memory)")
        for name, column in index.arrays().items():
            setattr(self, name, column)
        self.joints, self.valid = np.concatenate(joints), np.concatenate(valid)
        self.lists = np.zeros_like(self.keys)

    names: npt.NDArray[np.str_]
    keys: Ints
    labels: Ints
    lengths: Ints
    subjects: Ints
    cameras: Ints
    setups: Ints
    track_clip: Ints
    track_slot: Ints
    track_begin: Ints
    track_length: Ints
    track_offset: Ints
    untrimmed: Dataset | None = None
    recording: Ints | None = None
    segments: Segments | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def copies(self) -> list[SharedFrames]:
        """As of a stored dataset, searched for at each call."""
        return search(self)
