"""Datasets: raw clips for import, and prepared datasets when opened. For the format on disk see
``sslskel.data.store.store``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from sslskel.api.copies import SharedFrames
from sslskel.api.skeleton import SkeletonLayout

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Track(NamedTuple):
    """One person of a clip, over the interval in which they are tracked."""

    slot: int
    """Which actor, 0..M-1."""
    begin: int
    """First frame of the interval, counted in the clip."""
    joints: Floats
    """(L, V, C) in the dataset's unit."""
    valid: Bools
    """(L,) False where the person is missing inside the interval."""


class Segment(NamedTuple):
    """One annotated action of an untrimmed recording: frames ``begin`` to ``end`` - 1, counted from 0."""

    begin: int
    end: int
    label: int
    """0-based."""
    clip: str = ""
    """Name of the clip cut from it; empty if none is."""
    frames: int = 0
    """Number of its frames in that clip, from the first."""
    confidence: int = -1
    """The annotator's confidence as in the source, -1 unknown."""


@dataclass(frozen=True)
class Clip:
    """One labelled clip as an importer yields it, or an untrimmed recording. ``length`` is in frames.

    ``subject``, ``camera`` and ``setup`` are the dataset's own numbers, -1 unknown.
    ``label`` is 0-based, -1 unlabelled.
    """

    name: str
    label: int
    length: int
    tracks: tuple[Track, ...]
    subject: int = -1
    camera: int = -1
    setup: int = -1
    segments: tuple[Segment, ...] = ()
    """Annotated actions. A dataset with any is one of recordings, and its clips are named by the segments."""
    lists: frozenset[str] = frozenset()
    """The dataset's ``lists`` that contain it."""


MOST_CLASSES = 10_000
"""Of one dataset: every protocol keeps tables of classes by classes."""


@dataclass(frozen=True)
class DatasetInfo:
    """Metadata of a dataset, stored with it."""

    name: str
    version: int
    """Bumped by the importer when the same source gives different numbers."""
    layout: SkeletonLayout
    classes: tuple[str, ...]
    fps: float
    unit: str = "metre"
    coordinates: int = 3
    """C: 3 for 3D, 2 for image coordinates."""
    persons: int = 1
    """M: most persons in one clip."""
    recipe: str = "default"
    licence: str = ""
    source: Mapping[str, str] = field(default_factory=dict)
    """Source file -> sha256 at preparation."""
    lists: tuple[str, ...] = ()
    """Splits that the source defines by lists of training clips instead of a rule."""


class Segments(NamedTuple):
    """Annotated actions, (S,) each, sorted by owner and in the source's order within one."""

    owner: Ints
    """The recording: its row in the dataset, or its index in a set of recordings."""
    begin: Ints
    """First frame."""
    end: Ints
    """Last frame + 1."""
    label: Ints
    confidence: Ints
    """The source's own numbers, -1 unknown."""

    def of(self, rows: Ints) -> Segments:
        """The segments of these recordings; ``owner`` becomes the index in ``rows``."""
        first = np.searchsorted(self.owner, rows)
        count = np.searchsorted(self.owner, rows, side="right") - first
        owner = np.repeat(np.arange(len(rows)), count)
        at = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
        return Segments(owner, self.begin[at], self.end[at], self.label[at], self.confidence[at])


class Dataset(Protocol):
    """A prepared dataset, opened. Index arrays have one row per clip (n) or per track (k)."""

    info: DatasetInfo
    fingerprint: str
    """sha256 over everything that affects results; the same on every machine."""
    path: Path
    names: npt.NDArray[np.str_]
    keys: Ints
    labels: Ints
    lengths: Ints
    subjects: Ints
    cameras: Ints
    setups: Ints
    track_clip: Ints
    """(k,) sorted: the clip a track belongs to."""
    track_slot: Ints
    track_begin: Ints
    track_length: Ints
    track_offset: Ints
    """(k,) first row of the track in ``joints`` and ``valid``."""
    joints: npt.NDArray[Any]
    """(rows, V, C) float32 or float16, memory-mapped; no padding between tracks."""
    valid: Bools
    """(rows,) memory-mapped."""
    lists: Ints
    """(n,) bit i is set where ``info.lists[i]`` names the clip."""
    untrimmed: Dataset | None
    """The recordings that the clips were cut from, over the same stored frames; None where nothing was cut."""
    recording: Ints | None
    """(n,) row in ``untrimmed`` of each clip's recording; None where nothing was cut."""
    segments: Segments | None
    """Annotated actions, of a dataset of recordings; else None."""

    def __len__(self) -> int: ...

    def copies(self) -> Sequence[SharedFrames]:
        """Pairs of clips that hold the same frames; searched for once, and kept beside the data."""
        ...
