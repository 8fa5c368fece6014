"""What all recipes make of a file: actors over frames, their tracks, and the sentence where none can be made.

How bodies become actors is what the recipes differ in: ``ctrgcn``, ``clean``, ``agcn``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel import DataError, Track
from sslskel.data.motion.skeleton_file import SkeletonFile

MID_SPINE = 1
"""Joint that becomes the origin."""
SHORTEST = 12
"""Frames below which an identity beside others is taken for a fault of the tracker."""
WIDE = 0.8
"""A body wider than this many times its height is not an upright person; it is noise in that frame."""
NOISY = 0.69754
"""Share of noisy frames from which on an identity is deleted."""

Floats = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Actors:
    """The persons of a clip: (M, T, 25, 3) float32 metres, and (M, T) where they are seen."""

    joints: npt.NDArray[np.float32]
    valid: Bools
    tally: Mapping[str, int] = field(default_factory=dict)
    """What the recipe did, in words, and how often."""

    def tracks(self) -> tuple[Track, ...]:
        """One per actor who is seen, from the first to the last frame in which that is so."""
        tracks = []
        for slot, (joints, valid) in enumerate(zip(self.joints, self.valid, strict=True)):
            seen = np.flatnonzero(valid)
            if len(seen):
                part = slice(int(seen[0]), int(seen[-1]) + 1)
                tracks.append(Track(slot, part.start, np.ascontiguousarray(joints[part]), valid[part].copy()))
        return tuple(tracks)


Recipe = Callable[[SkeletonFile, str], Actors]
"""From the bodies of a file, and its name for errors, to actors; ``DataError`` where it has no person."""


def require_bodies(recording: SkeletonFile, where: str) -> None:
    """Raise ``DataError`` where no person is seen in any frame."""
    if not recording.bodies:
        raise DataError(f"'{where}' holds no body in any of its {recording.frames} frames, so there is no clip in it")


def is_noisy(joints: Floats) -> Bools:
    """(rows,) where a body of (rows, 25, 3) is wider than 0.8 of its height.

    The extents are differences in the joints' own precision; the comparison is in double
    precision, as numpy below version 2 made it.
    """
    extent = (joints.max(1) - joints.min(1)).astype(np.float64)
    return np.asarray(extent[:, 0] > WIDE * extent[:, 1])


def motion_of(joints: Floats) -> float:
    """How much a body moves: the variances of x, y and z over all joints and frames, summed, in its precision."""
    return float(joints.reshape(-1, 3).var(axis=0).sum())
