"""One recording of a set of one's own: what it is called and labelled, and how its array is read.

Tables, pickles and motion-capture files become recordings; what comes after no longer asks which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.bvh import read_bvh
from sslskel.data.own.clip_table import ClipRow
from sslskel.data.own.layout_file import Description
from sslskel.data.own.npy_files import read_npy, read_npz
from sslskel.data.own.text_files import read_csv, read_json
from sslskel.errors import DataError

ENDINGS = (".npy", ".npz", ".csv", ".json", ".bvh")


@dataclass(frozen=True)
class Recording:
    """A clip on its way in. Label, subject, camera and setup are as written, empty for unknown."""

    name: str
    where: str
    """How errors call it: the clip, and the file and line that say so."""
    load: Callable[[], npt.NDArray[Any]]
    """Reads the array; raises ``DataError`` naming the file."""
    label: str = ""
    subject: str = ""
    camera: str = ""
    setup: str = ""
    begin: int = 0
    end: int | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    """Split -> train, test, validation or nothing."""


def recordings_of(
    table: Path, rows: Sequence[ClipRow], folder: Path, description: Description, layout: SkeletonLayout
) -> list[Recording]:
    """The recordings that the rows of a table name; files are looked for in ``folder``."""
    recordings = []
    for row in rows:
        where = f"clip '{row.name}' ('{row.file}', {table.name} line {row.line})"
        load = _Loader(folder / row.file, row, description, layout)
        texts = {"label": row.label, "subject": row.subject, "camera": row.camera, "setup": row.setup}
        recordings.append(Recording(row.name, where, load, begin=row.begin, end=row.end, parts=row.parts, **texts))
    return recordings


@dataclass(frozen=True)
class _Loader:
    """Reads the array of one row by the ending of its file."""

    path: Path
    row: ClipRow
    description: Description
    layout: SkeletonLayout

    def __call__(self) -> npt.NDArray[Any]:
        ending = self.path.suffix.lower()
        if not self.path.is_file():
            what = "is a folder" if self.path.is_dir() else "does not exist"
            raise DataError(f"'{self.path}' {what}; correct column 'file', or say with --source where the files are")
        self._refuse(ending)
        if ending == ".npy":
            return read_npy(self.path, self.row.index)
        if ending == ".npz":
            return read_npz(self.path, self.row.key, self.row.index)
        if ending == ".json":
            return read_json(self.path, self.row.key, self.row.index)
        if ending == ".csv":
            return read_csv(self.path, self.layout)
        return read_bvh(self.path).positions(self.layout, self.description.fps)

    def _refuse(self, ending: str) -> None:
        """Nothing that a row says is passed over."""
        if ending not in ENDINGS:
            raise DataError(f"'{self.path}' ends in '{ending}'; arrays are read from {', '.join(ENDINGS)}")
        if self.row.key and ending not in (".npz", ".json"):
            raise DataError(
                f"'{self.path}' has no arrays by name; leave the column 'key' empty (it says '{self.row.key}')"
            )
        if self.row.index is not None and ending in (".csv", ".bvh"):
            raise DataError(f"'{self.path}' holds one recording; leave the column 'index' empty")
