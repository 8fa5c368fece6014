"""Annotated actions of untrimmed recordings: checked, indexed, and cut into the clips that protocols see.

A clip is rows of its recording, never a copy. How the columns lie on the disk is in
``store.py``; the protocols of detection use the recordings themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.dataset import Bools, Clip, Dataset, DatasetInfo, Ints, Segment, Segments
from sslskel.errors import DataError

SEGMENT_FIELDS = (
    "segment_owner",
    "segment_begin",
    "segment_end",
    "segment_label",
    "segment_confidence",
    "segment_frames",
    "segment_key",
)
"""Columns of whole numbers, one row per annotated action; ``segment_clip`` holds the clips' names."""


class SegmentIndex:
    """The columns of all annotated actions of a dataset, grown recording by recording."""

    def __init__(self, info: DatasetInfo) -> None:
        self._info = info
        self._clips: list[str] = []
        self._columns: dict[str, list[int]] = {field: [] for field in SEGMENT_FIELDS}

    def __len__(self) -> int:
        return len(self._clips)

    @property
    def clips(self) -> int:
        """Number of clips that are cut."""
        return sum(map(bool, self._clips))

    def add(self, recording: Clip, row: int, key_of: Callable[[str], int]) -> None:
        """Check and index the segments of the recording in this row; ``key_of`` names a clip for good.

        Raises ``DataError`` naming the recording and the annotation.
        """
        for number, segment in enumerate(recording.segments):
            self._check(recording, number, segment)
            key = key_of(segment.clip) if segment.clip else 0
            values = (row, segment.begin, segment.end, segment.label, segment.confidence, segment.frames, key)
            for field, value in zip(SEGMENT_FIELDS, values, strict=True):
                self._columns[field].append(value)
            self._clips.append(segment.clip)

    def since(self, number: int) -> list[list[str | int]]:
        """What was added behind the first ``number`` actions, as plain data for :meth:`restore`."""
        columns = [[int(value) for value in values[number:]] for values in self._columns.values()]
        return [list(row) for row in zip(self._clips[number:], *columns, strict=True)]

    def restore(self, rows: Sequence[Sequence[str | int]]) -> list[tuple[str, int]]:
        """Add what :meth:`since` gave; returns names and keys of the clips among it."""
        for clip, *values in rows:
            self._clips.append(str(clip))
            for field, value in zip(SEGMENT_FIELDS, values, strict=True):
                self._columns[field].append(int(value))
        return [(str(row[0]), int(row[1 + SEGMENT_FIELDS.index("segment_key")])) for row in rows if row[0]]

    def _check(self, recording: Clip, number: int, segment: Segment) -> None:
        who = f"clip '{recording.name}', annotated action {number}"
        for field in ("begin", "end", "label", "confidence", "frames"):
            value = getattr(segment, field)
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or not -1 <= value < 1 << 63:
                raise DataError(f"{who} has {field}={value!r}; it must be a whole number, -1 or more")
        if not 0 <= segment.begin < segment.end <= recording.length:
            raise DataError(
                f"{who} lies in frames {segment.begin} to {segment.end - 1}, but the recording has frames 0 to"
                f" {recording.length - 1}; an action has at least one frame, all inside"
            )
        if not 0 <= segment.label < len(self._info.classes):
            raise DataError(f"{who} has label {segment.label}; labels are 0 to {len(self._info.classes) - 1}")
        if not (1 if segment.clip else 0) <= segment.frames <= (segment.end - segment.begin if segment.clip else 0):
            raise DataError(
                f"{who} gives its clip '{segment.clip}' {segment.frames} of its {segment.end - segment.begin} frames"
            )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """File stem -> array; empty where nothing is annotated."""
        if not self._clips:
            return {}
        if not self.clips:
            raise DataError(f"dataset '{self._info.name}' would be empty: no clip is cut from its recordings")
        columns = {field: np.asarray(values, np.int64) for field, values in self._columns.items()}
        return {"segment_clip": np.asarray(self._clips, np.str_), **columns}


