"""Recipe ``agcn``: the preparation of 2s-AGCN, which ISC, CMD and PCM3 were built on.

The two most energetic of the first four listed bodies; whoever leaves is looped; moved to the
main actor's mid-spine in every frame; turned so that their spine, then their shoulders, lie
along an axis. The loop beyond the end of the clip, which the original stores up to 300 frames,
is a matter of padding and not stored.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sslskel import NTU25, DataError
from sslskel.benchmarks.common.ntu.actors import MID_SPINE, Actors, Bools, Floats, require_bodies
from sslskel.data.motion.skeleton_file import JOINTS, SkeletonFile

LISTED, ACTORS = 4, 2
HIP = NTU25.joint("spine_base")
SHOULDERS = NTU25.joint("right_shoulder"), NTU25.joint("left_shoulder")
UP, ACROSS = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)
TINY = 1e-6
"""Vectors shorter and angles smaller than this turn nothing."""

Matrix = npt.NDArray[np.float64]


def agcn(recording: SkeletonFile, where: str) -> Actors:
    """The actors of a file over all its frames; the place in a frame's list, not the identity, tells bodies apart."""
    require_bodies(recording, where)
    listed = np.zeros((LISTED, recording.frames, JOINTS, 3), np.float32)
    beyond = 0
    for body in recording.bodies:
        for row, frame, place in zip(body.joints, body.frames, body.places, strict=True):
            beyond += place >= LISTED
            if place < LISTED:
                listed[place, frame] = row
    energy = [_energy(person) for person in listed]
    chosen = np.argsort(energy, kind="stable")[::-1][:ACTORS]
    looped = [_looped(listed[person]) for person in chosen]
    if not looped[0].any():
        raise DataError(f"'{where}' holds bodies whose coordinates are all 0, so there is no clip in it")
    joints = np.stack([person for person in looped if person.any()])
    valid = np.asarray(joints.any(axis=(2, 3)))
    joints = _centred(joints)
    joints = _turned(joints, joints[0, 0, MID_SPINE] - joints[0, 0, HIP], UP)
    joints = _turned(joints, joints[0, 0, SHOULDERS[0]] - joints[0, 0, SHOULDERS[1]], ACROSS)
    done = {
        "body places discarded, less energetic than two others": sum(map(bool, energy)) - len(joints),
        "bodies passed over, listed fifth or later in a frame": beyond,
    }
    return Actors(joints, valid, {what: number for what, number in done.items() if number})


def _energy(person: Floats) -> float:
    """Standard deviations of x, y and z over all joints and frames in which a person is there, summed."""
    rows = person[_there(person)].astype(np.float64)
    return float(rows.std(axis=(0, 1)).sum()) if len(rows) else 0.0


def _there(person: Floats) -> Bools:
    return np.asarray(person.any(axis=(1, 2)))


def _looped(person: Floats) -> Floats:
    """A person who is not there first begins at once; one who leaves for good begins again from the start.

    Gaps between stay empty, unless the first frame is one: then all are closed up.
    """
    there = np.flatnonzero(_there(person))
    if not len(there):
        return person
    held = person[there] if there[0] else person[: there[-1] + 1]
    looped: Floats = held[np.arange(len(person)) % len(held)]
    return looped


def _centred(joints: Floats) -> Floats:
    """Less the main actor's mid-spine of the same frame; what is 0 stays 0."""
    centre = joints[0, :, MID_SPINE][None, :, None]
    return np.where(joints.any(axis=3, keepdims=True), joints - centre, np.float32(0))


def _turned(joints: Floats, direction: Floats, onto: tuple[float, float, float]) -> Floats:
    """Turned by the shortest way that brings a direction onto an axis."""
    matrix = rotation(direction.astype(np.float64), onto)
    return (joints.astype(np.float64) @ matrix.T).astype(np.float32)


def rotation(direction: Matrix, onto: tuple[float, float, float]) -> Matrix:
    """(3, 3) that turns ``direction`` onto the unit vector ``onto``; nothing where they are parallel already."""
    length = float(np.linalg.norm(direction))
    axis = np.cross(direction, onto)
    sine, cosine = float(np.linalg.norm(axis)), float(np.dot(direction, onto))
    if length < TINY or sine < TINY * length:
        return np.eye(3)
    x, y, z = axis / sine
    angle = np.arctan2(sine, cosine)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew)
