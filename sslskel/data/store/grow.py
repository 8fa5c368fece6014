"""The rows of a dataset while they are written: clip by clip, and on from where an interrupted import stopped.

``store.py`` names the finished files and makes them a dataset.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from sslskel.api.dataset import Clip
from sslskel.data.store.format import HEADER_BYTES, npy_header
from sslskel.data.store.journal import FILES, FLUSH_SECONDS, Journal, JournalEntry, Kept, Mark
from sslskel.data.store.rows import Index
from sslskel.errors import RunError
from sslskel.files import sync, write_synced, writing_in

Continued = Callable[[Sequence[Mapping[str, Any]]], Iterator[Clip | Mark | Kept]]
"""Clips that can go on where they were interrupted: they take the states of earlier marks and yield ``Kept`` first."""


def writing(target: Path) -> AbstractContextManager[None]:
    """Turn a failure of the disk into one sentence about the dataset."""
    hint = " or set SSLSKEL_DATA to a folder on another disk"
    return writing_in(target.parent, f"dataset '{target.name}'", hint=hint)


class Rows:
    """Grows ``joints.npy`` and ``valid.npy`` in a folder; with a journal, behind what it kept of them."""

    def __init__(self, folder: Path, target: Path, index: Index, journal: Journal | None) -> None:
        self._folder, self._target, self._index, self._journal = folder, target, index, journal
        self.states = [entry.state for entry in journal.entries] if journal else []
        """The states in the marks of an interrupted import."""
        self._files: list[BinaryIO] = []
        self._entries: list[JournalEntry] = []
        self._flushed = time.monotonic()
        self._began, self._sizes, self._sums = index.size(), [0, 0], [0, 0]

    def __enter__(self) -> Rows:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(RunError):
            self._flush()
        for file in self._files:
            with suppress(OSError):
                file.close()

    def take(self, items: Iterator[Clip | Mark | Kept]) -> None:
        """Store every clip and write the headers; closes a generator, and with it the sources it holds open."""
        with closing(items) if isinstance(items, Generator) else nullcontext():
            # A failure to READ a source happens in the loop's own line, outside the guards.
            for item in items:
                if isinstance(item, Kept):
                    self._open(item.marks)
                elif isinstance(item, Mark):
                    self._mark(item)
                else:
                    self._add(item)
        self._open(0)
        shape = (self._index.info.layout.num_joints, self._index.info.coordinates)
        with writing(self._target):
            finish(self._files[0], npy_header(self._index.dtype, (self._index.rows, *shape)))
            finish(self._files[1], npy_header(np.dtype(np.bool_), (self._index.rows,)))

    def _open(self, marks: int) -> None:
        """Open the files, once, behind the rows of this many marks."""
        if self._files:
            return
        with writing(self._target):
            for entry in self._journal.keep(marks) if self._journal else ():
                self._index.restore(entry.gained)
            self._began = self._index.size()
            for name in FILES:
                path = self._folder / name
                if self._journal is None:
                    write_synced(path, bytes(HEADER_BYTES))
                file = path.open("r+b")
                self._files.append(file)
                file.seek(0, 2)

    def _add(self, clip: Clip) -> None:
        self._open(0)
        for positions, seen in self._index.add(clip):
            parts = (positions.astype(self._index.dtype.newbyteorder("<"), copy=False).tobytes(), seen.tobytes())
            with writing(self._target):
                for file, part in zip(self._files, parts, strict=True):
                    file.write(part)
            if self._journal is not None:
                self._sizes = [size + len(part) for size, part in zip(self._sizes, parts, strict=True)]
                self._sums = [zlib.crc32(part, total) for total, part in zip(self._sums, parts, strict=True)]

    def _mark(self, mark: Mark) -> None:
        """Take down what came since the last mark; it reaches the disk every few seconds."""
        if self._journal is None:
            return
        self._open(0)
        self._entries.append(JournalEntry(self._index.since(self._began), self._sizes, self._sums, mark.state))
        self._began, self._sizes, self._sums = self._index.size(), [0, 0], [0, 0]
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._journal is None or not self._entries:
            return
        with writing(self._target):
            for file in self._files:
                sync(file)
            self._journal.note(self._entries)
        self._entries, self._flushed = [], time.monotonic()


def finish(file: BinaryIO, header: bytes) -> None:
    """Write the header of a file whose rows are all there, and sync it."""
    file.seek(0)
    file.write(header)
    sync(file)
