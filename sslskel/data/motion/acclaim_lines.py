"""The lines of an Acclaim text file and the errors that name them; knows no keyword of the format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sslskel.errors import DataError

LARGEST = 1e6
"""Numbers beyond this are faults of the file: no length, place or angle comes near it."""
LONGEST = 4096
"""Most bytes of one line."""


class WordLines:
    """The lines of a text file, split into words, with an error that names the line."""

    def __init__(self, data: bytes, where: str) -> None:
        if not data.strip():
            raise DataError(f"'{where}' is empty; fetch it again")
        if b"\0" in data:
            raise DataError(f"'{where}' is not a text file; fetch it again")
        self._data, self.where, self.number = data, where, 0

    def __iter__(self) -> Iterator[list[str]]:
        """Words of each line that is neither empty nor a comment."""
        at = 0
        while at < len(self._data):
            end = self._data.find(b"\n", at)
            end = len(self._data) if end < 0 else end
            self.number += 1
            if end - at > LONGEST:
                raise self.fault(
                    f"the line has {end - at:,} bytes, no motion file has such lines; fetch the file again"
                )
            words = self._data[at:end].decode("latin-1").split()
            at = end + 1
            if words and not words[0].startswith("#"):
                yield words

    def fault(self, what: str, line: int | None = None) -> DataError:
        """The error for the line just read, or for another one."""
        return DataError(f"'{self.where}', line {line or self.number}: {what}")

    def numbers(self, words: Sequence[str], count: int, what: str) -> list[float]:
        """Exactly ``count`` finite numbers."""
        if len(words) != count:
            raise self.fault(f"{what} has {len(words)} numbers, expected {count}")
        try:
            values = [float(word) for word in words]
        except ValueError:
            raise self.fault(f"{what} holds something that is not a number: {' '.join(words)[:80]!r}") from None
        if not all(-LARGEST < value < LARGEST for value in values):
            raise self.fault(f"{what} holds a number that no motion has: {' '.join(words)[:80]!r}")
        return values
