"""One recording of an imported dataset: what it is called and labelled, and how its content is read.

Tables, pickles and other sets become recordings; what comes after no longer asks which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.clip_table import ClipRow
from sslskel.data.own.content import Content
from sslskel.data.own.formats.kind import Shelf, Source
from sslskel.data.own.formats.table import files_of, read
from sslskel.data.own.layout_file import Description


@dataclass(frozen=True)
class Recording:
    """A clip on its way in. Label, subject, camera and setup are as written, empty for unknown."""

    name: str
    where: str
    """How errors call it: the clip, and the file and line that say so."""
    load: Callable[[], Content]
    """Reads it; raises ``DataError`` naming the file."""
    label: str = ""
    subject: str = ""
    camera: str = ""
    setup: str = ""
    begin: float | None = None
    end: float | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    """Split -> train, test, validation or nothing."""
    files: tuple[Path, ...] = ()
    """What it is read from besides the files that a person named."""


def recordings_of(
    table: Path, rows: Sequence[ClipRow], folder: Path, description: Description, layout: SkeletonLayout
) -> list[Recording]:
    """The recordings that the rows of a table name; files are looked for in ``folder``."""
    recordings, shelf = [], Shelf()
    for row in rows:
        where = f"clip '{row.name}' ('{row.file}', {table.name} line {row.line})"
        source = Source(folder / row.file, layout, description, row.key, row.index, shelf)
        texts = {"label": row.label, "subject": row.subject, "camera": row.camera, "setup": row.setup}
        load, files = partial(read, source), files_of(source)
        recordings.append(
            Recording(row.name, where, load, begin=row.begin, end=row.end, parts=row.parts, files=files, **texts)
        )
    return recordings
