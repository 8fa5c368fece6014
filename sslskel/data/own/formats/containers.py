"""One clip out of a file that holds several: by name, by number, or both.

Values are what JSON, pickles and MAT-files hold: dicts, lists, numbers and arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sslskel.data.own.pickles.unpickler import unwrapped
from sslskel.errors import DataError, did_you_mean
from sslskel.text import plain as named


def missing_key(where: str, key: str, keys: Sequence[str]) -> DataError:
    """The error for an array that a file with several does not have, or that was not named."""
    keys = [named(one) for one in keys]
    have = ", ".join(keys[:8]) + (" ..." if len(keys) > 8 else "")
    if not key:
        return DataError(f"'{where}' holds {len(keys)} arrays ({have}); say which one in the column 'key' of the table")
    return DataError(f"'{where}' has no array '{named(key)}'{did_you_mean(key, keys)} (it has: {have})")


def chosen(where: str, value: object, key: str, index: int | None) -> object:
    """What lies under ``key`` of a dict, and at ``index`` of a list or array there.

    Without a key the only list, dict or array of a dict is taken. Raises ``DataError`` where there is none,
    or several, or nothing at that index.
    """
    if isinstance(value, Mapping):
        keys = [
            str(name) for name, inner in value.items() if isinstance(unwrapped(inner), (list, tuple, dict, np.ndarray))
        ]
        key = key or (keys[0] if len(keys) == 1 else "")
        if key not in value:
            raise missing_key(where, key, keys)
        value = unwrapped(value[key])
    elif key:
        raise DataError(f"'{where}' is a list, not an object with a '{key}'; leave the column 'key' empty")
    if index is not None:
        if not isinstance(value, (list, tuple, np.ndarray)) or index >= len(value):
            raise DataError(f"'{where}': index {index} is not among its elements; correct the column 'index'")
        value = unwrapped(value[index])
    return value
