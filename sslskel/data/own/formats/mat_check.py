"""What a MATLAB file (version 5 to 7) must be before scipy reads it: scipy counts neither levels nor bytes.

Cells in cells end the process some thousand levels deep, and packed variables may unpack to any size. The way through
a file is scipy's: sizes of matrices are not believed, those of numbers are skipped.
"""

from __future__ import annotations

import contextlib
import math
import struct
import zlib
from collections.abc import Iterator, Set
from pathlib import Path
from typing import IO

from sslskel.errors import DataError

RATIO = 200
"""Largest factor by which packed motion data expand; more is a decompression bomb."""
FREE = 64 << 20
"""Bytes that any file may expand to."""
DEEPEST = 50
"""Levels of cells and structures in each other; data of the field has three or four."""
MOST_MATRICES = 1_000_000
MOST_FIELD_LETTERS = 1 << 20
_HEADER = 128
_PIECE, _PLAIN_PIECE = 1 << 20, 1 << 16
_MATRIX, _PACKED = 14, 15
_CELL, _STRUCTURE, _OBJECT, _TEXT, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_NUMBERS = range(6, 16)
_NUMBER_TYPES = frozenset({*range(1, 8), 9, 12, 13})
_TEXT_TYPES = _NUMBER_TYPES | {16, 17, 18}
_INT8, _INT32 = frozenset({1, 2}), frozenset({5, 6})
"""Types of elements. A type that scipy has no name for ends its process."""


def check_mat(path: Path) -> None:
    """Raise ``DataError`` for a file that stands for more than its size can mean, and for one that is cut or damaged.

    Files of version 4 hold plain matrices alone and pass, as do those of 7.3, which scipy refuses. Raises ``OSError``.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER)
        if len(head) < _HEADER or 0 in head[:4] or head[125 if head[126:127] == b"I" else 124] != 1:
            return
        order = "<" if head[126:] == b"IM" else ">"
        count = _Count(path, max(FREE, RATIO * size))
        try:
            while tag := file.read(8):
                kind, length = struct.unpack(f"{order}II", tag)
                after = file.tell() + length
                pieces = _unpacked(file, length) if kind == _PACKED else _plain(file, tag)
                _walk(_Stream(pieces, count), order, count)
                file.seek(after)
        except (struct.error, zlib.error, ValueError) as fault:
            raise DataError(f"'{path}' is damaged or not a MATLAB file ({fault}); write or copy it again") from fault


class _Count:
    """What a file has stood for so far."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path, self._bytes, self._matrices = path, most_bytes, MOST_MATRICES

    def add_bytes(self, count: int) -> None:
        self._bytes -= count
        if self._bytes < 0:
            raise DataError(f"'{self._path}' decompresses to more than {RATIO} times its size, as no motion does")

    def add_matrix(self, depth: int) -> None:
        self._matrices -= 1
        if depth > DEEPEST or self._matrices < 0:
            raise DataError(
                f"'{self._path}' holds more than {DEEPEST} levels of cells and structures, or more than"
                f" {MOST_MATRICES:,} of them; save the numbers as plain arrays"
            )


def _plain(file: IO[bytes], tag: bytes) -> Iterator[bytes]:
    """To the end of the file, since what lies in a matrix may go on behind the end that it states."""
    yield tag
    while piece := file.read(_PLAIN_PIECE):
        yield piece


def _unpacked(file: IO[bytes], length: int) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    while length > 0 and not unpacker.eof and (packed := file.read(min(length, 1 << 16))):
        length -= len(packed)
        while packed and not unpacker.eof:
            yield unpacker.decompress(packed, _PIECE)
            packed = unpacker.unconsumed_tail


class _Stream:
    """The bytes of one variable, going forward."""

    def __init__(self, pieces: Iterator[bytes], count: _Count) -> None:
        self._pieces, self._count, self._rest = pieces, count, memoryview(b"")

    def take(self, size: int) -> bytes:
        """So many bytes; raises ``ValueError`` where the variable ends before."""
        content = bytearray()
        while len(content) < size:
            content += self._next(size - len(content))
        return bytes(content)

    def skip(self, size: int) -> None:
        """Pass over them; raises as :meth:`take`."""
        while size > 0:
            size -= len(self._next(size))

    def _next(self, most: int) -> memoryview:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                raise ValueError("a variable ends in the middle")
            self._rest = memoryview(piece)
        part, self._rest = self._rest[:most], self._rest[most:]
        self._count.add_bytes(len(part))
        return part

    def element(self, order: str, types: Set[int], most: int = 0) -> bytes:
        """Pass over one element; its first ``most`` bytes. Raises ``ValueError`` where it is of none of these types."""
        first, second = struct.unpack(f"{order}II", self.take(8))
        if (first & 0xFFFF if first >> 16 else first) not in types:
            raise ValueError(f"an element is of type {first}, as none is there")
        if first >> 16:
            return struct.pack(f"{order}I", second)[: min(first >> 16, 4)]
        kept = self.take(min(second, most))
        self.skip(second - len(kept))
        # What fills the last element up to eight bytes may be left out.
        with contextlib.suppress(ValueError):
            self.skip(-second % 8)
        return kept


def _walk(stream: _Stream, order: str, count: _Count) -> None:
    """Pass over a matrix and all that lie in it; ``waiting`` holds how many are still to come on each level."""
    waiting = [1]
    while waiting:
        if not waiting[-1]:
            waiting.pop()
            continue
        waiting[-1] -= 1
        count.add_matrix(len(waiting))
        inside = _matrix(stream, order)
        if inside:
            waiting.append(inside)


def _matrix(stream: _Stream, order: str) -> int:
    """Pass over what a matrix begins with, or over all of it where it is of numbers; how many lie in it."""
    kind, size = struct.unpack(f"{order}II", stream.take(8))
    if not size:
        return 0
    if kind != _MATRIX:
        raise ValueError(f"an element of type {kind} stands where a matrix is expected")
    flags: int
    (flags,) = struct.unpack_from(f"{order}I", stream.take(16), 8)
    kind, parts = flags & 0xFF, 1 + (flags >> 11 & 1)
    if kind == _OPAQUE:
        for _ in range(3):
            stream.element(order, _INT8)
        return 1
    dimensions = stream.element(order, _INT32, 256)
    stream.element(order, _INT8)
    number: int = math.prod(max(0, size) for (size,) in struct.iter_unpack(f"{order}i", dimensions))
    if kind not in _NUMBERS and kind != _SPARSE and number > MOST_MATRICES:
        raise ValueError(f"{number:,} cells, structures or letters in one array")
    if kind == _CELL:
        return number
    if kind == _FUNCTION:
        return 1
    if kind in (_STRUCTURE, _OBJECT):
        if kind == _OBJECT:
            stream.element(order, _INT8)
        length: int
        (length,) = struct.unpack_from(f"{order}i", stream.element(order, _INT32, 4))
        names = stream.element(order, _INT8, MOST_FIELD_LETTERS)
        if length <= 0 or len(names) == MOST_FIELD_LETTERS:
            raise ValueError("the fields of a structure have no names")
        return number * (len(names) // length)
    if kind not in _NUMBERS and kind not in (_TEXT, _SPARSE):
        raise ValueError(f"a matrix is of the unknown class {kind}")
    for _ in range(parts + 2 if kind == _SPARSE else parts if kind in _NUMBERS else 1):
        stream.element(order, _TEXT_TYPES if kind == _TEXT else _NUMBER_TYPES)
    return 0
