"""Arrays out of .csv and .json files: one row per frame, or nested lists.

What the axes of an array mean is in ``axes.py``.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.npy_files import missing_key
from sslskel.errors import DataError

Doubles = npt.NDArray[np.float64]
LARGEST = 512 << 20
SPARSE = 16
"""Person-frames that a table of named columns may span per row it has, so that a wrong number fills no memory."""
_COLUMN = re.compile(r"(?P<joint>.+?)[._ :-](?P<axis>[xyzc])", re.IGNORECASE)


def read_csv(path: Path, layout: SkeletonLayout) -> Doubles:
    """Frames of a CSV file: (T, numbers of a row), or (M, T, V, C) where a header names the columns.

    A header names ``JOINT_x``, ``JOINT_y`` and so on in any order, and perhaps ``frame`` (from 0)
    and ``person`` (from 0): rows of several persons. Raises ``DataError`` naming file and line.
    """
    text = _text(path)
    lines = text.splitlines()
    delimiter = max(",;\t", key=lines[0].count)
    header = next(csv.reader([lines[0]], delimiter=delimiter))
    named = not _all_numbers(header)
    values = _numbers(path, lines, delimiter, skip=1 if named else 0)
    return _by_name(path, header, values, layout) if named else values


def _all_numbers(words: Sequence[str]) -> bool:
    try:
        [float(word) for word in words]
    except ValueError:
        return False
    return True


def _numbers(path: Path, lines: Sequence[str], delimiter: str, skip: int) -> Doubles:
    body = [(number, line) for number, line in enumerate(lines, 1) if number > skip and line.strip()]
    if not body:
        raise DataError(f"'{path}' has no frames; write one row of numbers per frame")
    try:
        table = np.loadtxt([line for _, line in body], delimiter=delimiter, comments=None, ndmin=2)
        return np.asarray(table, dtype=np.float64)
    except ValueError as fault:
        count = len(body[0][1].split(delimiter))
        for number, line in body:
            words = line.split(delimiter)
            if len(words) != count:
                raise DataError(
                    f"'{path}', line {number}: {len(words)} fields, expected {count}; correct the row"
                ) from None
            for word in words:
                if not _all_numbers([word]):
                    what = "is empty" if not word.strip() else f"is {word.strip()[:40]!r}"
                    raise DataError(f"'{path}', line {number}: a field {what}, expected a number") from None
        raise DataError(f"'{path}' is not a table of numbers ({fault}); correct it") from fault


def _by_name(path: Path, header: Sequence[str], values: Doubles, layout: SkeletonLayout) -> Doubles:
    """Rows with named columns -> (M, T, V, C); frames and persons that no row states are NaN."""
    if values.shape[1] != len(header):
        raise DataError(f"'{path}', line 2: {values.shape[1]} fields, but line 1 names {len(header)} columns")
    columns = _places(path, header, layout)
    frame = _counter(path, header, values, "frame", np.arange(len(values)))
    person = _counter(path, header, values, "person", np.zeros(len(values)))
    if "person" in header and "frame" not in header:
        raise DataError(f"'{path}', line 1: a column 'person' needs a column 'frame'; add it, counted from 0")
    frame -= frame.min()
    cells = (int(person.max()) + 1) * (int(frame.max()) + 1)
    if cells > SPARSE * len(values) + 10_000:
        raise DataError(
            f"'{path}': {len(values):,} rows, but persons and frames are numbered as if there were {cells:,};"
            " number both 0, 1, 2 ..."
        )
    pairs = np.stack([person, frame], 1)
    kinds, first = np.unique(pairs, axis=0, return_index=True)
    if len(kinds) != len(pairs):
        twice = next(row for row in range(len(pairs)) if row not in first)
        raise DataError(f"'{path}': frame {pairs[twice, 1]} of person {pairs[twice, 0]} has two rows; keep one of them")
    axes = 1 + max(axis for _, axis in columns.values())
    joints = np.full((person.max() + 1, frame.max() + 1, layout.num_joints, axes), np.nan)
    for at, (joint, axis) in columns.items():
        joints[person, frame, joint, axis] = values[:, at]
    return joints


def _places(path: Path, header: Sequence[str], layout: SkeletonLayout) -> dict[int, tuple[int, int]]:
    """Column -> (joint, axis); every joint has every axis once."""
    columns: dict[int, tuple[int, int]] = {}
    for at, title in enumerate(word.strip() for word in header):
        if title in ("frame", "person"):
            continue
        match = _COLUMN.fullmatch(title)
        if match is None or match["joint"] not in layout.joints:
            example = f"{layout.joints[0]}_x"
            raise DataError(
                f"'{path}', line 1: column '{title[:60]}' is not a joint and axis of layout '{layout.name}' (as in"
                f" '{example}'), nor 'frame' or 'person'; rename or remove it"
            )
        columns[at] = (layout.joint(match["joint"]), "xyzc".index(match["axis"].lower()))
    axes = {axis for _, axis in columns.values()}
    wanted = {(joint, axis) for joint in range(layout.num_joints) for axis in range(max(axes, default=0) + 1)}
    missing = sorted(wanted - set(columns.values()))
    if missing:
        joint, axis = missing[0]
        raise DataError(f"'{path}', line 1: column '{layout.joints[joint]}_{'xyzc'[axis]}' is missing; add it")
    if len(set(columns.values())) != len(columns):
        raise DataError(f"'{path}', line 1: a joint has two columns for one axis; keep one of them")
    return columns


def _counter(
    path: Path, header: Sequence[str], values: Doubles, title: str, default: npt.NDArray[Any]
) -> npt.NDArray[np.int64]:
    column = values[:, header.index(title)] if title in header else default
    if not (np.isfinite(column).all() and (column == np.floor(column)).all() and (column >= 0).all()):
        raise DataError(f"'{path}': the column '{title}' must hold whole numbers from 0")
    limit = 1 << 30 if title == "frame" else 1 << 8
    if column.max() >= limit:
        raise DataError(f"'{path}': the column '{title}' goes up to {column.max():,.0f}; number them 0, 1, 2")
    return column.astype(np.int64)


def read_json(path: Path, key: str = "", index: int | None = None) -> Doubles:
    """Nested lists of a JSON file, or the ones under ``key`` of an object; ``null`` becomes NaN."""
    try:
        data = json.loads(_text(path))
    except (ValueError, RecursionError) as fault:
        raise DataError(f"'{path}' is not readable JSON ({str(fault)[:120]}); write or copy it again") from fault
    if isinstance(data, Mapping):
        keys = [str(name) for name, value in data.items() if isinstance(value, (list, dict))]
        key = key or (keys[0] if len(keys) == 1 else "")
        if key not in data:
            raise missing_key(str(path), key, keys)
        data = data[key]
    elif key:
        raise DataError(f"'{path}' is a list, not an object with a '{key}'; leave the column 'key' empty")
    if index is not None:
        if not isinstance(data, list) or index >= len(data):
            raise DataError(f"'{path}': index {index} is not among its elements; correct the column 'index'")
        data = data[index]
    return _nested(path, data)


def _nested(path: Path, data: Any) -> Doubles:
    if not isinstance(data, list):
        raise DataError(f"'{path}' holds {type(data).__name__} where nested lists of numbers are expected")
    try:
        array = np.asarray(data, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise DataError(f"'{path}': {_uneven(data)}; every frame needs the same joints and numbers") from None
    return array


def _uneven(data: Any, way: tuple[int, ...] = ()) -> str:
    """Where nested lists are not a box of numbers, in words."""
    place = "".join(f"[{at}]" for at in way) or "the list"
    if not isinstance(data, list):
        return f"{place} is {json.dumps(data)[:40]}, not a number"
    lengths = [len(value) if isinstance(value, list) else -1 for value in data]
    for at, length in enumerate(lengths):
        if length != lengths[0]:
            return f"{place}[{at}] has {_length(length)}, {place}[0] has {_length(lengths[0])}"
    if lengths and lengths[0] >= 0 and len(way) < 6:
        return next((fault for at, value in enumerate(data) if (fault := _uneven(value, (*way, at)))), "")
    wrong = [at for at, value in enumerate(data) if isinstance(value, (str, bool)) or not _is_number(value)]
    return f"{place}[{wrong[0]}] is {json.dumps(data[wrong[0]])[:40]}, not a number" if wrong else ""


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and abs(value) < 1e300)


def _length(count: int) -> str:
    return "one value" if count < 0 else f"{count} elements"


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(f"'{path}' has {size:,} bytes, more than the {LARGEST:,} that are read as text; use .npy")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({fault.strerror}); check the path") from fault
    except UnicodeDecodeError as fault:
        raise DataError(f"'{path}' is not UTF-8 text (byte {fault.start}); save it as text") from fault
    if not text.strip():
        raise DataError(f"'{path}' is empty; write or copy it again")
    return text
