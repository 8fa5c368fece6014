"""Arrays out of .npz files: the archive is opened once for all its clips, and a big array is read going forward.

What a .npy file inside looks like is in ``arrays.py``.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any

import numpy.typing as npt

from sslskel.data.own.formats.arrays import Elements, faults_of, read_header
from sslskel.data.own.formats.containers import missing_key
from sslskel.data.own.pickles.unpickler import read_plain
from sslskel.errors import DataError

RATIO = 200
"""Largest factor by which packed motion data expand; more is a decompression bomb."""
MOST_KEPT = 2**31
"""Bytes of an array that is kept whole where its clips are asked for in another order."""
FREE = 64 << 20
"""Bytes that any file may expand to."""


class Archive:
    """An open .npz file. Raises ``DataError`` naming file and array for what is damaged, foreign or missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with faults_of(str(path)):
            self._zip = zipfile.ZipFile(path)
        self._members = {info.filename.removesuffix(".npy"): info for info in self._zip.infolist()}
        self._open: tuple[str, Elements] | None = None
        self._whole: tuple[str, npt.NDArray[Any] | None] | None = None
        self._objects: tuple[str, object] | None = None

    @property
    def keys(self) -> list[str]:
        """Names of the arrays."""
        return list(self._members)

    def read(self, key: str = "", index: int | None = None) -> npt.NDArray[Any]:
        """One array, or its element ``index``; ``key`` may be left out where there is only one."""
        key = self._named(key)
        with faults_of(f"{self._path}: {key}"):
            if self._open is None or self._open[0] != key:
                self._open = key, self._elements(key)
            elif self._open[1].has_passed(index):
                self._open = key, self._elements(key)
                if self._whole is None or self._whole[0] != key:
                    self._whole = key, self._kept(key)
            whole = None if self._whole is None or self._whole[0] != key else self._whole[1]
            if whole is not None and (index is None or (whole.flags.c_contiguous and index < len(whole))):
                return whole if index is None else whole[index]
            return self._open[1].read(index)

    def _kept(self, key: str) -> npt.NDArray[Any] | None:
        """An array that is not read forward, so that it is not unpacked for each of its clips; None for a huge one."""
        return self._elements(key).read(None) if self._members[key].file_size <= MOST_KEPT else None

    def objects(self, key: str = "") -> object:
        """The values of an array that numpy pickled, read without running them; None where it is of numbers."""
        key = self._named(key)
        if self._objects is None or self._objects[0] != key:
            where = f"{self._path}: {key}"
            with faults_of(where):
                file = self._file(key)
                header = read_header(file, where)
                size = self._members[key].file_size - header.begin
                self._objects = key, read_plain(file, size, f"{where} (objects)") if header.dtype.hasobject else None
        return self._objects[1]

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of an array, without reading it."""
        with faults_of(f"{self._path}: {key}"):
            return read_header(self._file(key), f"{self._path}: {key}").shape

    def _named(self, key: str) -> str:
        if not key and len(self._members) == 1:
            [key] = self._members
        if key not in self._members:
            raise missing_key(str(self._path), key, self.keys)
        return key

    def _elements(self, key: str) -> Elements:
        where, file = f"{self._path}: {key}", self._file(key)
        return Elements(file, read_header(file, where), self._members[key].file_size, where)

    def _file(self, key: str) -> IO[bytes]:
        member = self._members[key]
        if member.file_size > max(FREE, RATIO * member.compress_size):
            raise DataError(
                f"'{self._path}: {key}' decompresses to more than {RATIO} times its size, as no motion does; it is"
                " refused"
            )
        return self._zip.open(member)
