"""Nested lists of numbers as an array, with the place of what does not fit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.data.own.pickles.unpickler import array_of, unwrapped
from sslskel.errors import DataError

DEEPEST = 6


def nested(where: str, data: object) -> npt.NDArray[np.float64]:
    """Lists of lists of numbers as an array; None becomes NaN. Raises ``DataError`` naming the uneven place."""
    if not isinstance(data, list):
        raise DataError(f"'{where}' holds {type(data).__name__} where nested lists of numbers are expected")
    try:
        return np.asarray(data, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise DataError(f"'{where}': {_uneven(data)}; every frame needs the same joints and numbers") from None


def listed(data: object, depth: int = 0) -> object:
    """Lists and arrays of a pickle, whatever they came wrapped in, as plain lists."""
    array = array_of(data)
    if array is not None:
        return array.tolist()
    data = unwrapped(data)
    if not isinstance(data, (list, tuple)) or depth > DEEPEST:
        return data
    return [listed(value, depth + 1) for value in data]


def _uneven(data: Any, way: tuple[int, ...] = ()) -> str:
    """Where nested lists are not a box of numbers, in words."""
    place = "".join(f"[{at}]" for at in way) or "the list"
    if not isinstance(data, list):
        return f"{place} is {_shown(data)}, not a number"
    lengths = [len(value) if isinstance(value, list) else -1 for value in data]
    for at, length in enumerate(lengths):
        if length != lengths[0]:
            return f"{place}[{at}] has {_length(length)}, {place}[0] has {_length(lengths[0])}"
    if lengths and lengths[0] >= 0 and len(way) < DEEPEST:
        return next((fault for at, value in enumerate(data) if (fault := _uneven(value, (*way, at)))), "")
    wrong = [at for at, value in enumerate(data) if isinstance(value, (str, bool)) or not _is_number(value)]
    return f"{place}[{wrong[0]}] is {_shown(data[wrong[0]])}, not a number" if wrong else ""


def _shown(value: Any) -> str:
    return json.dumps(value, default=lambda _: type(value).__name__)[:40]


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and abs(value) < 1e300)


def _length(count: int) -> str:
    return "one value" if count < 0 else f"{count} elements"
