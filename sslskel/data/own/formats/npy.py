"""Recordings in .npy and .npz files: one array, many of equal length, or a dict of them that numpy pickled.

How their bytes are read is in ``arrays.py`` and ``npz.py``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.data.own.content import Content
from sslskel.data.own.formats.arrays import Elements, faults_of, read_header
from sslskel.data.own.formats.containers import chosen
from sslskel.data.own.formats.counting import require_room
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.formats.nested import listed, nested
from sslskel.data.own.formats.npz import Archive
from sslskel.data.own.pickles.unpickler import array_of, read_plain, unwrapped
from sslskel.errors import DataError

Array = npt.NDArray[Any]
_BODY = re.compile(r"skel_body([0-9]{1,4})")


def read_npy(source: Source) -> Content:
    """A plain array, or element ``index`` of it; of a pickled dict, list or array of arrays what is chosen."""
    path = source.path
    with faults_of(str(path)), path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        header = read_header(file, str(path))
        if not header.dtype.hasobject:
            if source.key:
                raise DataError(
                    f"'{path}' has no arrays by name; leave the column 'key' empty (it says '{source.key}')"
                )
            return Content(Elements(file, header, size, str(path)).read(source.index))
        value = source.shelf.get(("npy", path), lambda: read_plain(file, size - header.begin, f"{path} (objects)"))
    return from_value(str(path), value, source)


def from_value(where: str, value: object, source: Source) -> Content:
    """The clip that a row chooses of a dict, list or array that a pickle held."""
    value = unwrapped(value)
    bodies = _bodies(value, where) if not source.key else []
    if bodies:
        return Content(np.stack(bodies), axes="MTVC")
    picked = chosen(where, value, source.key, source.index)
    bodies = _bodies(picked, where)
    array = np.stack(bodies) if bodies else array_of(picked)
    if array is None:
        array = nested(where, listed(picked))
    if array.dtype.kind not in "fiu":
        raise DataError(f"'{where}' holds values of type {array.dtype} where numbers are expected")
    return Content(array, axes="MTVC" if bodies else "")


def _bodies(value: object, where: str) -> list[Array]:
    """``skel_body0``, ``skel_body1`` ...: the persons (T, V, C) of a clip as scripts for NTU RGB+D save them."""
    if not isinstance(value, Mapping):
        return []
    bodies = sorted((int(match[1]), name) for name in value if (match := _BODY.fullmatch(str(name))))
    arrays = [array_of(value[name]) for _, name in bodies]
    shown = [array for array in arrays if array is not None and array.ndim == 3 and array.dtype.kind in "fiu"]
    if len({array.shape[1:] for array in shown}) > 1:
        return []
    frames = max((len(array) for array in shown), default=0)
    if shown:
        require_room((len(shown), frames, *shown[0].shape[1:]), where)
    return [np.pad(array, ((0, frames - len(array)), (0, 0), (0, 0))) for array in shown]


def read_npz(source: Source) -> Content:
    """An array of an archive, or element ``index`` of it; of a pickled one what is chosen of its values."""
    archive = source.shelf.get(("npz", source.path), lambda: Archive(source.path))
    value = archive.objects(source.key)
    if value is not None:
        return from_value(str(source.path), value, replace(source, key=""))
    return Content(archive.read(source.key, source.index))


NPY = Format(
    "npy",
    "one array; or many clips of equal length, chosen by the column `index`; or a pickled dict or list of arrays",
    (".npy",),
    read_npy,
    keyed=True,
    indexed=True,
)
NPZ = Format("npz", "one array, or several, chosen by the column `key`", (".npz",), read_npz, True, True)
