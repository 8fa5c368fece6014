"""Arrays of MATLAB files (version 4 to 7), read by scipy: numbers, cells of them, and fields of structures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.io

from sslskel.data.own.content import Content
from sslskel.data.own.formats.containers import chosen
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.formats.mat_check import check_mat
from sslskel.errors import DataError

LARGEST = 1 << 30


def read_mat(source: Source) -> Content:
    """A variable (``key``, with dots for fields of structures), or element ``index`` of a cell array or the first axis.

    Raises ``DataError`` for a file that scipy does not read, and for what is no array of numbers.
    """
    where = str(source.path)
    value: object = source.shelf.get(("mat", source.path), lambda: _load(source.path))
    *way, last = source.key.split(".")
    for name in way:
        value = chosen(where, value, name, None)
    picked = chosen(where, value, last, source.index)
    array = np.asarray(picked)
    if array.dtype == object and array.size == 1:
        array = np.asarray(array.reshape(-1)[0])
    if array.dtype.kind not in "fiu":
        raise DataError(f"'{where}' holds {array.dtype} where numbers are expected; say which variable in 'key'")
    return Content(array)


def _load(path: Path) -> Mapping[str, object]:
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"'{path}' has more than {LARGEST:,} bytes; save its clips in several files")
        check_mat(path)
        variables = scipy.io.loadmat(str(path), squeeze_me=False, chars_as_strings=True)
    except DataError:
        raise
    except NotImplementedError as fault:
        raise DataError(f"'{path}' has version 7.3 (HDF5); save it again with 'save -v7'") from fault
    except Exception as fault:  # scipy raises almost anything for a damaged file
        what = str(fault)[:120]
        raise DataError(f"'{path}' is damaged or not a MATLAB file ({what}); write or copy it again") from fault
    return {name: _fields(value) for name, value in variables.items() if not name.startswith("__")}


def _fields(value: object) -> object:
    """Structures as dicts of their fields, cells as lists, numbers as they are."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        records = [{name: _fields(record[name]) for name in value.dtype.names} for record in value.reshape(-1)]
        return records[0] if len(records) == 1 else records
    if value.dtype == object:
        cells = [_fields(cell) for cell in value.reshape(-1)]
        return cells[0] if len(cells) == 1 else cells
    return value


MAT = Format(
    "mat",
    "MATLAB files up to version 7: `key` names a variable or a field of a structure (`data.skeleton`), `index` a cell",
    (".mat",),
    read_mat,
    keyed=True,
    indexed=True,
)
