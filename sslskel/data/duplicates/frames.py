"""Frames as numbers to search by: which rows of a dataset may hold the same pose, found by sorting and never in pairs.

A dataset is taken track by track; a position counts the frames of all tracks in a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.dataset import Dataset, Ints
from sslskel.data.duplicates.poses import COURSES, POINT, Reals, distances, joint_pairs, projection, whole_cells
from sslskel.hashing import stable_id
from sslskel.progress import Reporter

Codes = npt.NDArray[np.uint64]
BLOCK = 1 << 13
"""Frames that are held at once."""
SAMPLE = 1 << 12
"""Frames that the size of bodies is taken from."""
FEATURES = 10
"""Numbers of a pose that are put on a grid."""
CELL = 0.02
"""Size of its cells, in mean distances of joints: about 1 cm for a person."""
COURSE_FEATURES = 24
"""Numbers of a whole track."""
PART = 1 << 22
"""Codes that are sorted at once."""
MANY = 64
"""Clips from which on a pose is a common one, whose clips are only linked in a chain."""
LAGS = 4
"""Clips further on to which each clip with the same pose is linked."""


@dataclass(frozen=True)
class Positions:
    """Where the tracks of a dataset lie in its rows, and in the row of all tracks."""

    clip: Ints
    """(k,) of each track."""
    offset: Ints
    """(k,) first row of each track."""
    length: Ints
    start: Ints
    """(k,) first position of each track."""

    @classmethod
    def of(cls, dataset: Dataset) -> Positions:
        """Those of all tracks."""
        length = dataset.track_length
        return cls(dataset.track_clip, dataset.track_offset, length, length.cumsum() - length)

    def track(self, positions: Ints) -> Ints:
        """Which track each position belongs to."""
        return np.searchsorted(self.start, positions, side="right") - 1

    def rows(self, positions: Ints) -> Ints:
        """Row of the dataset of each position."""
        track = self.track(positions)
        return self.offset[track] + positions - self.start[track]

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Tracks from, to: groups of about ``BLOCK`` frames, one track at least."""
        first = 0
        while first < len(self.length):
            last = int(np.searchsorted(self.start, self.start[first] + BLOCK, side="right")) - 1
            last = max(first + 1, last)
            yield first, last
            first = last


@dataclass(frozen=True)
class FrameCodes:
    """What all frames and tracks of a dataset look like, in numbers."""

    scale: float
    """Mean distance of joints, in the dataset's unit: the median over frames."""
    poses: Codes
    """By position: equal for nearly equal poses most of the time; 0 for a frame without a body."""
    exact: Codes
    """By position: equal for equal frames alone; 0 for a frame without a body."""
    courses: Reals
    """(k, COURSE_FEATURES) of each track: near each other for those that move alike, whatever their lengths."""
    motion: Reals
    """(k,) mean standard deviation of distances over the time of a track, in units of ``scale``."""


def body_scale(dataset: Dataset, pairs: tuple[Ints, Ints]) -> float:
    """Median over frames of the mean distance of joints; 0 where there is no body."""
    rows = np.unique(np.linspace(0, len(dataset.joints) - 1, SAMPLE).astype(np.int64))
    means = distances(np.asarray(dataset.joints[rows]), pairs).mean(1)[np.asarray(dataset.valid[rows])]
    means = means[means > 0]
    return float(np.median(means)) if len(means) else 0.0


