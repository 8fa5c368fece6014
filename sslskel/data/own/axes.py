"""What the axes of an array and the numbers of a joint mean: from any order to (M, T, V, C) and confidences.

The order and the numbers of a set that states none are settled in ``guessing.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.content import Content, doubles
from sslskel.data.own.layout_file import VALUES
from sslskel.data.own.units import factor
from sslskel.errors import DataError

Doubles = npt.NDArray[np.floating[Any]]
MOST_PERSONS = 10
"""More persons than this are an axis taken for another one, unless ``persons`` says how many to keep."""
FEW = 2
"""Persons that an array in another order than the usual one may hold, to be taken for it."""
DEFAULT = {3: "TVC", 4: "MTVC"}


@dataclass(frozen=True)
class ArrayFormat:
    """How the arrays of one set are to be read; the same for all its clips."""

    layout: SkeletonLayout
    coordinates: str
    """A key of ``VALUES``."""
    axes: str | None = None
    scale: float = 1.0
    persons: int | None = None
    """How many to keep of a clip that shows more; None: a clip with more than ``MOST_PERSONS`` is refused."""
    unit: str | None = None
    """What coordinates are stored in."""
    guessed: bool = False
    """Whether the numbers of a joint are not stated."""

    @property
    def dimensions(self) -> int:
        """C, 2 or 3."""
        return dimensions(self.coordinates)

    def rows(self, content: Content, where: str) -> tuple[Doubles, Doubles | None]:
        """An array of the stated axes -> (M, T, V, C), scaled, and its confidences (M, T, V) where it has some.

        Raises ``DataError`` that says what was found, expected, and which order of axes would fit.
        """
        coordinates = content.coordinates or self.coordinates
        if dimensions(coordinates) != self.dimensions:
            raise DataError(
                f"{where} gives {', '.join(coordinates)} of a joint, but the set has {', '.join(self.coordinates)};"
                f" say 'coordinates: {coordinates}' if all its files do, or leave the clip out"
            )
        array, count, values = content.array, self.layout.num_joints, VALUES[coordinates]
        if array.ndim == 2 and array.shape[1] == count * values and not content.axes:
            array = array.reshape(len(array), count, values)
        axes = order_of(content, array.ndim, self.axes)
        if axes is None or not fits(array.shape, axes, count, values):
            raise self._misfit(array.shape, axes, coordinates, where)
        if self.persons is None and dict(zip(axes, array.shape, strict=True)).get("M", 1) > MOST_PERSONS:
            raise self._crowd(array.shape, axes, coordinates, where)
        order = [axes.index(letter) for letter in "MTVC" if letter in axes]
        moved = array.transpose(order)
        moved = moved if "M" in axes else moved[None]
        # Whoever states a scale converts themselves.
        scale = self.scale if self.scale != 1 else factor(content.unit, self.unit or "")
        joints = doubles(moved[..., : self.dimensions]) * scale
        confidence = doubles(moved[..., -1]) if coordinates.endswith("c") else None
        if content.confidence is not None:
            known = content.confidence.transpose([axes.replace("C", "").index(a) for a in "MTV" if a in axes])
            confidence = doubles(known if "M" in axes else known[None])
        return joints, confidence

    def _misfit(self, shape: tuple[int, ...], axes: str | None, coordinates: str, where: str) -> DataError:
        count, values = self.layout.num_joints, VALUES[coordinates]
        others = [order for order in orders(shape, count, values) if order != axes]
        hint = f"it holds {count} joints of layout '{self.layout.name}' with {values} numbers each ({coordinates})"
        if others:
            hint = f"say 'axes: {others[0]}' in the layout file if that is its order"
        elif values == 3 and len(shape) > 1 and _some_fit(shape, count, 2):
            hint = "it fits 2D joints; say 'coordinates: xy' in the layout file, or leave 2D clips out"
        elif values == 2 and _some_fit(shape, count, 3):
            hint = "it fits 3 numbers per joint; say 'coordinates: xyc' (x, y, confidence) or 'xyz' in the layout file"
        elif _some_fit(shape, count, 4):
            hint = "it fits 4 numbers per joint; say 'coordinates: xyzc' in the layout file if the last is a confidence"
        expected = _expected(axes, count, values)
        return DataError(f"{where} has the shape {shape}; expected {expected}; {hint}")

    def _crowd(self, shape: tuple[int, ...], axes: str, coordinates: str, where: str) -> DataError:
        count, values = self.layout.num_joints, VALUES[coordinates]
        others = [order for order in orders(shape, count, values) if order != axes]
        hint = "say 'persons: 2' in the layout file (or persons=2 behind the command) to keep the two who move most"
        if others:
            hint = f"say 'axes: {others[0]}' in the layout file if that is its order, or {hint[4:]}"
        expected = _expected(axes, count, values)
        return DataError(
            f"{where} has the shape {shape}; expected {expected}; at most {MOST_PERSONS} persons are taken; {hint}"
        )


def dimensions(coordinates: str) -> int:
    """C of a key of ``VALUES``."""
    return len(coordinates.replace("c", ""))


def order_of(content: Content, axes: int, stated: str | None) -> str | None:
    """The order of so many axes: of the file itself, as stated, as its format has it, or the usual one."""
    for order in (content.axes, stated or "", content.usual):
        if len(order) == axes:
            return order
    return DEFAULT.get(axes)


def fits(shape: tuple[int, ...], axes: str, count: int, values: int) -> bool:
    """Whether an array of this order has so many joints and numbers of each."""
    sizes = dict(zip(axes, shape, strict=True))
    return sizes["V"] == count and sizes["C"] == values


def orders(shape: tuple[int, ...], count: int, values: int) -> list[str]:
    """Orders that fit a shape, the usual one first; unusual ones only with few persons."""
    usual = DEFAULT.get(len(shape))
    if usual is None:
        return []
    fitting = [order for order in map("".join, permutations(usual)) if fits(shape, order, count, values)]
    plausible = [
        order for order in fitting if order == usual or dict(zip(order, shape, strict=True)).get("M", 1) <= FEW
    ]
    return sorted(plausible, key=lambda order: (order != usual, order))


def has_other_orders(content: Content, form: ArrayFormat) -> bool:
    """Whether an array that is read in the usual order, since none is stated, fits another one too."""
    stated = order_of(content, content.array.ndim, form.axes)
    if content.axes or content.usual or stated in ("", form.axes):
        return False
    values = VALUES[content.coordinates or form.coordinates]
    return len(orders(content.array.shape, form.layout.num_joints, values)) > 1


def _some_fit(shape: tuple[int, ...], count: int, values: int) -> bool:
    if len(shape) == 2:
        return shape[1] == count * values
    return bool(orders(shape, count, values))


def _expected(axes: str | None, count: int, values: int) -> str:
    names = {"M": "persons", "T": "frames", "V": str(count), "C": str(values)}
    return f"({', '.join(names[letter] for letter in axes or 'TVC')})"
