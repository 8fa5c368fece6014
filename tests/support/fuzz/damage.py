"""Seeded damage of files: bytes, tokens and lines of text, values inside JSON, YAML, pickles and zip archives."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import NamedTuple

from fuzz.specimens import Files, Reader
from fuzz.trees import changed_value, has_values

_TOKEN = re.compile(rb"[^\s,;:{}\[\]()\"']+")
_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
ODD = (
    *(b"nan", b"NaN", b"inf", b"-Infinity", b"1e999", b"-1e999", b"1e308", b"1e30", b"-1e20", b"", b"text", b"-1"),
    *(
        b"0",
        b"-0.0",
        b"1",
        b"2",
        b"3",
        b"99",
        b"1e-320",
        b"0x10",
        b"1_0",
        b"1,5",
        b"9" * 19,
        b"9" * 400,
        b"true",
        b"null",
    ),
    *("٣".encode(), b"1.5", b"%s", b"-9223372036854775808", b"\xff", b"''", b'"', b"${oc.env:HOME}", b"../../x"),
)
"""What stands in the place of a token."""
SIGNS = (
    b" ",
    b"\n",
    b"\n\n",
    b"\xef\xbb\xbf",
    b"\x00",
    b"\r\n",
    b"\r",
    b"\t",
    b"\x0b",
    b"\xc2\xa0",
    b"\xff\xfe",
    b"#",
    b'"',
)
"""What is put between tokens or in front."""


class Damaged(NamedTuple):
    """A specimen with one damage in it."""

    file: str
    kind: str
    """The name of the damage, such as ``number`` or ``line dropped``."""
    content: bytes
    was_number: bool = False
    """Whether a token was replaced that stood for a number."""


def damaged(reader: Reader, files: Files, number: int) -> Damaged:
    """Input ``number`` of a reader: the same one each time."""
    draw = random.Random(f"{reader.name} {number}")
    file = draw.choice(reader.damaged)
    data = files[file]
    families: list[Callable[[bytes, random.Random], tuple[str, bytes, bool]]] = [_bytes]
    if reader.text:
        families += [_tokens, _tokens]
    if reader.inside and has_values(file):
        families += [lambda content, draw: ("value", changed_value(file, content, draw), False)]
    for _ in range(20):
        kind, content, was_number = draw.choice(families)(data, draw)
        if content != data:
            return Damaged(file, kind, content, was_number)
    return Damaged(file, "cut", data[:-1])


def _bytes(data: bytes, draw: random.Random) -> tuple[str, bytes, bool]:
    at = draw.randrange(len(data) + 1)
    size = draw.choice((1, 1, 1, 2, 4, 8, draw.randint(1, 64)))
    kind = draw.choice(("flipped bit", "changed bytes", "put in", "taken out", "doubled", "cut", "spliced", "swapped"))
    if kind == "flipped bit":
        at = min(at, max(len(data) - 1, 0))
        made = data[:at] + bytes(byte ^ (1 << draw.randrange(8)) for byte in data[at : at + 1]) + data[at + 1 :]
    elif kind == "changed bytes":
        made = data[:at] + draw.randbytes(min(size, len(data) - at)) + data[at + size :]
    elif kind == "put in":
        made = data[:at] + draw.randbytes(size) + data[at:]
    elif kind == "taken out":
        made = data[:at] + data[at + size :]
    elif kind == "doubled":
        made = data[: at + size] + data[at:]
    elif kind == "cut":
        made = data[:at]
    elif kind == "spliced":
        other = draw.randrange(len(data) + 1)
        made = data[:at] + data[other:]
    else:
        first, second = sorted((at, draw.randrange(len(data) + 1)))
        one, two = data[first : first + size], data[second : second + size]
        made = data[:first] + two + data[first + size : second] + one + data[second + size :]
    return kind, made, False


def _tokens(data: bytes, draw: random.Random) -> tuple[str, bytes, bool]:
    kind = draw.choice(("token", "token", "token", "token dropped", "token doubled", "line", "line", "sign"))
    if kind == "line":
        return (*_lines(data, draw), False)
    spots = [match.span() for match in _TOKEN.finditer(data)]
    if not spots:
        return "sign", draw.choice(SIGNS) + data, False
    begin, end = draw.choice(spots)
    was_number = _NUMBER.fullmatch(data[begin:end]) is not None
    if kind == "token":
        return kind, data[:begin] + draw.choice(ODD) + data[end:], was_number
    if kind == "token dropped":
        return kind, data[:begin] + data[end:], was_number
    if kind == "token doubled":
        return kind, data[:end] + draw.choice((b" ", b",", b"")) + data[begin:], was_number
    at = draw.choice((0, begin, end, len(data)))
    if draw.random() < 0.1:
        return "line ends", data.replace(b"\n", b"\r\n"), False
    return kind, data[:at] + draw.choice(SIGNS) + data[at:], False


def _lines(data: bytes, draw: random.Random) -> tuple[str, bytes]:
    lines = data.splitlines(keepends=True)
    if len(lines) < 2:
        return "cut", data[: draw.randrange(len(data) + 1)]
    at = draw.randrange(len(lines))
    kind = draw.choice(("line dropped", "line doubled", "lines swapped"))
    if kind == "line dropped":
        del lines[at]
    elif kind == "line doubled":
        lines.insert(at, lines[at])
    else:
        other = draw.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    return kind, b"".join(lines)