def frame_codes(dataset: Dataset, positions: Positions, scale: float, reporter: Reporter) -> FrameCodes:
    """Read every frame once. Memory: 16 bytes per frame, and one block."""
    pairs, total = joint_pairs(dataset.joints.shape[1]), int(positions.length.sum())
    poses, exact = np.zeros(total, np.uint64), np.zeros(total, np.uint64)
    course = np.zeros((len(positions.length), COURSE_FEATURES))
    motion = np.zeros(len(positions.length))
    for first, last in positions.blocks():
        begin, end = int(positions.start[first]), int(positions.start[last - 1] + positions.length[last - 1])
        rows = positions.rows(np.arange(begin, end))
        joints = np.asarray(dataset.joints[rows])
        series = distances(joints, pairs) / scale
        seen = np.asarray(dataset.valid[rows]) & (series.mean(1) > max(POINT, 0.01))
        poses[begin:end] = np.where(seen, _cell_codes(series), 0)
        exact[begin:end] = np.where(seen, _byte_codes(joints), 0)
        starts = positions.start[first:last] - begin
        course[first:last], motion[first:last] = _courses(series, starts, positions.length[first:last])
        reporter.step("search for copies: frames", end, total)
    return FrameCodes(scale, poses, exact, course, motion)


def _cell_codes(series: Reals) -> Codes:
    numbers = series @ projection(series.shape[1], FEATURES, "pose")
    return _mixed(whole_cells(numbers / CELL).view(np.uint64))


def _byte_codes(joints: npt.NDArray[Any]) -> Codes:
    # Adding 0 makes -0 and 0 the same bytes.
    whole = np.ascontiguousarray(joints, np.float32).reshape(len(joints), -1) + np.float32(0)
    return _mixed(whole.view(np.uint32).astype(np.uint64))


def _mixed(columns: Codes) -> Codes:
    """(R, K) whole numbers -> (R,) 64-bit codes that differ where a number does, but for chance; never 0."""
    factors = np.array([stable_id("code", str(at)) | 1 for at in range(columns.shape[1])], np.uint64)
    spread = (columns ^ (columns >> np.uint64(17))) * np.uint64(0x9E3779B97F4A7C15)
    codes: Codes = ((spread ^ (spread >> np.uint64(29))) * factors).sum(1, dtype=np.uint64)
    codes ^= codes >> np.uint64(31)
    # 0 stands for a frame without a body.
    codes[codes == 0] = 1
    return codes


def _courses(series: Reals, starts: Ints, lengths: Ints) -> tuple[Reals, Reals]:
    """Means over time of distances times cosines, projected, and how much distances vary, for each track of a block."""
    times = (np.arange(len(series)) - np.repeat(starts, lengths) + 0.5) / np.repeat(lengths, lengths)
    waves = [np.add.reduceat(series * np.cos(np.pi * k * times)[:, None], starts) for k in range(COURSES)]
    mean = [wave / lengths[:, None] for wave in waves]
    square = np.add.reduceat(series**2, starts) / lengths[:, None]
    spread = np.sqrt(np.maximum(square - mean[0] ** 2, 0)).mean(1)
    numbers = np.concatenate(mean, 1)
    return numbers @ projection(numbers.shape[1], COURSE_FEATURES, "course"), spread


def links(codes: Codes, group: Ints, positions: Positions) -> Iterator[tuple[Ints, Ints]]:
    """Positions (i, j) of equal codes in clips of different ``group`` (k, of each track): at most ``LAGS`` for each i.

    A pose that ``MANY`` clips share links each of them with the next one alone, so that a common pose costs no more
    than others. Memory: a part of the codes at a time.
    """
    parts = -(-len(codes) // PART)
    for part in range(parts):
        chosen = np.flatnonzero((codes % np.uint64(parts) == part) & (codes != 0))
        chosen = chosen[np.argsort(codes[chosen], kind="stable")]
        own = codes[chosen]
        owner = group[positions.track(chosen)]
        fresh = np.ones(len(chosen), np.bool_)
        fresh[1:] = (own[1:] != own[:-1]) | (owner[1:] != owner[:-1])
        chosen, own = chosen[fresh], own[fresh]
        _, place, size = np.unique(own, return_inverse=True, return_counts=True)
        for lag in range(1, LAGS + 1):
            same = own[lag:] == own[:-lag]
            if lag > 1:
                same &= size[place[lag:]] < MANY
            at = np.flatnonzero(same)
            if len(at):
                yield chosen[at], chosen[at + lag]
