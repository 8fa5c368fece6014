"""The lines of a text file and the numbers at their beginnings, located for the whole file at once.

Reading line by line costs a Python step per field, most of which is not needed. Here numpy
finds where lines and fields begin; how the wanted fields become numbers is in ``decimals``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sslskel.data.motion.decimals import read_decimals
from sslskel.errors import DataError

MOST = 2_000_000
"""Lines of a file; bounds the memory."""
CHUNK = 20_000
"""Lines whose numbers are read at once; bounds the memory."""

Ints = npt.NDArray[np.int64]


class Lines:
    """A file, whatever its line ends, and where reading stands: ``at`` lines are read.

    ``fields`` is how many a line needs that :meth:`skip` may pass over. Raises ``DataError``
    naming ``where`` and the line for what is not as asked.
    """

    def __init__(self, data: bytes, where: str, fields: int) -> None:
        if not data:
            raise DataError(f"'{where}' is empty (0 bytes); fetch it again")
        if data[:2] == b"\x1f\x8b":
            raise DataError(f"'{where}' is compressed with gzip, where plain text belongs; unpack it first")
        self.where, self.at, self._least = where, 0, fields
        self._data = _with_line_ends(data)
        self._bytes = np.frombuffer(self._data, np.uint8)
        if (lines := np.count_nonzero(self._bytes == 10)) > MOST:
            raise DataError(f"'{where}' has {lines} lines, more than the {MOST} that any such file has")
        self._begin = np.concatenate(([0], np.flatnonzero(self._bytes == 10) + 1))
        blank = (self._bytes == 32) | (self._bytes - np.uint8(9) < 5)
        self._opens = np.flatnonzero(np.concatenate(([True], blank[:-1])) & ~blank)
        self._closes = np.flatnonzero(blank[1:] & ~blank[:-1]) + 1
        self._first = np.searchsorted(self._opens, self._begin)
        short = np.concatenate(([0], np.cumsum(np.diff(self._first) < fields)))
        # Single numbers come out of these three times as fast as out of arrays.
        self._starts, self._short = self._begin.data, short.data

    def fault(self, what: str, line: int = 0) -> DataError:
        """An error about a line, by default the one that was read last."""
        return DataError(f"'{self.where}', line {line or self.at} {what}; fetch the file again")

    def count(self, what: str, *of: int, least: int = 0) -> int:
        """The whole number that the next line holds; ``what`` with ``of`` in its ``%d`` says in an error which."""
        text = self._next(what, of)
        try:
            number = int(text[:40])
        except ValueError:
            number = None
        if number is None or b"_" in text or len(text) > 40:
            raise self.fault(f"should hold {what % of} and is '{shown(text.strip())}'")
        if number < least:
            raise self.fault(f"gives {what % of} as {number}; it must be at least {least}")
        return number

    def first(self, what: str, *of: int) -> bytes:
        """The first field of the next line."""
        fields = self._next(what, of).split(None, 1)
        if not fields:
            raise self.fault(f"should hold {what % of} and is blank")
        return fields[0]

    def skip(self, number: int, what: str, *of: int) -> None:
        """Pass over lines that must be there and have fields enough."""
        behind = self.at + number
        if behind < len(self._starts) and self._short[behind] == self._short[self.at]:
            self.at = behind
            return
        for held in np.diff(self._first[self.at : behind + 1]).tolist():
            self.at += 1
            if held < self._least:
                why = f"has {held} fields; it needs {self._least}, so a line is damaged or missing"
                raise self.fault(f"({what % of}) {why}")
        raise self._end(what % of)

    def behind(self) -> int:
        """Lines that are not blank behind the one that was read last."""
        return int(np.count_nonzero(np.diff(self._first[self.at :])))

    def numbers(self, lines: Ints, fields: int) -> npt.NDArray[np.float64]:
        """(len(lines), fields) the first fields of some lines, counted from 1, that have as many."""
        return np.concatenate([self._numbers(lines[i : i + CHUNK] - 1, fields) for i in range(0, len(lines), CHUNK)])

    def _numbers(self, lines: Ints, fields: int) -> npt.NDArray[np.float64]:
        chosen = (self._first[lines][:, None] + np.arange(fields)).ravel()
        begin, end = self._opens[chosen], self._closes[chosen]
        values, plain = read_decimals(self._bytes, begin, end)
        for at in np.flatnonzero(~plain).tolist():
            values[at] = self._number(self._data[begin[at] : end[at]], int(lines[at // fields]) + 1)
        return values.reshape(-1, fields)

    def _number(self, text: bytes, line: int) -> float:
        try:
            if b"_" in text:
                raise ValueError("only Python reads underscores")
            return float(text)
        except ValueError:
            raise self.fault(f"holds '{shown(text)}' where a number should be", line) from None

    def _next(self, what: str, of: tuple[int, ...]) -> bytes:
        if self.at + 1 >= len(self._starts):
            raise self._end(what % of)
        self.at += 1
        return self._data[self._starts[self.at - 1] : self._starts[self.at]]

    def _end(self, what: str) -> DataError:
        return DataError(
            f"'{self.where}' ends behind line {self.at} where {what} should follow: it is cut short; fetch it again"
        )


def _with_line_ends(data: bytes) -> bytes:
    """The same lines, all ended by a line feed, which a carriage return may precede."""
    if not data.endswith((b"\n", b"\r")):
        data += b"\n"
    codes = np.frombuffer(data, np.uint8)
    if data.endswith(b"\r") or ((codes[:-1] == 13) & (codes[1:] != 10)).any():
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data


def shown(text: bytes) -> str:
    """A piece of a file that may hold anything, short and printable."""
    return ascii(text[:40].decode("latin-1"))[1:-1]
