"""The journal of an unfinished dataset: what of it is safely on the disk, so that a killed import goes on.

One line per mark, each with its own checksum. A line counts only where every row it
speaks of is there and is what it was. ``grow.py`` writes what comes between marks.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from sslskel.data.store.format import HEADER_BYTES
from sslskel.files import sync

try:
    import fcntl
except ImportError:  # Windows, where another process cannot remove an open file either
    fcntl = None  # type: ignore[assignment]

NAME = "journal"
FILES = ("joints.npy", "valid.npy")
_CHUNK = 1 << 22
FLUSH_SECONDS = 2.0
"""Work that a kill may cost, besides what is under way."""


class Mark(NamedTuple):
    """Yielded between clips: all before it may be kept, and ``state`` is returned to the importer."""

    state: dict[str, Any]


class Kept(NamedTuple):
    """Yielded first by a continued import: how many of its earlier marks still hold."""

    marks: int


class JournalEntry(NamedTuple):
    """One mark: what the index gained, sizes and checksums of the rows since the last, the importer's state."""

    gained: dict[str, Any]
    sizes: list[int]
    sums: list[int]
    state: dict[str, Any]


class Journal:
    """Opened in the folder of an unfinished dataset; holds a lock, so that one process at a time writes there.

    ``header`` describes the dataset: a journal of another one, or a damaged one, counts as
    empty. ``BlockingIOError`` where another process holds the lock.
    """

    def __init__(self, folder: Path, header: Mapping[str, object]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = (folder / NAME).open("a+b")
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held the lock before may have finished and removed the folder.
            if os.fstat(self._file.fileno()).st_nlink == 0:
                raise BlockingIOError("the folder is gone")
            self.folder, self._header = folder, _line(dict(header))
            self.entries, self._ends = self._read()
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> tuple[list[JournalEntry], list[int]]:
        self._file.seek(0)
        if self._file.readline() != self._header:
            return [], []
        entries, ends = [], []
        for line in self._file:
            entry = _entry(line)
            if entry is None:
                break
            entries.append(entry)
            ends.append(len(line))
        intact = _intact(self.folder, entries)
        return entries[:intact], ends[:intact]

    def keep(self, marks: int) -> list[JournalEntry]:
        """Cut journal and rows behind the first ``marks`` entries, which are returned."""
        kept = self.entries[:marks]
        self._file.seek(0)
        self._file.truncate(len(self._header) + sum(self._ends[:marks]) if marks else 0)
        if not marks:
            self._file.write(self._header)
        self._file.seek(0, os.SEEK_END)
        sync(self._file)
        for position, name in enumerate(FILES):
            with (self.folder / name).open("ab") as rows:
                rows.truncate(HEADER_BYTES + sum(entry.sizes[position] for entry in kept))
        return kept

    def note(self, entries: Iterable[JournalEntry]) -> None:
        """Append marks; the caller has made their rows durable."""
        for entry in entries:
            self._file.write(_line(entry._asdict()))
        sync(self._file)

    def close(self) -> None:
        """Release the lock."""
        self._file.close()


def _line(data: Mapping[str, object]) -> bytes:
    text = json.dumps(data, separators=(",", ":"), sort_keys=True).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _entry(line: bytes) -> JournalEntry | None:
    text = line[9:-1]
    if not line.endswith(b"\n") or line[:9] != b"%08x " % zlib.crc32(text):
        return None
    return JournalEntry(**json.loads(text))


def _intact(folder: Path, entries: list[JournalEntry]) -> int:
    """How many entries, from the first, describe rows that are on the disk unchanged."""
    intact = len(entries)
    for position, name in enumerate(FILES):
        try:
            with (folder / name).open("rb") as rows:
                rows.seek(HEADER_BYTES)
                for number, entry in enumerate(entries[:intact]):
                    if _sum(rows, entry.sizes[position]) != entry.sums[position]:
                        intact = number
                        break
        except OSError:
            return 0
    return intact


def _sum(rows: BinaryIO, size: int) -> int:
    """CRC-32 of the next ``size`` bytes, -1 where there are fewer."""
    total = 0
    while size:
        part = rows.read(min(size, _CHUNK))
        if not part:
            return -1
        total = zlib.crc32(part, total)
        size -= len(part)
    return total
