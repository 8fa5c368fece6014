"""Text files of positions: a line of numbers per frame or per joint, with errors that name file and line.

Written for files that are not trusted. Shape letters: T frames, M persons, V joints.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslskel.data.sources.archives import SourceFile
from sslskel.errors import DataError

Doubles = npt.NDArray[np.float64]
Lines = Iterable[tuple[int, str]]
"""Number from 1 and content of lines."""

LINE_LIMIT = 1 << 14
"""Characters of a line; a frame of two persons has about 1,400."""
BLOCK = 256
"""Lines that are turned into numbers together."""


@dataclass(frozen=True)
class PositionLines:
    """What the lines of such a file are: x y z of every joint of every person, and nothing else."""

    joints: int
    persons: int = 1
    line_per_joint: bool = False
    """Whether a line is a joint, and ``joints`` lines a frame; else a line is a frame."""
    delimiter: str | None = None
    """None: any blanks."""
    metres: float = 1.0
    """Metres per unit of the file."""
    furthest: float = 100.0
    """Metres from the origin beyond which a coordinate is a fault of the file."""

    @property
    def width(self) -> int:
        """Numbers of a line."""
        return 3 if self.line_per_joint else 3 * self.joints * self.persons

    def read(self, file: SourceFile) -> Doubles:
        """(T, M * V, 3) metres; raises ``DataError`` naming file, line and fault."""
        return self.of(numbered_lines(plain_text(file)), file.where)

    def of(self, lines: Lines, where: str) -> Doubles:
        """The same out of lines that are none of them blank."""
        kept = list(lines)
        values = np.empty((len(kept), self.width))
        for first in range(0, len(kept), BLOCK):
            block = kept[first : first + BLOCK]
            read = self._values([line for _, line in block])
            if read is None:
                raise DataError(f"'{where}' {self._fault(block)}; fetch the file again")
            values[first : first + BLOCK] = read
        if not kept:
            per = "joint" if self.line_per_joint else "frame"
            raise DataError(f"'{where}' is empty, not one line of numbers per {per}; fetch the file again")
        if self.line_per_joint and len(kept) % self.joints:
            raise DataError(
                f"'{where}' has {len(kept)} lines of numbers, not a multiple of the {self.joints} joints of a frame;"
                " fetch the file again"
            )
        return values.reshape(-1, self.joints * self.persons, 3) * self.metres

    def _values(self, lines: list[str]) -> Doubles | None:
        """(lines, width), or None where any of them is invalid."""
        if max(map(len, lines)) > LINE_LIMIT:
            return None
        try:
            values = np.loadtxt(lines, dtype=np.float64, comments=None, delimiter=self.delimiter, ndmin=2)
        except ValueError:
            return None
        fits = values.shape == (len(lines), self.width) and (np.abs(values) * self.metres <= self.furthest).all()
        return values if fits else None

    def _fault(self, block: list[tuple[int, str]]) -> str:
        """What is wrong with the first invalid line of a block."""
        for number, line in block:
            if len(line) > LINE_LIMIT:
                return f"line {number} has {len(line):,} characters, as no frame has"
            fields = line.split(self.delimiter)
            if len(fields) != self.width:
                return f"line {number} has {len(fields)} numbers, not {self.width} ({self._content()})"
            for place, field in enumerate(fields, start=1):
                value = decimal(field)
                if value is None or abs(value) * self.metres > self.furthest:
                    return f"line {number}, number {place} is no position within {self.furthest:.0f} m: {field[:40]!r}"
        return f"line {block[0][0]} and those after it are not readable as numbers"

    def _content(self) -> str:
        if self.line_per_joint:
            return "x y z of a joint"
        persons = f"{self.persons} persons, " if self.persons > 1 else ""
        return f"{persons}{self.joints} joints, x y z"


def plain_text(file: SourceFile, limit: int | None = None) -> str:
    """An ASCII file with one kind of line ends; raises ``DataError`` where it is none, or has more bytes."""
    content = file.read()
    if limit is not None and len(content) > limit:
        raise DataError(f"'{file.where}' has {len(content):,} bytes, more than the {limit:,} that such a file may have")
    try:
        return content.decode("ascii").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as fault:
        raise DataError(f"'{file.where}' is no plain text (byte {fault.start}); fetch the file again") from fault


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number from 1 and content of every line that is not blank."""
    return ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def decimal(word: str) -> float | None:
    """A finite decimal number, or None."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in word else None
