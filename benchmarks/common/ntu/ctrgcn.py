"""Recipe ``ctrgcn``: the preparation released with CTR-GCN and MAMP, equal to it bit for bit, accidents included.

The rules are quoted by their steps: reading (gaps close up), denoising, two actors,
translation. Recipe ``clean`` has none of the accidents.
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
from sslskel.data.motion.skeleton_file import JOINTS, SkeletonFile

WIDTH = 3 * JOINTS


@dataclass(frozen=True)
class _ClosedIdentity:
    """Rows of one identity. They close up: row i counts as seen in valid frame ``first`` + i, whatever was recorded."""

    first: int
    rows: Floats
    motion: float = 0.0

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1


def ctrgcn(recording: SkeletonFile, where: str) -> Actors:
    """The actors of a file; frames without a body are left out, so time has no gaps."""
    require_bodies(recording, where)
    seen = recording.seen()
    position = {frame: i for i, frame in enumerate(seen)}
    tally = Counter({"frames without a body, removed": recording.frames - len(seen)})
    bodies = [_ClosedIdentity(position[body.frames[0]], body.joints) for body in recording.bodies]
    if len(bodies) == 1:
        return _one(bodies[0].rows.reshape(-1, WIDTH), where, tally)
    bodies = _denoised(bodies, where, tally)
    if len(bodies) == 1:
        rows = _placed(bodies[0], len(seen), WIDTH)
        return _one(_with_numbers(rows, tally), where, tally)
    return _two(_with_numbers(_tracks(bodies, len(seen), tally), tally), where, tally)


def _denoised(bodies: list[_ClosedIdentity], where: str, tally: Counter[str]) -> list[_ClosedIdentity]:
    """Without short and wide identities, most motion first; rules of length and of spread."""
    kept = [body for body in bodies if len(body.rows) >= SHORTEST]
    tally["bodies deleted, shorter than 12 frames"] += len(bodies) - len(kept)
    if not kept:
        raise DataError(
            f"'{where}' holds {len(bodies)} bodies, all seen in fewer than {SHORTEST} frames: recipe ctrgcn deletes"
            " them all; recipe clean keeps the longest"
        )
    kept = [replace(body, motion=motion_of(body.rows)) for body in kept]
    left, tested = len(kept), []
    for body in kept:
        noisy = is_noisy(body.rows) if left > 1 else np.zeros(len(body.rows), np.bool_)
        if noisy.any() and noisy.mean() >= NOISY:
            left -= 1
            tally["bodies deleted, too wide"] += 1
            continue
        still = min(body.motion, motion_of(body.rows[~noisy])) if noisy.any() else body.motion
        tested.append(replace(body, motion=still))
    return sorted(tested, key=lambda body: -body.motion)


def _tracks(bodies: Sequence[_ClosedIdentity], frames: int, tally: Counter[str]) -> Floats:
    """(frames, 150): the two tracks, each extended by whoever does not overlap the hull of what it holds."""
    joints = _placed(bodies[0], frames, 2 * WIDTH)
    # The second interval starts at frame 0 and never shrinks: an accident of the original that equality needs.
    spans = [(bodies[0].first, bodies[0].last), (0, 0)]
    for body in bodies[1:]:
        for actor, (first, last) in enumerate(spans):
            # Inclusive ends: one shared frame is no overlap, and whoever comes later owns it.
            if min(last, body.last) - max(first, body.first) <= 0:
                joints[body.first : body.last + 1, actor * WIDTH :][:, :WIDTH] = body.rows.reshape(-1, WIDTH)
                spans[actor] = (min(first, body.first), max(last, body.last))
                break
        else:
            tally["bodies discarded, overlapping two actors"] += 1
    return joints


def _placed(body: _ClosedIdentity, frames: int, width: int) -> Floats:
    joints = np.zeros((frames, width), np.float32)
    joints[body.first : body.last + 1, :WIDTH] = body.rows.reshape(-1, WIDTH)
    return joints


def _with_numbers(joints: Floats, tally: Counter[str]) -> Floats:
    """Without the frames whose numbers sum to exactly 0, the mark of frames without a person."""
    kept: Floats = joints[joints.sum(axis=1) != 0]
    tally["frames whose bodies were deleted, removed"] += len(joints) - len(kept)
    return kept


def _one(joints: Floats, where: str, tally: Counter[str]) -> Actors:
    """A clip of one person: every frame counts as seen."""
    moved = joints - _origin(joints, where)
    return _actors(moved[None], np.ones((1, len(joints)), np.bool_), tally)


def _two(joints: Floats, where: str, tally: Counter[str]) -> Actors:
    """A clip of two tracks: a frame in which an actor's numbers sum to exactly 0 is one without that actor."""
    both = joints.reshape(len(joints), 2, WIDTH).swapaxes(0, 1)
    valid = np.ascontiguousarray(both).sum(axis=2) != 0
    moved = np.where(valid[..., None], both - _origin(both[0], where), np.float32(0))
    return _actors(moved, valid, tally)


def _origin(actor: Floats, where: str) -> Floats:
    """(75,) mid-spine of the first frame that has a number, once per joint."""
    with_number = np.flatnonzero((actor != 0).any(axis=1))
    if not len(with_number):
        raise DataError(f"'{where}' holds a main actor whose coordinates are all 0, so there is no clip in it")
    at = actor[with_number[0], 3 * MID_SPINE :][:3]
    return np.asarray(np.tile(at, JOINTS))


def _actors(joints: Floats, valid: Bools, tally: Counter[str]) -> Actors:
    shape = (len(joints), -1, JOINTS, 3)
    return Actors(joints.reshape(shape), valid, {what: number for what, number in tally.items() if number})
