"""A restricted unpickler: plain values and numpy arrays of numbers, and nothing that a file could run.

What a pyskl file holds is in ``pyskl.py``. This is an interpreter of its own rather than a
``pickle.Unpickler`` with a short list of names: that one believes claimed sizes, hashes and nests
without limit, and hands numpy whatever state the file says. Here no name of a file is ever imported.
"""

from __future__ import annotations

import io
import pickletools
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sslskel.data.own.pickles.stand_ins import STAND_INS, StandIn, Wrapper
from sslskel.errors import DataError
from sslskel.text import plain as in_one_line

BUDGET = 1 << 20
"""Bytes that calls may copy besides twice the file: one long text may be named a million times."""
VALUES = 1_000_000
"""Values that a file may stand for besides sixteen for each byte, with shared lists written out."""
MOST_BITS = 1024
"""Of a whole number: writing one out takes the square of its digits."""
_MARK = object()
_KEYS = (str, int, float, bytes, type(None))


class Refused(ValueError):
    """The file asks for something that no data file needs."""


def load_plain(path: Path) -> object:
    """The value in a pickle: dicts, lists, tuples, sets, numbers, texts, bytes, and arrays of numbers.

    Raises ``DataError`` naming the file and the byte for anything else (functions, classes, objects),
    a truncated or foreign file. No code of the file is run and nothing is imported on its behalf.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return read_plain(file, size, str(path))
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({fault.strerror}); check the path") from fault


def read_plain(file: IO[bytes], size: int, where: str) -> object:
    """The value in a pickle of ``size`` bytes that begins where the file stands; raises as :func:`load_plain`."""
    try:
        value = _Machine(_Bounded(file, size), BUDGET + 2 * size).run()
        if _written_out(value, {}) > VALUES + 16 * size:
            raise Refused("because its shared lists stand for more values than any data of its size")
        return value
    except Refused as fault:
        raise DataError(f"pickle '{where}' is refused, {fault}; only plain values and numpy arrays are read") from fault
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as fault:
        raise DataError(
            f"pickle '{where}' cannot be read ({str(fault)[:120]}); if it is truncated, copy it again"
        ) from fault


class _Bounded(io.RawIOBase):
    """A file that is never asked for more bytes than it has, whatever its content claims."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size

    def read(self, count: int = -1) -> bytes:
        wanted = self._left if count < 0 else min(count, self._left)
        content = self._file.read(wanted)
        self._left -= len(content)
        return content

    def readline(self, limit: int | None = -1) -> bytes:
        content = self._file.readline(1 << 20)
        self._left -= len(content)
        return content

    def tell(self) -> int:
        return self._file.tell()


