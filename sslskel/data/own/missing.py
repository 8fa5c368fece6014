"""Joints that a recording does not show: what marks them, and what is put in their places.

A detector writes a joint that it does not find as zeros, or with confidence 0; a table leaves it empty.
Stored clips know only whole frames that are not valid, so a missing joint is filled, or takes its frame along.
Shape letters: M persons, T frames, V joints, C coordinates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.skeleton import SkeletonLayout
from sslskel.errors import DataError

Doubles = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
FILLS = ("interpolate", "drop")
"""What becomes of a missing joint: it is put between the frames that show it, or its frame is not valid."""
_BELOW = re.compile(r"confidence *< *(?P<limit>[0-9.eE+-]+)")
REACH = 2.0
"""A joint at zero that is this many bone lengths from its neighbours, or nearer, is where data are centred."""


@dataclass(frozen=True)
class MissingRule:
    """What marks a joint as missing. Confidence 0 always does, and a frame of zeros or NaN has no person."""

    zero: bool = True
    nan: bool = False
    below: float = 0.0
    """Confidences below it are as good as none."""
    fill: str = "interpolate"

    def marked(self, rows: Doubles, confidence: Doubles | None, layout: SkeletonLayout) -> Bools:
        """(M, T, V, C) and perhaps (M, T, V) confidences -> (M, T, V), True where a joint is missing."""
        gone = np.isnan(rows).any(-1) & self.nan
        if confidence is not None:
            gone |= (confidence == 0) | ((confidence < self.below) & (self.below > 0))
        if self.zero:
            zero = (rows == 0).all(-1)
            if zero.any():
                gone |= zero & ~_at_origin(rows, zero, layout)
        return np.asarray(gone, dtype=np.bool_)


def parse_missing(text: str) -> dict[str, Any]:
    """``zero``, ``nan``, ``confidence<x``, several of them with commas, or ``none`` -> fields of :class:`MissingRule`.

    Raises ``ValueError`` for anything else.
    """
    fields: dict[str, Any] = {"zero": False}
    words = [word.strip() for word in text.split(",")]
    for word in words:
        below = _BELOW.fullmatch(word)
        if word in ("zero", "nan"):
            fields[word] = True
        elif below is not None:
            fields["below"] = _number(below["limit"], text)
        elif word != "none" or len(words) > 1:
            raise ValueError(
                f"'{text}' marks no missing joint; write zero, nan, confidence<0.3, several with commas, or none"
            )
    return fields


def _number(word: str, text: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = np.nan
    if not 0 < value <= 1:
        raise ValueError(f"'{text}': a confidence is above 0 and at most 1, for instance confidence<0.3")
    return value


def _at_origin(rows: Doubles, zero: Bools, layout: SkeletonLayout) -> Bools:
    """(M, T, V) Joints at zero that belong there: bodies that are centred on a joint have it near its neighbours."""
    belongs = np.zeros_like(zero)
    around = _neighbours(layout)
    for person, row in enumerate(rows):
        away = zero[person] | np.isnan(row).any(-1)
        for joint in np.flatnonzero(zero[person].any(0)).tolist():
            near = _nearest(row[:, around[joint]], away[:, around[joint]], np.zeros(row.shape[-1]))
            shown = ~away[:, joint]
            bones = _nearest(row[:, around[joint]], away[:, around[joint]], row[:, joint, None])[shown]
            bones = bones[np.isfinite(bones)]
            length = np.median(bones) if len(bones) else _bone(row, away, layout)
            belongs[person, :, joint] = zero[person, :, joint] & (near <= REACH * length)
    return belongs


def _nearest(joints: Doubles, away: Bools, place: Doubles) -> Doubles:
    """(T,) distance of a place to the nearest of some joints (T, N, C); infinite where all are away."""
    if not joints.shape[1]:
        return np.full(len(joints), np.inf)
    distances = np.linalg.norm(np.nan_to_num(joints) - place, axis=-1)
    return np.asarray(np.where(away, np.inf, distances).min(1))


def _bone(row: Doubles, away: Bools, layout: SkeletonLayout) -> float:
    """The median bone of a person (T, V, C), or where no bone is whole the median width of the body."""
    bones = [(joint, parent) for joint, parent in enumerate(layout.parents) if parent >= 0]
    child, parent = (list(ends) for ends in zip(*bones, strict=True)) if bones else ([], [])
    lengths = np.linalg.norm(row[:, child] - row[:, parent], axis=-1)[~(away[:, child] | away[:, parent])]
    if len(lengths):
        return float(np.median(lengths))
    shown = np.where(away[..., None], np.nan, row)[~away.all(1)]
    if not len(shown):
        return 0.0
    return float(np.median(np.linalg.norm(np.nanmax(shown, 1) - np.nanmin(shown, 1), axis=-1)))


def _neighbours(layout: SkeletonLayout) -> list[list[int]]:
    """The joints that each joint shares a bone with."""
    around: list[list[int]] = [[] for _ in layout.joints]
    for joint, parent in enumerate(layout.parents):
        if parent >= 0:
            around[joint].append(parent)
            around[parent].append(joint)
    return around


@dataclass
class FillCount:
    """What was done about missing joints."""

    between: int = 0
    """Joints put between the frames that show them."""
    never: int = 0
    """Joints that no frame of their person shows, put where the nearest joint of the body is."""
    frames: int = 0
    """Frames that are not valid because they lack a joint."""


def fill(rows: Doubles, missing: Bools, valid: Bools, rule: MissingRule, layout: SkeletonLayout) -> FillCount:
    """Put a place to every missing joint of one person (T, V, C), or make its frames not valid; both in place.

    A joint moves evenly between the nearest frames that show it, and stays where it is before the first and after
    the last; one that no frame shows takes the place of the joint that is nearest in the tree.
    """
    count, gone = FillCount(), missing & valid[:, None]
    if rule.fill == "drop":
        count.frames = int(gone.any(1).sum())
        valid &= ~gone.any(1)
        return count
    never = []
    for joint in np.flatnonzero(gone.any(0)).tolist():
        at, known = np.flatnonzero(gone[:, joint]), np.flatnonzero(valid & ~missing[:, joint])
        if not len(known):
            never.append(joint)
            count.never += len(at)
            continue
        count.between += len(at)
        for axis in range(rows.shape[-1]):
            rows[at, joint, axis] = np.interp(at, known, rows[known, joint, axis])
    around = _neighbours(layout)
    for joint in never:
        nearest = next(_by_distance(joint, around, never), None)
        if nearest is not None:
            rows[valid, joint] = rows[valid, nearest]
    return count


def _by_distance(joint: int, around: list[list[int]], without: Sequence[int]) -> Iterator[int]:
    """The other joints of a tree, the nearest first, parents before children."""
    seen, queue, barred = {joint}, list(around[joint]), set(without)
    while queue:
        at = queue.pop(0)
        seen.add(at)
        if at not in barred:
            yield at
        queue.extend(other for other in around[at] if other not in seen)


def refuse_odd(
    rows: Doubles, missing: Bools, largest: float, layout: SkeletonLayout, names: list[str], where: str
) -> None:
    """Raise ``DataError`` for a value that is not a number in a joint that nothing marks as missing; rows (M, T, V,
    C)."""
    whole = np.isnan(rows).all((2, 3), keepdims=True)
    wrong = ~(np.abs(rows) <= largest) & ~whole & ~missing[..., None]
    if not wrong.any():
        return
    person, frame, joint, axis = (int(at) for at in np.argwhere(wrong)[0])
    value = rows[person, frame, joint, axis]
    who = f"person {person}, frame {names[frame]}" if len(rows) > 1 else f"frame {names[frame]}"
    hint = "correct it"
    if np.isnan(value):
        hint = "say 'missing: nan' in the layout file (or missing=nan behind the command) to have such joints filled in"
    raise DataError(
        f"{where} has the value {value} in {who}, joint '{layout.joints[joint]}' ({int(wrong.sum())} such values);"
        f" {hint}, or set the whole frame of that person to zero or NaN where the person is not visible"
    )
