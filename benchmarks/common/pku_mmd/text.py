"""The three kinds of text files of PKU-MMD: frames of a recording, its annotated actions, and split lists.

What is made of them is in ``importing``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sslskel import DataError
from sslskel.data.sources.archives import SourceFile

NUMBERS = 150
"""Per frame: 2 persons, 25 joints, x y z."""
FURTHEST = 1000.0
"""Metres from the camera beyond which a coordinate is a fault of the file."""
CLASSES = 51
LINE_LIMIT = 1 << 14
"""Characters of a line; a frame has about 1,400."""
SMALL = 1 << 20
"""Most bytes of a label file or list; the largest list has 10 kB."""
BLOCK = 256
"""Lines that are turned into numbers together."""

Doubles = npt.NDArray[np.float64]


class Halves(NamedTuple):
    """What a split list names."""

    training: frozenset[str]
    others: frozenset[str]


class Action(NamedTuple):
    """One line of a label file as written: class from 1, first frame from 0, the frame after the last.

    Frames may be negative, which no action is cut from.
    """

    number: int
    """Place in the file, from 0; skipped lines do not count."""
    label: int
    start: int
    end: int
    confidence: int


def read_frames(file: SourceFile) -> Doubles:
    """(T, 150) metres, one line per frame; raises ``DataError`` naming file, line and fault."""
    lines = list(_lines(_text(file)))
    frames = np.empty((len(lines), NUMBERS))
    for first in range(0, len(lines), BLOCK):
        block = lines[first : first + BLOCK]
        values = _values([line for _, line in block])
        if values is None:
            raise DataError(f"'{file.where}' {_fault(block)}; fetch the file again")
        frames[first : first + BLOCK] = values
    if not lines:
        raise DataError(f"'{file.where}' is empty, not one line of numbers per frame; fetch the file again")
    return frames


def _values(lines: list[str]) -> Doubles | None:
    """(lines, 150), or None where any of them is invalid."""
    if max(map(len, lines)) > LINE_LIMIT:
        return None
    try:
        values = np.loadtxt(lines, dtype=np.float64, comments=None, ndmin=2)
    except ValueError:
        return None
    return values if values.shape == (len(lines), NUMBERS) and (np.abs(values) <= FURTHEST).all() else None


def _fault(block: list[tuple[int, str]]) -> str:
    """What is wrong with the first invalid line of a block."""
    for number, line in block:
        if len(line) > LINE_LIMIT:
            return f"line {number} has {len(line):,} characters, as no frame has"
        fields = line.split()
        if len(fields) != NUMBERS:
            return f"line {number} has {len(fields)} numbers, not {NUMBERS} (2 persons, 25 joints, x y z)"
        for place, field in enumerate(fields, start=1):
            value = _number(field)
            if value is None or abs(value) > FURTHEST:
                return f"line {number}, number {place} is no position within {FURTHEST:.0f} m: {field[:40]!r}"
    return f"line {block[0][0]} and those after it are not readable as numbers"


def read_actions(file: SourceFile) -> list[Action]:
    """Annotated actions in the order of the file; raises ``DataError`` naming file, line and fault."""
    actions: list[Action] = []
    for number, line in _lines(_text(file, SMALL)):
        values = [_number(word.strip()) for word in line.split(",")]
        whole = [int(value) for value in values if value is not None and value.is_integer()]
        if len(values) != 4 or len(whole) != 4 or not all(abs(value) < 1 << 31 for value in whole):
            raise DataError(
                f"'{file.where}' line {number} is {line.strip()[:60]!r}, not four whole numbers 'class,start,end,"
                "confidence'; fetch the file again"
            )
        if not 1 <= whole[0] <= CLASSES:
            raise DataError(f"'{file.where}' line {number} has class {whole[0]}; classes are 1 to {CLASSES}")
        actions.append(Action(len(actions), *whole))
    return actions


def read_list(file: SourceFile, video: re.Pattern[str]) -> Halves:
    """Names of the training and of the other videos; raises ``DataError`` naming file, line and fault."""
    halves: list[set[str]] = []
    for number, line in _lines(_text(file, SMALL)):
        heading = re.match(r"\s*(training|valid|test)[a-z]* videos", line, re.IGNORECASE)
        if heading:
            if (heading[1].lower() == "training") != (not halves) or len(halves) == 2:
                raise DataError(f"'{file.where}' line {number}: {line.strip()[:40]!r} comes in the wrong place")
            halves.append(set())
            continue
        names = [name.strip() for name in line.split(",") if name.strip()]
        wrong = next((name for name in names if not halves or not video.fullmatch(name)), None)
        if wrong is not None:
            raise DataError(
                f"'{file.where}' line {number} has {wrong[:40]!r}, not a heading 'Training videos:' or names of videos"
                " of this phase; fetch the file again"
            )
        halves[-1].update(names)
    if len(halves) != 2 or not halves[0]:
        raise DataError(f"'{file.where}' has not both lists, 'Training videos:' and 'Validataion videos:'")
    both = sorted(halves[0] & halves[1])
    if both:
        raise DataError(f"'{file.where}' has {both[0]} among the training videos and among the others")
    return Halves(frozenset(halves[0]), frozenset(halves[1]))


def _text(file: SourceFile, limit: int | None = None) -> str:
    content = file.read()
    if limit is not None and len(content) > limit:
        raise DataError(f"'{file.where}' has {len(content):,} bytes, more than the {limit:,} that such a file may have")
    try:
        return content.decode("ascii").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as fault:
        raise DataError(f"'{file.where}' is no plain text (byte {fault.start}); fetch the file again") from fault


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Number from 1 and content of every line that is not blank."""
    return ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def _number(word: str) -> float | None:
    """A finite decimal number, or None."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in word else None
