"""From the numbers of a recording to the persons of a clip: who is there when, who is kept, what is filled in.

What marks a joint as missing, and what fills it, is in ``missing.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.dataset import Track
from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.missing import FillCount, MissingRule, fill, refuse_odd
from sslskel.errors import DataError

Doubles = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Shown:
    """What a recording shows in the frames that a clip takes of it."""

    rows: Doubles
    """(M, T, V, C)."""
    confidence: Doubles | None
    """(M, T, V)."""
    names: list[str]
    """What its file calls each frame."""
    where: str


@dataclass
class ShownCount:
    """What was left out or filled in on the way to a clip."""

    joints: int = 0
    """Of persons who are there."""
    filled: FillCount = field(default_factory=FillCount)
    ended: int = 0
    """Frames without a person that were cut off at both ends."""
    inside: int = 0
    """Frames without a person between the others."""
    persons: int = 0
    """Persons beyond the slots."""


def tracks_of(
    shown: Shown, layout: SkeletonLayout, rule: MissingRule, persons: int | None
) -> tuple[int, tuple[Track, ...], ShownCount]:
    """Length of the clip in frames, its tracks, and what was done to get there.

    A frame of a person that is zero, NaN or missing in every joint is one in which they are absent. Frames
    in which all are absent are cut off at both ends; persons who never appear take no slot. Of more
    than ``persons`` those who move most are kept. Raises ``DataError`` naming frame and joint of a value
    that is not a number, and where no frame has a person.
    """
    missing = rule.marked(shown.rows, shown.confidence, layout)
    refuse_odd(shown.rows, missing, LARGEST, layout, shown.names, shown.where)
    empty = (np.isnan(shown.rows) | (shown.rows == 0)).all(-1)
    seen = ~(empty | missing).all(2)
    count = ShownCount()
    slots = np.flatnonzero(seen.any(1))
    if persons is not None and len(slots) > persons:
        count.persons = len(slots) - persons
        slots = _most_moving(shown.rows, missing, seen, slots, persons)
    valid = {int(slot): seen[slot].copy() for slot in slots}
    rows = {int(slot): shown.rows[slot].copy() for slot in slots}
    for slot in valid:
        count.joints += int(valid[slot].sum()) * layout.num_joints
        _add(count.filled, fill(rows[slot], missing[slot], valid[slot], rule, layout))
    present = np.any([*valid.values(), np.zeros(shown.rows.shape[1], bool)], axis=0)
    frames = np.flatnonzero(present)
    if not len(frames):
        raise _nobody(shown, bool(empty.all()), rule)
    first, last = int(frames[0]), int(frames[-1]) + 1
    count.ended, count.inside = len(present) - (last - first), last - first - len(frames)
    tracks: list[Track] = []
    for slot, there in valid.items():
        own = np.flatnonzero(there)
        if not len(own):
            continue
        begin, end = int(own[0]), int(own[-1]) + 1
        joints = np.where(there[begin:end, None, None], rows[slot][begin:end], 0).astype(np.float32)
        tracks.append(Track(len(tracks), begin - first, joints, there[begin:end].copy()))
    return last - first, tuple(tracks), count


def _add(total: FillCount, part: FillCount) -> None:
    total.between += part.between
    total.never += part.never
    total.frames += part.frames


def _most_moving(
    rows: Doubles, missing: Bools, seen: Bools, slots: npt.NDArray[np.intp], most: int
) -> npt.NDArray[np.intp]:
    """The slots of those whose joints go the longest way in all, in their order; of equals, those seen longest."""
    keys = []
    for slot in slots.tolist():
        both = ~missing[slot, 1:] & ~missing[slot, :-1] & (seen[slot, 1:] & seen[slot, :-1])[:, None]
        ways = np.linalg.norm(np.nan_to_num(np.diff(rows[slot], axis=0)), axis=-1)
        keys.append((-float(ways[both].sum()), -int(seen[slot].sum()), slot))
    return np.asarray(sorted(slot for _, _, slot in sorted(keys)[:most]), dtype=np.intp)


def _nobody(shown: Shown, empty: bool, rule: MissingRule) -> DataError:
    total = shown.rows.shape[1]
    if empty:
        why = f"has no person: all its {total} frames are zero or NaN; leave the clip out of the table"
    elif rule.fill == "drop":
        why = f"lacks a joint in each of its {total} frames; say fill=interpolate, or leave the clip out of the table"
    else:
        why = (
            f"has no person: in all its {total} frames every joint is zero, NaN or without confidence; correct"
            " 'coordinates' or 'missing', or leave the clip out of the table"
        )
    return DataError(f"{shown.where} {why}")
