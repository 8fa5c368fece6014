"""Arrays out of .npy and .npz files of strangers: nothing is unpickled, and no size is believed before it is checked.

What the axes of an array mean is in ``axes.py``.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sslskel.errors import DataError, did_you_mean

MAGIC = b"\x93NUMPY"
HEADER_LIMIT = 10_000
RATIO = 200
"""Largest factor by which packed motion data expand; more is a decompression bomb."""
FREE = 64 << 20
"""Bytes that any file may expand to."""


def read_npy(path: Path, index: int | None = None) -> npt.NDArray[Any]:
    """The array of a .npy file, or its element ``index`` along the first axis without reading the rest.

    Raises ``DataError`` naming the file where it is truncated, foreign, or holds objects.
    """
    with _faults(str(path)), path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        return _array(file, size, str(path), index)


def npz_keys(path: Path) -> list[str]:
    """Names of the arrays in a .npz file."""
    with _faults(str(path)), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def read_npz(path: Path, key: str = "", index: int | None = None) -> npt.NDArray[Any]:
    """One array of a .npz file; ``key`` may be left out where there is only one."""
    keys = npz_keys(path)
    if not key and len(keys) == 1:
        key = keys[0]
    if key not in keys:
        raise missing_key(str(path), key, keys)
    where = f"{path}: {key}"
    with _faults(where), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        member = archive.getinfo(f"{key}.npy" if f"{key}.npy" in names else key)
        if member.file_size > max(FREE, RATIO * member.compress_size):
            raise DataError(
                f"'{where}' decompresses to more than {RATIO} times its size, as no motion does; it is refused"
            )
        with archive.open(member) as file:
            return _array(file, member.file_size, where, index)


def missing_key(where: str, key: str, keys: list[str]) -> DataError:
    """The error for an array that a file with several does not have, or that was not named."""
    have = ", ".join(keys[:8]) + (" ..." if len(keys) > 8 else "")
    if not key:
        return DataError(f"'{where}' holds {len(keys)} arrays ({have}); say which one in the column 'key' of the table")
    return DataError(f"'{where}' has no array '{key}'{did_you_mean(key, keys)} (it has: {have})")


@contextmanager
def _faults(where: str) -> Iterator[None]:
    """What reading a stranger's file may raise, as one sentence."""
    try:
        yield
    except OSError as fault:
        raise DataError(f"'{where}' cannot be read ({fault.strerror or fault}); check the path") from fault
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError) as fault:
        raise DataError(f"'{where}' is damaged or truncated ({fault}); write or copy it again") from fault


def _array(file: IO[bytes], size: int, where: str, index: int | None) -> npt.NDArray[Any]:
    dtype, shape, fortran, begin = _header(file, where)
    if dtype.kind not in "fiu":
        what = "objects, which would run code when read," if dtype.hasobject else f"values of type {dtype}"
        raise DataError(f"'{where}' holds {what} where numbers are expected; save it as a plain float array")
    promised, actual = math.prod(shape) * dtype.itemsize, size - begin
    if promised != actual:
        fault = "truncated" if actual < promised else "longer than its header says"
        raise DataError(
            f"'{where}' is {fault}: {' x '.join(map(str, shape))} {dtype} need {promised:,} bytes, {actual:,} are"
            " there; write or copy it again"
        )
    if index is None:
        return _read(file, dtype, shape, fortran, promised, where)
    if fortran or not shape or index >= shape[0]:
        what = (
            f"index {index} is not among its {shape[0]} elements" if shape and not fortran else "it has no first axis"
        )
        raise DataError(f"'{where}': {what}; correct the column 'index' (save the array C-ordered)")
    one = promised // shape[0]
    _skip(file, index * one)
    return _read(file, dtype, shape[1:], False, one, where)


def _read(
    file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...], fortran: bool, size: int, where: str
) -> npt.NDArray[Any]:
    content = file.read(size)
    if len(content) != size:
        raise DataError(f"'{where}' is truncated: {size:,} bytes expected, {len(content):,} read; copy it again")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _skip(file: IO[bytes], count: int) -> None:
    if file.seekable():
        file.seek(count, io.SEEK_CUR)
    else:
        while count > 0 and (piece := file.read(min(count, 1 << 20))):
            count -= len(piece)


def _header(file: IO[bytes], where: str) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
    """Type, shape, Fortran order, and the byte at which the data begin."""
    start = file.read(8)
    if start[:6] != MAGIC or len(start) < 8:
        raise DataError(f"'{where}' is not an .npy array (it begins with {start[:8]!r}); write it with numpy.save")
    width = {1: 2, 2: 4}.get(start[6])
    if width is None:
        raise DataError(f"'{where}' is in .npy format {start[6]}.{start[7]}; save a plain float array with numpy.save")
    length = file.read(width)
    count = int.from_bytes(length, "little")
    text = file.read(min(count, HEADER_LIMIT))
    try:
        if len(length) != width or len(text) != count:
            raise ValueError("it is cut off")
        source = io.BytesIO(length + text)
        reader = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(source)
        if any(axis < 0 for axis in shape):
            raise ValueError(f"shape {shape}")
    except Exception as fault:  # numpy raises almost anything for a header that a stranger wrote
        reason = str(fault).splitlines()[0][:120] if str(fault) else type(fault).__name__
        raise DataError(f"'{where}' has a damaged header ({reason}); write or copy it again") from fault
    return dtype, tuple(int(axis) for axis in shape), bool(fortran), 8 + width + count
