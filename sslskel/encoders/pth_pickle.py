"""What the pickle of a ``.pth`` file would make, found out without making it.

PyTorch's own reader refuses code. It does call what is harmless by itself and may be endless as a file uses it: keys
that take long to hash, texts that double with every call, buffers of any size. Here the steps of a pickle are
followed with a word in place of every value.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import IO, NamedTuple

from sslskel.errors import CheckpointError

MOST_STEPS = 100_000
"""Steps of a pickle; a released file with its optimiser has a third of them, and more cost minutes."""
MOST_INTEGER = 2**64
"""Python files larger numbers away so that some equal each other's place, and finding one among many takes long."""
MOST_DIMENSIONS = 64
"""Of a tensor."""
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class _Kind(Enum):
    """Of a value of which no more is known."""

    ATOM = auto()
    """A truth value, a fraction, None, bytes."""
    FIELDS = auto()
    """Something that takes items or attributes: a mapping, or a namespace of options."""
    OTHER = auto()
    MARK = auto()


class _Global(NamedTuple):
    """A name that is looked up; a text or a whole number stands for itself, a tuple for what is in it."""

    name: str


def _empty(arguments: tuple[object, ...]) -> bool:
    return not arguments


def _empty_or_fields(arguments: tuple[object, ...]) -> bool:
    return not arguments or (len(arguments) == 1 and arguments[0] is _Kind.FIELDS)


def _texts(arguments: tuple[object, ...]) -> bool:
    """As bytes are kept: a text and the name of an encoding that makes it no longer."""
    return len(arguments) == 2 and isinstance(arguments[0], str) and arguments[1] in ("latin1", "latin-1")


def _few_sizes(arguments: tuple[object, ...]) -> bool:
    """Each call takes as long as the tensor has dimensions, and a file can name one list of them in every call."""
    lists = [one for one in arguments if isinstance(one, tuple)]
    lists += [one for inside in lists for one in inside[:MOST_DIMENSIONS] if isinstance(one, tuple)]
    return all(len(one) <= MOST_DIMENSIONS for one in lists)


_CALLS: dict[str, tuple[Callable[[tuple[object, ...]], bool], _Kind]] = {
    "collections.OrderedDict": (_empty, _Kind.FIELDS),
    "collections.Counter": (_empty_or_fields, _Kind.FIELDS),
    "argparse.Namespace": (_empty, _Kind.FIELDS),
    "_codecs.encode": (_texts, _Kind.ATOM),
    "torch.Size": (_few_sizes, _Kind.OTHER),
    "torch.device": (_few_sizes, _Kind.OTHER),
    "torch._utils._rebuild_tensor": (_few_sizes, _Kind.OTHER),
    "torch._utils._rebuild_tensor_v2": (_few_sizes, _Kind.OTHER),
    "torch._utils._rebuild_parameter": (_few_sizes, _Kind.OTHER),
    "torch._utils._rebuild_sparse_tensor": (_few_sizes, _Kind.OTHER),
    "torch._utils._rebuild_meta_tensor_no_storage": (_few_sizes, _Kind.OTHER),
    "torch.serialization._get_layout": (_few_sizes, _Kind.OTHER),
}
"""What may be called, with which arguments, and what comes out."""


def check_pickle(stream: IO[bytes], size: int, path: Path) -> None:
    """Read one pickle of a file of ``size`` bytes without running it.

    Raises ``CheckpointError`` where reading it would take long or much memory, and ``Exception`` for what is no pickle.
    """
    reader = _Reader(size, path)
    for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if number > MOST_STEPS:
            raise CheckpointError(
                f"{path} holds more than {MOST_STEPS:,} values beside its tensors; save its state dict alone to use it"
            )
        if isinstance(argument, int) and abs(argument) >= MOST_INTEGER and argument != LEGACY_MAGIC:
            raise CheckpointError(f"{path} holds a whole number of more than 64 bits, as no checkpoint does")
        reader.obey(opcode, argument)


class _Reader:
    """Stack and memo of one pickle, of words."""

    def __init__(self, size: int, path: Path) -> None:
        self._size, self._path = size, path
        self._stack: list[object] = []
        self._memo: dict[object, object] = {}

    def obey(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """Follow one step."""
        name = opcode.name
        if name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self._memo[argument] = self._stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            self._stack.append(self._memo[argument])
        else:
            taken = self._take(opcode)
            made = self._made(name, argument, taken)
            self._stack.extend([made] if opcode.stack_after else [])

    def _take(self, opcode: pickletools.OpcodeInfo) -> list[object]:
        """What a step takes from the stack, the mark left out."""
        words = opcode.stack_before
        if pickletools.markobject not in words:
            at = len(self._stack) - len(words)
        else:
            mark = len(self._stack) - 1
            while self._stack[mark] is not _Kind.MARK:
                mark -= 1
            del self._stack[mark]
            at = mark - words.index(pickletools.markobject)
        if at < 0:
            raise ValueError("the stack is empty")
        taken = self._stack[at:]
        del self._stack[at:]
        return taken

    def _made(self, name: str, argument: object, taken: Sequence[object]) -> object:
        if name == "MARK":
            return _Kind.MARK
        if name == "GLOBAL":
            return _Global(str(argument).replace(" ", "."))
        if name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE"):
            return tuple(taken)
        if name in ("SETITEM", "SETITEMS", "DICT", "EMPTY_DICT"):
            self._check_keys(taken[::2] if name == "DICT" else taken[1::2])
            return _Kind.FIELDS
        if name == "ADDITEMS":
            self._check_keys(taken[1:])
        elif name in ("REDUCE", "NEWOBJ"):
            return self._called(*taken)
        elif name == "BUILD" and not all(one is _Kind.FIELDS for one in taken):
            raise CheckpointError(f"{self._path} sets the state of an object, as torch.save does for mappings alone")
        elif name == "BUILD":
            return _Kind.FIELDS
        elif name == "BINPERSID":
            self._check_storage(taken[0])
        elif name in ("NONE", "NEWTRUE", "NEWFALSE") or isinstance(argument, (bool, float, bytes)):
            return _Kind.ATOM
        elif argument is not None:
            return argument
        return _Kind.OTHER

    def _check_keys(self, keys: Sequence[object]) -> None:
        if not all(one is _Kind.ATOM or isinstance(one, (str, int)) for one in keys):
            raise CheckpointError(
                f"{self._path} names a value by something else than a text or a number; save its state dict alone to"
                " use it"
            )

    def _called(self, function: object, arguments: object) -> _Kind:
        """Kind of what a call gives."""
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise ValueError("something is called that has no name")
        if function.name not in _CALLS:
            raise CheckpointError(
                f"{self._path} holds a {function.name} object, which could run code; it was refused and not run. Save"
                " its tensors alone (a plain state dict) to use it"
            )
        fits, made = _CALLS[function.name]
        if not fits(arguments):
            raise CheckpointError(
                f"{self._path} makes a {function.name} of something that could take any time and memory; save its"
                " tensors alone (a plain state dict) to use it"
            )
        return made

    def _check_storage(self, key: object) -> None:
        """Of the values of tensors: where they lie, how many they are."""
        words = key if isinstance(key, tuple) else (key,)
        if not all(one is _Kind.ATOM or isinstance(one, (str, int, _Global)) for one in words):
            raise CheckpointError(f"{self._path} keeps the values of tensors under strange names; it is damaged")
        if any(isinstance(one, int) and one > self._size for one in words):
            raise CheckpointError(f"{self._path} states tensors of more values than it has bytes; it is damaged")
