"""Reads one real numeric array out of a MATLAB level 5 MAT-file, within fixed bounds.

Written for files that are not trusted: nothing is allocated before the bytes are there.
Cells, structures, strings and objects are passed over, never built.
Format: "MAT-File Format", The MathWorks, chapter 1 (level 5).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel import DataError

HEADER = 128
UNPACKED_LIMIT = 64 << 20
"""Most bytes that the compressed elements of a file may expand to in all."""

_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Element type -> how its numbers lie in the file."""
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Array class -> type of the array."""
_KINDS = {1: "a cell array", 2: "a structure", 3: "an object", 4: "text", 5: "a sparse array"}
_COMPLEX = 0x08


def read_array(data: bytes, name: str, where: str) -> npt.NDArray[Any]:
    """The variable ``name`` of a MAT-file given as bytes, in its own shape and type.

    Raises ``DataError`` that names ``where`` and the fault: no MAT-file, another
    version, truncated, corrupt, variable missing, not a real numeric array.
    """
    try:
        order = _byte_order(data)
        titles = []
        for matrix in _matrices(data, order):
            parts = _elements(matrix, order)
            flags, shape, title = next(parts)[1], next(parts)[1], bytes(next(parts)[1])
            titles.append(title.decode("latin-1"))
            if titles[-1] == name:
                return _array(flags, shape, parts, order)
    except StopIteration:
        raise DataError(f"'{where}' is damaged: a variable lacks its header; fetch it again") from None
    except (_Damaged, zlib.error, struct.error) as fault:
        raise DataError(f"'{where}' is no readable MATLAB 5 file: {fault}") from fault
    have = ", ".join(repr(title[:40]) for title in titles[:5]) or "none"
    raise DataError(f"'{where}' has no variable '{name}' (it has: {have}); is it a skeleton file?")


class _Damaged(Exception):
    """What is wrong with the bytes, as the end of a sentence."""


def _byte_order(data: bytes) -> str:
    if not data:
        raise _Damaged("it is empty")
    if data[:10] == b"MATLAB 7.3" or data[:4] == b"\x89HDF":
        raise _Damaged("it has version 7.3 (HDF5); save it again with 'save -v7'")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:HEADER])
    if order is None:
        raise _Damaged("it does not begin with the header of one")
    if len(data) == HEADER:
        raise _Damaged("it ends behind its header; it is truncated")
    return order


def _elements(data: memoryview | bytes, order: str) -> Iterator[tuple[int, memoryview]]:
    """The (type, content) pairs that lie one behind the other in ``data``."""
    view, at = memoryview(data), 0
    while at < len(view):
        if at + 8 > len(view):
            raise _Damaged("it ends in the middle of a tag; it is truncated")
        kind, size = struct.unpack_from(order + "II", view, at)
        if kind >> 16:
            kind, size, begin = kind & 0xFFFF, kind >> 16, at + 4
            if size > 4:
                raise _Damaged(f"a small element claims {size} bytes")
            end = at + 8
        else:
            begin = at + 8
            end = begin + size + (0 if kind == _COMPRESSED else -size % 8)
        if begin + size > len(view):
            raise _Damaged(f"an element of {size} bytes is cut short; it is truncated")
        yield kind, view[begin : begin + size]
        at = end


def _matrices(data: bytes, order: str) -> Iterator[memoryview]:
    left = UNPACKED_LIMIT
    for kind, content in _elements(memoryview(data)[HEADER:], order):
        if kind == _MATRIX:
            yield content
        elif kind == _COMPRESSED:
            unpacked = _unpacked(content, left)
            left -= len(unpacked)
            yield from (inner for sort, inner in _elements(unpacked, order) if sort == _MATRIX)


def _unpacked(content: memoryview, limit: int) -> bytes:
    decoder = zlib.decompressobj()
    out = decoder.decompress(content, limit + 1)
    if len(out) > limit:
        raise _Damaged(f"its variables expand to more than {UNPACKED_LIMIT:,} bytes")
    if not decoder.eof:
        raise _Damaged("its packed data is truncated")
    return out


def _array(
    flags: memoryview, shape: memoryview, parts: Iterator[tuple[int, memoryview]], order: str
) -> npt.NDArray[Any]:
    """The numbers of an array whose header is read, first axis fastest as MATLAB stores them."""
    if len(flags) != 8 or len(shape) % 4 or len(shape) < 8:
        raise _Damaged("the header of the variable is damaged")
    word = struct.unpack(order + "I", flags[:4])[0]
    kind = word & 0xFF
    if kind not in _CLASSES:
        raise _Damaged(f"the variable is {_KINDS.get(kind, 'of an unknown class')}, not a numeric array")
    if word >> 8 & _COMPLEX:
        raise _Damaged("the variable is complex, not real")
    sizes = [int(n) for n in np.frombuffer(shape, order + "i4")]
    stored, content = next(parts)
    if stored not in _STORED:
        raise _Damaged(f"its numbers have the unknown type {stored}")
    item = np.dtype(order + _STORED[stored])
    if min(sizes) < 0 or math.prod(sizes) * item.itemsize != len(content):
        raise _Damaged(f"a variable of shape {tuple(sizes)} does not fit its {len(content)} bytes")
    return np.frombuffer(content, item).astype(_CLASSES[kind]).reshape(sizes, order="F")
