"""What stands in for the few names that a pickle of numpy arrays calls: dtype, array, scalar, plain builtins.

The machine that runs a pickle is in ``unpickler.py``; nothing of numpy's own unpickling is used.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_TYPE = re.compile(r"[<>|=]?[biuf](?:1|2|4|8)|[<>|=]?U[0-9]{1,4}|\|?O8?")


@dataclass(frozen=True)
class StandIn:
    """A name of a pickle that may be called, and what the call makes."""

    title: str
    make: Callable[..., Any]


class Wrapper:
    """What an array or a type of one is while a pickle is read: it gets its state after it is made."""

    value: Any


class _Type(Wrapper):
    """A numpy dtype on its way in: numbers, texts of a fixed size, and what stands for a list of values."""

    def __init__(self, text: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(text, str) or not _TYPE.fullmatch(text):
            raise ValueError(f"arrays of type {reprlib.repr(text)[:60]} are not read")
        self.value = np.dtype(text)

    def fill(self, state: tuple[Any, ...]) -> None:
        """Take the byte order of a pickled dtype's state, the only part that a plain type has."""
        if len(state) < 8 or state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise ValueError("the type of an array is garbled")
        self.value = self.value.newbyteorder(state[1]) if state[1] != "|" else self.value


class _Array(Wrapper):
    """A numpy array on its way in; ``fill`` gives it shape, type and content.

    One of objects becomes a list of them, or the only one where it has no axis.
    """

    def __init__(self) -> None:
        self.value: Any = np.zeros(0)

    def fill(self, state: tuple[Any, ...]) -> None:
        """The state (version, shape, dtype, Fortran order, bytes or list) that numpy writes."""
        _, shape, dtype, fortran, content = state
        if isinstance(content, list) and isinstance(dtype, _Type) and dtype.value.hasobject:
            if not isinstance(shape, tuple) or len(shape) > 1 or shape not in ((), (len(content),)):
                raise ValueError(f"an array of objects has the shape {reprlib.repr(shape)[:60]}")
            self.value = content if shape else content[0]
            return
        self.value = _filled(content, dtype, shape, "F" if fortran else "C").value


def _made(value: npt.NDArray[Any]) -> _Array:
    array = _Array()
    array.value = value
    return array


def _filled(content: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    if isinstance(content, str):
        content = content.encode("latin-1")
    if not isinstance(content, (bytes, bytearray)) or not isinstance(dtype, _Type) or dtype.value.hasobject:
        raise ValueError("an array holds no plain numbers")
    sizes = shape if isinstance(shape, tuple) else (shape,)
    if not all(isinstance(size, int) and 0 <= size < 1 << 48 for size in sizes) or len(sizes) > 16:
        raise ValueError(f"an array has the shape {reprlib.repr(shape)[:60]}")
    if math.prod(sizes) * dtype.value.itemsize != len(content):
        raise ValueError(f"an array of shape {sizes} has {len(content):,} bytes")
    return _made(np.frombuffer(content, dtype.value).reshape(sizes, order="F" if order == "F" else "C"))


def _empty(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _NDARRAY or shape != (0,):
        raise ValueError("an array does not begin as numpy writes it")
    return _Array()


def _scalar(dtype: Any, content: Any) -> Any:
    return _filled(content, dtype, (), "C").value[()].item()


def _latin(text: Any, encoding: Any) -> bytes:
    """Bytes as pickles of protocol 2 write them."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes are in an unknown encoding")
    return text.encode("latin-1")


def _bytes(*words: Any) -> bytes:
    if words and isinstance(words[0], (bytes, bytearray)) and len(words) == 1:
        return bytes(words[0])
    return _latin(*words) if len(words) == 2 else b""


def _plain(kind: type, *allowed: type) -> Callable[..., Any]:
    """A builtin called on one plain value, or on none."""

    def make(*words: Any) -> Any:
        if len(words) > 1 or not all(isinstance(word, allowed) for word in words):
            raise ValueError(f"a {kind.__name__} is made of something other than a plain value")
        return kind(*words)

    return make


def _same(title: str, *kinds: type) -> Callable[..., Any]:
    """A container made of another one: the other one itself, since copies of copies could fill any memory."""

    def make(*words: Any) -> Any:
        if len(words) > 1 or not all(isinstance(word, kinds) for word in words):
            raise ValueError(f"a {title} is made of something other than a list")
        return words[0] if words else kinds[0]()

    return make


_NDARRAY = StandIn("array", lambda *_: _made(np.zeros(0)))
_BUILTINS: Mapping[str, StandIn] = {
    "set": StandIn("set", _same("set", list, tuple)),
    "frozenset": StandIn("set", _same("set", list, tuple)),
    "list": StandIn("list", _same("list", list, tuple)),
    "tuple": StandIn("tuple", _same("tuple", tuple, list)),
    "dict": StandIn("dict", _plain(dict)),
    "int": StandIn("number", _plain(int, int, float)),
    "float": StandIn("number", _plain(float, int, float)),
    "bool": StandIn("number", _plain(bool, int)),
    "str": StandIn("text", _plain(str, str)),
    "bytes": StandIn("bytes", _bytes),
    "bytearray": StandIn("bytes", _bytes),
}
STAND_INS: Mapping[tuple[str, str], StandIn] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): StandIn("type", _Type),
    ("numpy.core.multiarray", "_reconstruct"): StandIn("array", _empty),
    ("numpy.core.multiarray", "scalar"): StandIn("number", _scalar),
    ("numpy.core.numeric", "_frombuffer"): StandIn("array", _filled),
    ("_codecs", "encode"): StandIn("bytes", _latin),
    **{(module, name): made for module in ("builtins", "__builtin__") for name, made in _BUILTINS.items()},
}
"""(module, name) in a pickle -> what is called instead. numpy 2 says ``_core`` for ``core``."""