class _Machine:
    """Stack and memo of one pickle."""

    def __init__(self, file: Any, budget: int) -> None:
        self._file, self._budget = file, budget
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Obey every opcode up to STOP; returns what is on the stack then."""
        for opcode, argument, at in pickletools.genops(self._file):
            if opcode.name == "STOP":
                return unwrapped(self._stack.pop())
            if opcode.name in _CONSTANTS:
                self._stack.append(_CONSTANTS[opcode.name])
            elif opcode.name in _LITERALS:
                if isinstance(argument, int) and argument.bit_length() > MOST_BITS:
                    raise Refused(f"because it holds a whole number of {argument.bit_length():,} bits (byte {at})")
                self._stack.append(argument)
            elif opcode.name in _STEPS:
                try:
                    _STEPS[opcode.name](self, argument)
                except Refused as fault:
                    raise Refused(f"{fault} (byte {at})") from fault
            elif opcode.name not in ("PROTO", "FRAME"):
                raise Refused(f"because it holds objects: opcode {opcode.name} (byte {at})")
        raise ValueError("it has no end")

    def _since_mark(self) -> list[Any]:
        for at in range(len(self._stack) - 1, -1, -1):
            if self._stack[at] is _MARK:
                values = self._stack[at + 1 :]
                del self._stack[at:]
                return values
        raise ValueError("a mark is missing")

    def mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def empty_list(self, _: Any) -> None:
        self._stack.append([])

    def empty_dict(self, _: Any) -> None:
        self._stack.append({})

    def empty_set(self, _: Any) -> None:
        self._stack.append(set())

    def make_list(self, _: Any) -> None:
        self._stack.append(self._since_mark())

    def make_tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._since_mark()))

    def make_dict(self, _: Any) -> None:
        values = self._since_mark()
        self._stack.append({})
        self._fill(values)

    def short_tuple(self, count: int) -> None:
        if len(self._stack) < count:
            raise ValueError("the stack is empty")
        values = tuple(self._stack[len(self._stack) - count :])
        del self._stack[len(self._stack) - count :]
        self._stack.append(values)

    def append(self, _: Any) -> None:
        value = self._stack.pop()
        self._top(list).append(value)

    def appends(self, _: Any) -> None:
        values = self._since_mark()
        self._top(list).extend(values)

    def add_items(self, _: Any) -> None:
        values = self._since_mark()
        self._top(set).update(map(_key, values))

    def set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._fill([key, value])

    def set_items(self, _: Any) -> None:
        self._fill(self._since_mark())

    def _fill(self, values: list[Any]) -> None:
        target = self._top(dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_key(key)] = value

    def _top(self, kind: type) -> Any:
        if not self._stack or not isinstance(self._stack[-1], kind):
            raise ValueError(f"a {kind.__name__} is missing")
        return self._stack[-1]

    def put(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    def memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def get(self, number: int) -> None:
        self._stack.append(self._memo[number])

    def pop(self, _: Any) -> None:
        self._stack.pop()

    def pop_mark(self, _: Any) -> None:
        self._since_mark()

    def dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def name(self, words: str) -> None:
        module, _, name = words.partition(" ")
        self._named(module, name)

    def stack_name(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._named(module, name)

    def _named(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused("because it imports something that is not a name")
        known = STAND_INS.get((module.replace("numpy._core", "numpy.core"), name))
        if known is None:
            raise Refused(f"because it asks for '{in_one_line(module[:60])}.{in_one_line(name[:60])}'")
        self._stack.append(known)

    def call(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not (isinstance(arguments, tuple) and isinstance(function, StandIn)):
            raise Refused("because it calls something that is not an array or a plain value")
        self._spend(arguments)
        try:
            self._stack.append(function.make(*arguments))
        except TypeError as fault:
            raise Refused(f"because it makes a {function.title} of {reprlib.repr(arguments)[:60]}") from fault

    def build(self, _: Any) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        fill = getattr(target, "fill", None)
        if fill is None or not isinstance(state, tuple):
            raise Refused("because it sets the state of something that is not an array")
        self._spend(state)
        fill(state)

    def _spend(self, words: tuple[Any, ...]) -> None:
        self._budget -= sum(len(word) for word in words if isinstance(word, (str, bytes, bytearray)))
        if self._budget < 0:
            raise Refused("because it decompresses to more than twice its size")


def _written_out(value: object, known: dict[int, int]) -> int:
    """Number of values where each list stands wherever it is named; ``known`` holds them, 0 for one in hand."""
    if isinstance(value, Wrapper):
        value = value.value
    if isinstance(value, np.ndarray):
        return 1 + value.size
    if not isinstance(value, (dict, list, tuple, set)):
        return 1
    if id(value) not in known:
        known[id(value)] = 0
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_written_out(one, known) for one in inner)
    if known[id(value)] == 0:
        raise Refused("because a list is part of itself")
    return known[id(value)]


def _key(value: Any) -> Any:
    """Keys of dicts and sets are plain: hashing nested tuples of an untrusted file may not end."""
    value = unwrapped(value)
    if not isinstance(value, _KEYS):
        raise Refused(f"because a {type(value).__name__} is the key of a dict or the element of a set")
    if isinstance(value, int) and value.bit_length() > 64:
        # Numbers beyond can be chosen so that all lie in one place of a dict, and each is compared with all others.
        raise Refused("because a whole number of more than 64 bits is the key of a dict or the element of a set")
    return value


def unwrapped(value: object) -> object:
    """A value of a loaded pickle without the wrapper that arrays come in."""
    return value.value if isinstance(value, Wrapper) else value


def array_of(value: object) -> npt.NDArray[Any] | None:
    """The numpy array behind a value of a loaded pickle, or None where it is something else."""
    value = unwrapped(value)
    return value if isinstance(value, np.ndarray) else None


def plain(value: object) -> object:
    """A number or text behind a value of a loaded pickle, numpy's scalars too."""
    value = unwrapped(value)
    return value.item() if isinstance(value, np.generic) else value


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "EMPTY_LIST": _Machine.empty_list,
    "EMPTY_DICT": _Machine.empty_dict,
    "EMPTY_SET": _Machine.empty_set,
    "EMPTY_TUPLE": lambda machine, _: machine.short_tuple(0),
    "TUPLE1": lambda machine, _: machine.short_tuple(1),
    "TUPLE2": lambda machine, _: machine.short_tuple(2),
    "TUPLE3": lambda machine, _: machine.short_tuple(3),
    "LIST": _Machine.make_list,
    "TUPLE": _Machine.make_tuple,
    "DICT": _Machine.make_dict,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "ADDITEMS": _Machine.add_items,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "PUT": lambda machine, argument: machine.put(int(argument)),
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "GET": lambda machine, argument: machine.get(int(argument)),
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.dup,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.stack_name,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}