def checked_segments(columns: Mapping[str, npt.NDArray[Any]], lengths: Ints) -> Segments | None:
    """The stored columns as ``Segments``, or None where they contradict themselves or the recordings' lengths."""
    numbers = [columns[field] for field in SEGMENT_FIELDS]
    clips = columns["segment_clip"]
    if clips.dtype.kind != "U" or any(a.dtype != np.int64 or a.shape != clips.shape for a in numbers):
        return None
    owner, begin, end, label, confidence, frames, _ = numbers
    valid = (owner >= 0) & (owner < len(lengths)) & (begin >= 0) & (begin < end)
    valid &= (frames >= 0) & (frames <= end - begin) & ((frames > 0) == (clips != ""))
    if not valid.all() or (np.diff(owner) < 0).any() or (end > lengths[owner]).any():
        return None
    return Segments(owner, begin, end, label, confidence)


def cut_clips(recordings: Dataset, segments: Segments, columns: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """The fields of the dataset of clips that are cut from ``recordings``, as in ``dataset.Dataset``."""
    kept = columns["segment_frames"] > 0
    owner, begin, frames = segments.owner[kept], segments.begin[kept], columns["segment_frames"][kept]
    shared = {field: getattr(recordings, field)[owner] for field in ("subjects", "cameras", "setups", "lists")}
    return {
        "names": columns["segment_clip"][kept],
        "keys": columns["segment_key"][kept],
        "labels": segments.label[kept],
        "lengths": frames,
        "recording": owner,
        "joints": recordings.joints,
        "valid": recordings.valid,
        **shared,
        **_cut_tracks(recordings, owner, begin, frames),
    }


def _cut_tracks(recordings: Dataset, recording: Ints, begin: Ints, frames: Ints) -> dict[str, Ints]:
    """Tracks of clips given by (n,) recordings' rows, first frames and lengths: stretches of stored rows.

    A person who is seen in no frame of a clip has no track there.
    """
    count = np.bincount(recordings.track_clip, minlength=len(recordings))
    first = np.cumsum(count) - count
    each = count[recording]
    owner = np.repeat(np.arange(len(recording)), each)
    source = first[recording][owner] + np.arange(len(owner)) - np.repeat(np.cumsum(each) - each, each)
    seen_from, seen_for = recordings.track_begin[source], recordings.track_length[source]
    start = np.maximum(begin[owner], seen_from)
    length = np.minimum(begin[owner] + frames[owner], seen_from + seen_for) - start
    offset = recordings.track_offset[source] + start - seen_from
    seen = length > 0
    seen[seen] = any_in(recordings.valid, offset[seen], length[seen])
    return {
        "track_clip": owner[seen],
        "track_slot": recordings.track_slot[source][seen],
        "track_begin": (start - begin[owner])[seen],
        "track_length": length[seen],
        "track_offset": offset[seen],
    }


def any_in(flags: Bools, offset: Ints, length: Ints) -> Bools:
    """(rows,) flags, (k,) first rows and (k,) lengths of at least 1 -> (k,) whether any of each stretch is True."""
    return _reduced(np.logical_or, flags, offset, length)


def all_in(flags: Bools, offset: Ints, length: Ints) -> Bools:
    """The same, whether all of each stretch are True. Stretches may overlap and come in any order."""
    return _reduced(np.logical_and, flags, offset, length)


def _reduced(reduce: np.ufunc, flags: Bools, offset: Ints, length: Ints) -> Bools:
    if not len(offset):
        return np.zeros(0, np.bool_)
    # One more flag, because reduceat takes no end behind the last row.
    longer = np.append(np.asarray(flags), np.False_)
    reduced: Bools = reduce.reduceat(longer, np.stack([offset, offset + length], 1).ravel())[::2]
    return reduced
