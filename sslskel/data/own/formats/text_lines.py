"""Lines of numbers in a text file: which sign parts them, what stands for a missing one, and which line each is on.

What the numbers mean is in ``columns.py`` for files with a header, and in ``plain_text.py`` for those without.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslskel.data.own.formats.containers import missing_key
from sslskel.errors import DataError
from sslskel.files import read_regular

Doubles = npt.NDArray[np.float64]
LARGEST = 512 << 20
MISSING = frozenset({"", "nan", "na", "n/a", "#n/a", "#na", "null", "none", "-", "--", "<na>", "missing"})
"""What pandas, R and Excel write for a number that is not there, in any case."""


def read_text(path: Path, limit: int = LARGEST) -> str:
    """A text file; raises ``DataError`` where it is none, is empty or too large."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise DataError(f"'{path}' has {size:,} bytes, more than the {limit:,} that are read as text; use .npy")
        text = read_regular(path, None).decode("utf-8-sig")
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({fault.strerror}); check the path") from fault
    except UnicodeDecodeError as fault:
        raise DataError(f"'{path}' is not UTF-8 text (byte {fault.start}); save it as text") from fault
    if not text.strip():
        raise DataError(f"'{path}' is empty; write or copy it again")
    return text


@dataclass(frozen=True)
class TextLines:
    """The lines of a table that are not blank, with their numbers from 1, and the sign between fields."""

    path: Path
    lines: Sequence[tuple[int, str]]
    delimiter: str | None
    """None: any blanks."""

    @property
    def header(self) -> list[str]:
        """The words of the first line, or none where it holds numbers alone."""
        words = self.words(0)
        return [] if all(is_number(self._plain(word)) or is_missing(word) for word in words) else words

    def words(self, at: int) -> list[str]:
        """The fields of a line."""
        line = self.lines[at][1]
        if self.delimiter is None:
            return line.split()
        try:
            return [word.strip() for word in next(csv.reader([line], delimiter=self.delimiter))]
        except csv.Error as fault:
            raise self.fault(at, f"this is not CSV ({fault}); correct the line") from fault

    def rest(self, skip: int) -> TextLines:
        """The lines behind the first ones."""
        return TextLines(self.path, self.lines[skip:], self.delimiter)

    def of_clip(self, column: int, width: int, key: str) -> TextLines:
        """The lines of one clip, where a column says which clip they are of; raises ``DataError`` for none of them."""
        names = self.texts(column, width)
        kinds = list(dict.fromkeys(names))
        if not key and len(kinds) == 1:
            return self
        if key not in kinds:
            raise missing_key(str(self.path), key, kinds)
        return TextLines(
            self.path, [line for name, line in zip(names, self.lines, strict=True) if name == key], self.delimiter
        )

    def fault(self, at: int, what: str) -> DataError:
        """The error for a line."""
        return DataError(f"'{self.path}', line {self.lines[at][0]}: {what}")

    def numbers(self, columns: Sequence[int] | None = None, width: int | None = None) -> Doubles:
        """(lines, columns) of numbers, NaN where one is missing; ``width`` is how many fields a line must have.

        Raises ``DataError`` naming the first line with another number of fields, or with a word.
        """
        if not self.lines:
            raise DataError(f"'{self.path}' has no frames; write one row of numbers per frame")
        count = len(self.words(0)) if width is None else width
        texts = [line for _, line in self.lines]
        if self.delimiter is None or not any('"' in line for line in texts):
            try:
                table = np.loadtxt(texts, delimiter=self.delimiter, comments=None, ndmin=2, usecols=columns)
                if columns is not None:
                    self._same_width(count)
                if columns is not None or table.shape[1] == count:
                    return np.asarray(table, dtype=np.float64)
            except ValueError:
                pass
        chosen = range(count) if columns is None else columns
        table = np.empty((len(texts), len(chosen)))
        for at in range(len(texts)):
            words = self._checked(at, count)
            table[at] = [self._number(at, words[column]) for column in chosen]
        return table

    def texts(self, column: int, width: int) -> list[str]:
        """One column as it is written."""
        return [self._checked(at, width)[column] for at in range(len(self.lines))]

    def _same_width(self, count: int) -> None:
        for at, (_, line) in enumerate(self.lines):
            fields = len(line.split()) if self.delimiter is None else line.count(self.delimiter) + 1
            if fields != count:
                self._checked(at, count)

    def _checked(self, at: int, count: int) -> list[str]:
        words = self.words(at)
        if len(words) != count:
            raise self.fault(at, f"{len(words)} fields, expected {count}; correct the row")
        return words

    def _number(self, at: int, word: str) -> float:
        if is_missing(word):
            return np.nan
        plain = self._plain(word)
        if not is_number(plain):
            raise self.fault(at, f"a field is {word[:40]!r}, expected a number")
        return float(plain)

    def _plain(self, word: str) -> str:
        """A number with a decimal point, where commas part nothing and may stand for one."""
        return word.replace(",", ".") if self.delimiter != "," and word.count(",") == 1 else word


def text_lines(path: Path, skip: int = 0) -> TextLines:
    """The lines of a table file behind the first ones, split at commas, semicolons or tabs, else at blanks.

    Those after ``#`` are left out, unless the first of them names the columns, as numpy writes it. A sign that
    ends every line separates nothing.
    """
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    every = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    lines = [(number, line) for number, line in every if not line.lstrip().startswith("#")][skip:]
    if not lines:
        raise DataError(f"'{path}' has no frames; write one row of numbers per frame")
    delimiter = _delimiter(lines[0][1])
    number, comment = every[0][0], every[0][1].strip().lstrip("# ")
    if number < lines[0][0] and len(comment.split(delimiter)) == len(lines[0][1].split(delimiter)) > 1:
        lines.insert(0, (number, comment))
    if delimiter is not None and all(line.rstrip(" ").endswith(delimiter) for _, line in lines):
        lines = [(number, line.rstrip(" ")[: -len(delimiter)]) for number, line in lines]
    return TextLines(path, lines, delimiter)


def _delimiter(line: str) -> str | None:
    """Whichever of comma, semicolon and tab a line has most of; commas inside of numbers part nothing."""
    for sign in ";\t":
        words = line.split(sign)
        if len(words) > 1 and "," in line and all(is_number(word.replace(",", ".")) for word in words):
            return sign
    sign = max(",;\t", key=line.count)
    return sign if sign in line else None


def is_number(word: str) -> bool:
    """Whether a field is a number that Python reads."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def is_missing(word: str) -> bool:
    """Whether a field stands for a number that is not there."""
    return word.strip().lower() in MISSING
