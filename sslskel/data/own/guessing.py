"""What is not stated of the arrays of a set: the order of their axes, and what the numbers of a joint are.

Whatever fits in two ways is refused with the ways that fit, never taken for one of them in silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.axes import DEFAULT, ArrayFormat, dimensions, order_of, orders
from sslskel.data.own.bodies import dimensions_of
from sslskel.data.own.content import Content, doubles
from sslskel.data.own.layout_file import VALUES, Description
from sslskel.errors import DataError

GUESSES = ("xyz", "xyc", "xy", "xyzc")
LOOKED_AT = 20
"""Clips that are opened to find one whose shape fits one order alone."""
PIXELS = 10.0
"""Coordinates beyond this beside a number from 0 to 1 are pixels beside a score."""


@dataclass(frozen=True)
class Reading:
    """One way to read a shape."""

    axes: str
    coordinates: str

    def persons(self, shape: tuple[int, ...]) -> int:
        """M of an array of this shape."""
        return shape[self.axes.index("M")] if "M" in self.axes else 1


def array_format(
    description: Description, layout: SkeletonLayout, contents: Iterable[tuple[str, Content]]
) -> ArrayFormat:
    """How to read a set: as its description says; what it does not say, as its first arrays show.

    ``contents`` are clips with their names for errors, opened one by one as far as they are needed. Raises
    ``DataError`` where all that were opened fit in several ways.
    """
    if description.coordinates is not None:
        return _form(description, layout, description.coordinates)
    first: DataError | None = None
    for number, (where, content) in enumerate(contents):
        if content.coordinates:
            return _form(description, layout, content.coordinates)
        ways = _ways(description, layout, content)
        if len({way.axes for way in ways}) < 2:
            return replace(_form(description, layout, _numbers(where, content, layout, ways)), guessed=True)
        first = first or _ambiguous(where, content.array.shape, ways)
        if number + 1 >= LOOKED_AT:
            break
    if first is not None:
        raise first
    return _form(description, layout, "xyz")


def _form(description: Description, layout: SkeletonLayout, coordinates: str) -> ArrayFormat:
    return ArrayFormat(layout, coordinates, description.axes, description.scale, description.persons)


def _ways(description: Description, layout: SkeletonLayout, content: Content) -> list[Reading]:
    """The ways to read an array; only those of the body's own dimension, unless none of these fits."""
    shape, count = content.array.shape, layout.num_joints
    stated = order_of(content, len(shape), description.axes)
    free = stated == DEFAULT.get(len(shape)) and stated not in (content.axes, content.usual, description.axes)
    ways = []
    for coordinates in GUESSES:
        values = VALUES[coordinates]
        if len(shape) == 2:
            fitting = ["TVC"] if shape[1] == count * values else []
        else:
            fitting = [order for order in orders(shape, count, values) if free or order == stated]
        ways += [Reading(order, coordinates) for order in fitting]
    own = [way for way in ways if dimensions(way.coordinates) in dimensions_of(layout)]
    return own or ways


def _ambiguous(where: str, shape: tuple[int, ...], ways: list[Reading]) -> DataError:
    by_order: dict[str, list[Reading]] = {}
    for way in ways:
        by_order.setdefault(way.axes, []).append(way)
    listed = "; or ".join(
        f"'axes: {order}' and 'coordinates: {' or '.join(way.coordinates for way in same)}' if it shows"
        f" {same[0].persons(shape)} persons"
        for order, same in by_order.items()
    )
    return DataError(
        f"{where} has the shape {shape}, which fits in {len(by_order)} ways; say which in the layout file: {listed}"
    )


def _numbers(where: str, content: Content, layout: SkeletonLayout, ways: list[Reading]) -> str:
    """What the numbers of a joint are in an array that fits one order, or none."""
    kinds = [way.coordinates for way in ways]
    if not kinds or kinds == ["xy"]:
        return "xy" if kinds else "xyz"
    joints = _joints(content.array, ways[0], layout)
    joints = joints[~(np.isnan(joints) | (joints == 0)).all(-1)]
    last = joints[:, -1][~np.isnan(joints[:, -1])]
    if not len(last):
        return kinds[0]
    bounds = f"from {last.min():g} to {last.max():g}"
    if kinds == ["xyzc"]:
        if _scores(last):
            return "xyzc"
        raise DataError(
            f"{where} has 4 numbers per joint, the last of them {bounds}; say 'coordinates: xyzc' in the layout file if"
            " that is a confidence"
        )
    if not _scores(last):
        return "xyz"
    if np.nanmax(np.abs(joints[:, :2])) > PIXELS:
        return "xyc"
    if kinds == ["xyz"] or last.min() == last.max():
        return "xyz"
    raise DataError(
        f"{where} has 3 numbers per joint, the last of them {bounds}, which may be a score; say 'coordinates: xyc' or"
        " 'coordinates: xyz' in the layout file"
    )


def _joints(array: npt.NDArray[Any], way: Reading, layout: SkeletonLayout) -> npt.NDArray[np.floating[Any]]:
    """The same array with the numbers of a joint last."""
    if array.ndim == 2:
        return doubles(array).reshape(len(array), layout.num_joints, VALUES[way.coordinates])
    return np.moveaxis(doubles(array), way.axes.index("C"), -1)


def _scores(values: npt.NDArray[np.floating[Any]]) -> bool:
    """Whether numbers are all from 0 to 1, and not all 0 as the depth of something flat."""
    return bool((values >= 0).all() and (values <= 1).all() and values.any())
