"""What the axes of an array mean: from any stated order to (M, T, V, C), and from there to the tracks of a clip.

How arrays are read from files is in ``npy_files.py``, ``text_files.py`` and ``recordings.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.dataset import Track
from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.layout_file import VALUES, Description
from sslskel.errors import DataError

Doubles = npt.NDArray[np.floating[Any]]
MOST_PERSONS = 10
"""More persons than this are an axis taken for another one."""
DEFAULT = {3: "TVC", 4: "MTVC"}
INFERRED = {2: "xy", 3: "xyz"}
"""What the numbers of a joint are taken for by default."""
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class ArrayFormat:
    """How the arrays of one set are to be read; the same for all its clips."""

    layout: SkeletonLayout
    coordinates: str
    """A key of ``VALUES``."""
    axes: str | None = None
    scale: float = 1.0

    @property
    def dimensions(self) -> int:
        """C, 2 or 3."""
        return len(self.coordinates.replace("c", ""))

    def persons(self, array: npt.NDArray[Any], where: str) -> Doubles:
        """An array of the stated axes -> (M, T, V, C), confidences left out, scaled.

        Raises ``DataError`` that says what was found, expected, and which order of axes would fit.
        """
        count, values = self.layout.num_joints, VALUES[self.coordinates]
        if array.ndim == 2 and array.shape[1] == count * values:
            array = array.reshape(len(array), count, values)
        axes = self.axes if array.ndim == len(self.axes or "") else DEFAULT.get(array.ndim)
        if axes is None or not self._fits(array.shape, axes):
            raise self._misfit(array.shape, axes, where)
        order = [axes.index(letter) for letter in "MTVC" if letter in axes]
        moved = array.transpose(order)
        rows = moved if "M" in axes else moved[None]
        return rows[..., : self.dimensions].astype(np.float64) * self.scale

    def _fits(self, shape: tuple[int, ...], axes: str) -> bool:
        sizes = dict(zip(axes, shape, strict=True))
        known = sizes["V"] == self.layout.num_joints and sizes["C"] == VALUES[self.coordinates]
        return known and sizes.get("M", 1) <= MOST_PERSONS

    def _misfit(self, shape: tuple[int, ...], axes: str | None, where: str) -> DataError:
        count, values = self.layout.num_joints, VALUES[self.coordinates]
        words = {"M": "persons", "T": "frames", "V": str(count), "C": str(values)}
        expected = f"({', '.join(words[letter] for letter in axes or 'TVC')})"
        letters = {3: "TVC", 4: "MTVC"}.get(len(shape), "")
        others = sorted({"".join(p) for p in permutations(letters)} - {axes})
        fitting = [order for order in others if order and self._fits(shape, order)]
        hint = f"it holds {count} joints of layout '{self.layout.name}' with {values} numbers each ({self.coordinates})"
        if fitting:
            hint = f"say 'axes: {fitting[0]}' in the layout file if that is its order"
        elif values == 3 and len(shape) > 1 and self._with(2)._fits_some(shape):
            hint = "it fits 2D joints; say 'coordinates: xy' in the layout file, or leave 2D clips out"
        elif values == 2 and self._with(3)._fits_some(shape):
            hint = "it fits 3 numbers per joint; say 'coordinates: xyc' (x, y, confidence) or 'xyz' in the layout file"
        if axes and len(axes) == 4 and len(shape) == 4 and dict(zip(axes, shape, strict=True))["M"] > MOST_PERSONS:
            hint = f"at most {MOST_PERSONS} persons are taken; {hint}"
        return DataError(f"{where} has the shape {shape}; expected {expected}; {hint}")

    def _with(self, values: int) -> ArrayFormat:
        return replace(self, coordinates=INFERRED[values], axes=None)

    def _fits_some(self, shape: tuple[int, ...]) -> bool:
        letters = {3: "TVC", 4: "MTVC"}.get(len(shape), "")
        if len(shape) == 2:
            return shape[1] == self.layout.num_joints * VALUES[self.coordinates]
        return any(self._fits(shape, "".join(order)) for order in permutations(letters)) if letters else False


def array_format(description: Description, layout: SkeletonLayout, sample: npt.NDArray[Any] | None) -> ArrayFormat:
    """How to read a set: as its description says; without a word on coordinates as its first array suggests."""
    coordinates = description.coordinates
    if coordinates is None:
        guesses = [ArrayFormat(layout, INFERRED[values], description.axes) for values in (3, 2)]
        shape = () if sample is None else sample.shape
        fitting = [guess for guess in guesses if _default_fit(guess, shape)] or [
            guess for guess in guesses if guess._fits_some(shape)
        ]
        coordinates = fitting[0].coordinates if fitting else "xyz"
    return ArrayFormat(layout, coordinates, description.axes, description.scale)


def _default_fit(guess: ArrayFormat, shape: tuple[int, ...]) -> bool:
    if len(shape) == 2:
        return guess._fits_some(shape)
    axes = guess.axes if len(shape) == len(guess.axes or "") else DEFAULT.get(len(shape))
    return axes is not None and guess._fits(shape, axes)


def cut(rows: Doubles, begin: int, end: int | None, where: str) -> Doubles:
    """Frames ``begin`` to ``end`` (not included) of (M, T, V, C)."""
    frames = rows.shape[1]
    if not frames:
        raise DataError(f"{where} has no frames; leave the clip out of the table")
    if begin >= frames or (end or 0) > frames:
        raise DataError(
            f"{where} has {frames} frames, but the table asks for {begin} to {end or frames}; correct the table"
        )
    return rows[:, begin:end]


def tracks_of(rows: Doubles, layout: SkeletonLayout, where: str) -> tuple[int, tuple[Track, ...], int]:
    """(M, T, V, C) -> length of the clip in frames, its tracks, and how many frames without a person were cut off.

    A frame of a person that is zero or NaN everywhere is one in which they are absent. Frames in
    which all are absent are cut off at both ends; persons who never appear take no slot.
    Raises ``DataError`` naming frame (of the array, from 0) and joint of a value that is no number,
    and where no frame has a person.
    """
    missing = np.isnan(rows)
    seen = ~(missing | (rows == 0)).all((2, 3))
    wrong = ~(np.abs(rows) <= LARGEST) & ~missing.all((2, 3), keepdims=True)
    if wrong.any():
        person, frame, joint, axis = (int(at) for at in np.argwhere(wrong)[0])
        value = rows[person, frame, joint, axis]
        who = f"person {person}, frame {frame}" if len(rows) > 1 else f"frame {frame}"
        raise DataError(
            f"{where} has the value {value} in {who}, joint '{layout.joints[joint]}' ({int(wrong.sum())} such"
            " values); fill it in, or set the whole frame of that person to zero or NaN where the person is not visible"
        )
    frames = np.flatnonzero(seen.any(0))
    if not len(frames):
        total = rows.shape[1]
        raise DataError(
            f"{where} has no person: all its {total} frames are zero or NaN; leave the clip out of the table"
        )
    first, last = int(frames[0]), int(frames[-1]) + 1
    tracks: list[Track] = []
    for slot in np.flatnonzero(seen.any(1)):
        own = np.flatnonzero(seen[slot])
        begin, end = int(own[0]), int(own[-1]) + 1
        valid = seen[slot, begin:end]
        joints = np.where(valid[:, None, None], rows[slot, begin:end], 0).astype(np.float32)
        tracks.append(Track(len(tracks), begin - first, joints, valid.copy()))
    return last - first, tuple(tracks), rows.shape[1] - (last - first)
