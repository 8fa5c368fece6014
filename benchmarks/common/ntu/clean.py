"""Recipe ``clean``: two actors as in ``ctrgcn``, without the accidents of its code.

What differs: a body stays in the frames in which it was seen; frames without a body stay in
place inside a clip; being seen is recorded and not guessed from a sum of 0; a body joins an
actor whom it shares no more than one frame with; of short or wide bodies alone the best is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sslskel import DataError
from sslskel.benchmarks.common.ntu.actors import (
    MID_SPINE,
    NOISY,
    SHORTEST,
    Actors,
    Bools,
    Floats,
    is_noisy,
    motion_of,
    require_bodies,
)
from sslskel.data.motion.skeleton_file import JOINTS, Body, SkeletonFile

ACTORS = 2
SHARED = 1
"""Frames that an identity may share with the actor it continues; the one placed first keeps them."""


@dataclass(frozen=True)
class _Identity:
    frames: tuple[int, ...]
    rows: Floats
    """(rows, 25, 3) as seen in ``frames``."""
    noisy: float = 0.0
    motion: float = 0.0


def clean(recording: SkeletonFile, where: str) -> Actors:
    """The actors of a file, from the first to the last frame with one; time runs on through gaps."""
    require_bodies(recording, where)
    tally: Counter[str] = Counter()
    bodies = [body for body in map(_with_numbers, recording.bodies) if len(body.rows)]
    if not bodies:
        raise DataError(f"'{where}' holds bodies whose coordinates are all 0, so there is no clip in it")
    if len(bodies) > 1:
        bodies = _upright(_long(bodies, tally), tally)
    joints = np.zeros((ACTORS, recording.frames, JOINTS, 3), np.float32)
    valid = np.zeros(joints.shape[:2], np.bool_)
    for body in sorted(bodies, key=lambda body: -body.motion):
        _place(body, joints, valid, tally)
    seen = np.flatnonzero(valid.any(axis=0))
    part = slice(int(seen[0]), int(seen[-1]) + 1)
    tally["frames without a body inside a clip, kept in place"] += part.stop - part.start - len(seen)
    joints, valid = joints[:, part], valid[:, part]
    origin = joints[0, valid[0].argmax(), MID_SPINE]
    moved = np.where(valid[..., None, None], joints - origin, np.float32(0))
    return Actors(moved, valid, {what: number for what, number in tally.items() if number})


def _with_numbers(body: Body) -> _Identity:
    """Rows whose 75 coordinates are all 0 mean that the tracker had lost the body."""
    kept = (body.joints != 0).any(axis=(1, 2))
    return _Identity(tuple(np.asarray(body.frames)[kept].tolist()), body.joints[kept])


def _long(bodies: Sequence[_Identity], tally: Counter[str]) -> list[_Identity]:
    """Without those seen in fewer than 12 frames, or the longest where none would be left."""
    longest = max(len(body.rows) for body in bodies)
    least = min(SHORTEST, longest)
    kept = [body for body in bodies if len(body.rows) >= least][: None if longest >= SHORTEST else 1]
    tally["bodies deleted, shorter than 12 frames"] += len(bodies) - len(kept)
    return kept


def _upright(bodies: Sequence[_Identity], tally: Counter[str]) -> list[_Identity]:
    """Without those too wide in most frames, or the least wide where none would be left; with their motion."""
    tested = []
    for body in bodies:
        exact, noisy = body.rows.astype(np.float64), is_noisy(body.rows)
        still = motion_of(exact[~noisy]) if noisy.any() and not noisy.all() else np.inf
        tested.append(replace(body, noisy=float(noisy.mean()), motion=min(motion_of(exact), still)))
    kept = [body for body in tested if body.noisy < NOISY] or [min(tested, key=lambda body: body.noisy)]
    tally["bodies deleted, too wide"] += len(bodies) - len(kept)
    return kept


def _place(body: _Identity, joints: Floats, valid: Bools, tally: Counter[str]) -> None:
    """Give a body to the first actor whose frames are others."""
    frames = np.asarray(body.frames)
    for actor in range(ACTORS):
        free = ~valid[actor, frames]
        if (~free).sum() <= SHARED:
            joints[actor, frames[free]] = body.rows[free]
            valid[actor, frames] = True
            return
    tally["bodies discarded, overlapping two actors"] += 1
