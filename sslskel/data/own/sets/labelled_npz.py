"""Archives with all clips and their labels, as CTR-GCN and others keep NTU RGB+D: ``x_train`` with ``y_train`` ...

How an archive is read is in ``formats/npz.py``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.axes import MOST_PERSONS, dimensions
from sslskel.data.own.bodies import dimensions_of
from sslskel.data.own.content import Content
from sslskel.data.own.formats.npz import Archive
from sslskel.data.own.layout_file import VALUES, Description
from sslskel.data.own.recordings import Recording
from sslskel.data.own.sets.parts import PARTS, official
from sslskel.errors import DataError

NAMES = (("x_", "y_"), ("X_", "Y_"), ("X_", "y_"), ("data_", "label_"), ("data_", "labels_"))
"""What comes before the part in names of clips and of their labels."""


def pairs_of(archive: Archive) -> dict[str, tuple[str, str]]:
    """Part -> names of its clips and of their labels."""
    keys = set(archive.keys)
    return {p: (x + p, y + p) for x, y in NAMES for p in PARTS if {x + p, y + p} <= keys}


def read_labelled(path: Path, described: Description, layout: SkeletonLayout, notes: list[str]) -> list[Recording]:
    """A recording per clip; labels are numbers, or one-hot rows of them. Raises ``DataError``."""
    archive = Archive(path)
    pairs = pairs_of(archive)
    if not pairs:
        some = ", ".join(archive.keys[:8])
        raise DataError(f"'{path}' has no pair of clips and labels such as x_train and y_train (it has: {some})")
    parts = official(list(pairs), notes)
    recordings = []
    for part, (clips, labels) in pairs.items():
        shape, words = archive.shape(clips), _labels(archive, labels, f"{path}: {labels}")
        if not shape or shape[0] != len(words):
            raise DataError(f"'{path}': {clips} has the shape {shape}, but {labels} has {len(words)} labels")
        own = {"official": parts[part]} if parts else {}
        for number, label in enumerate(words):
            name = f"{part}_{number}"
            where = f"clip '{name}' ('{path}', {clips}[{number}])"
            load = partial(_content, archive, clips, number, described, layout, where)
            recordings.append(Recording(name, where, load, label=label, parts=own))
    return recordings


def _labels(archive: Archive, key: str, where: str) -> list[str]:
    array = archive.read(key)
    if array.ndim == 2 and array.shape[1] > 1:
        known = (array != 0).sum(1)
        if (known > 1).any():
            raise DataError(f"'{where}' has the shape {array.shape} and is not one-hot: a row has several labels")
        return [str(label) if there else "" for label, there in zip(array.argmax(1).tolist(), known, strict=True)]
    numbers = array.reshape(-1)
    if (numbers != np.floor(numbers)).any() or len(numbers) != len(array):
        raise DataError(f"'{where}' of shape {array.shape} holds no labels; expected whole numbers or one-hot rows")
    return [str(int(label)) if label >= 0 else "" for label in numbers.tolist()]


def _content(
    archive: Archive, key: str, number: int, described: Description, layout: SkeletonLayout, where: str
) -> Content:
    array = archive.read(key, number)
    if array.ndim != 2:
        return Content(array)
    persons, coordinates = _width(array, described, layout, where)
    return Content(array.reshape(len(array), persons, layout.num_joints, -1), axes="TMVC", coordinates=coordinates)


def _width(
    array: npt.NDArray[np.generic], described: Description, layout: SkeletonLayout, where: str
) -> tuple[int, str]:
    """Persons and coordinates that the numbers of a frame are of: persons, joints, coordinates in this order."""
    width, stated = array.shape[1], described.coordinates
    ways = {}
    for coordinates in [stated] if stated else ("xyz", "xy"):
        persons, rest = divmod(width, layout.num_joints * VALUES[coordinates])
        if not rest and 0 < persons <= MOST_PERSONS:
            ways[coordinates] = persons
    own = {c: p for c, p in ways.items() if dimensions(c) in dimensions_of(layout)} or ways
    if len(own) != 1:
        how = " or ".join(f"'coordinates: {c}' ({p} persons)" for c, p in own.items())
        what = f"which fits {how}; say which" if own else f"which are not those of layout '{layout.name}'"
        raise DataError(f"{where} has {width} numbers per frame, {what}")
    [(coordinates, persons)] = own.items()
    return persons, coordinates
