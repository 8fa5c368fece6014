"""Arrays out of .npy and .npz files of strangers: no object is made, and no size is believed before it is checked.

What the axes of an array mean is in ``axes.py``.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from sslskel.errors import DataError

MAGIC = b"\x93NUMPY"
HEADER_LIMIT = 10_000
SHOWN = 120
"""Letters of another library's reason, which may quote the file."""
_ADDRESS = re.compile(r" object at 0x[0-9a-f]+")
"""Of an object in this process, which numpy names and no two readings share."""


@contextmanager
def faults_of(where: str) -> Iterator[None]:
    """What reading a stranger's file may raise, as one sentence."""
    try:
        yield
    except OSError as fault:
        raise DataError(f"'{where}' cannot be read ({fault.strerror or fault}); check the path") from fault
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError) as fault:
        reason = str(fault)[:SHOWN]
        raise DataError(f"'{where}' is damaged or truncated ({reason}); write or copy it again") from fault


class Header(NamedTuple):
    """What a .npy file says of its array."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    begin: int
    """Byte at which the data begin."""


class Elements:
    """An array of numbers in an open file that stands behind its header, read element by element going forward."""

    def __init__(self, file: IO[bytes], header: Header, size: int, where: str) -> None:
        self._file, self._header, self._where, self._at = file, header, where, 0
        dtype, shape = header.dtype, header.shape
        if dtype.kind not in "fiu":
            what = "objects, which would run code when read," if dtype.hasobject else f"values of type {dtype}"
            raise DataError(f"'{where}' holds {what} where numbers are expected; save it as a plain float array")
        promised, actual = math.prod(shape) * dtype.itemsize, size - header.begin
        if promised != actual:
            fault = "truncated" if actual < promised else "longer than its header says"
            raise DataError(
                f"'{where}' is {fault}: {' x '.join(map(str, shape))} {dtype} need {promised:,} bytes, {actual:,} are"
                " there; write or copy it again"
            )
        self._size = promised

    def has_passed(self, index: int | None) -> bool:
        """Whether an element, or the whole array (None), lies behind what was read."""
        return self._at > (index or 0)

    def read(self, index: int | None) -> npt.NDArray[Any]:
        """The whole array, or one element along the first axis, none of which may have been passed."""
        _, shape, fortran, _ = self._header
        if index is None:
            self._at = 1 << 60
            return self._read(shape, self._size)
        if fortran or not shape or index >= shape[0]:
            what = (
                f"index {index} is not among its {shape[0]} elements"
                if shape and not fortran
                else "it has no first axis"
            )
            raise DataError(f"'{self._where}': {what}; correct the column 'index' (save the array C-ordered)")
        one = self._size // shape[0]
        _skip(self._file, (index - self._at) * one)
        self._at = index + 1
        return self._read(shape[1:], one)

    def _read(self, shape: tuple[int, ...], size: int) -> npt.NDArray[Any]:
        content = self._file.read(size)
        if len(content) != size:
            raise DataError(
                f"'{self._where}' is truncated: {size:,} bytes expected, {len(content):,} read; copy it again"
            )
        order: Literal["C", "F"] = "F" if self._header.fortran else "C"
        return np.frombuffer(content, self._header.dtype).reshape(shape, order=order)


def _skip(file: IO[bytes], count: int) -> None:
    if file.seekable():
        file.seek(count, io.SEEK_CUR)
        return
    while count > 0 and (piece := file.read(min(count, 1 << 20))):
        count -= len(piece)


def read_header(file: IO[bytes], where: str) -> Header:
    """Read what stands before the data; raises ``DataError`` for a foreign or damaged file."""
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
        reason = _ADDRESS.sub("", str(fault).splitlines()[0])[:SHOWN] if str(fault) else type(fault).__name__
        raise DataError(f"'{where}' has a damaged header ({reason}); write or copy it again") from fault
    return Header(dtype, tuple(int(axis) for axis in shape), bool(fortran), 8 + width + count)
