"""What an import is to read: the recordings of a table or of a whole set, and the body that files bring themselves.

How they are read one by one is in ``reading.py``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sslskel.api.benchmark import ImportReport
from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.clip_table import ClipRow, read_table
from sslskel.data.own.formats.table import body_of
from sslskel.data.own.layout_file import Description
from sslskel.data.own.recordings import Recording, recordings_of
from sslskel.data.own.request import Request
from sslskel.data.own.sets.pyskl import read_pyskl
from sslskel.data.own.sets.table import is_set, read_set
from sslskel.errors import DataError, UsageError
from sslskel.hashing import file_sha256


def gathered(
    request: Request, described: Description, report: ImportReport
) -> tuple[list[Recording], Description, SkeletonLayout]:
    """The recordings to read, with layout and rate, which BVH files define."""
    files = request.pyskl or request.clips or ()
    if request.pyskl is not None or is_set(files):
        _digest(report, files, request.layout)
        if described.layout is None:
            raise UsageError("a pickle does not say what its joints are; name them with --layout (coco17, ntu25, FILE)")
        if request.pyskl is not None:
            recordings = read_pyskl(files, report.notes)
        else:
            recordings = read_set(files, described, described.layout, report.notes)
            _digest_files(report, "files of clips", files[0].parent, recordings)
        return recordings, described, described.layout
    if len(files) != 1:
        raise UsageError("--clips takes one labels table, or the files of one whole set; join several tables into one")
    [table] = files
    rows, folder = read_table(table), request.source or table.parent
    described = _with_body(rows, folder, described)
    if described.layout is None:
        raise UsageError(
            "arrays do not say what their joints are; name them with --layout (a layout file, coco17, ntu25)"
        )
    _digest(report, files, request.layout)
    recordings = recordings_of(table, rows, folder, described, described.layout)
    _digest_files(report, "files of the table", folder, recordings)
    return recordings, described, described.layout


def _with_body(rows: Sequence[ClipRow], folder: Path, described: Description) -> Description:
    """The description with the layout and rate of the first readable file that brings its own, where it has none."""
    faults = []
    for row in rows if described.layout is None or described.fps is None else ():
        try:
            brought = body_of(folder / row.file)
        except DataError as fault:
            faults.append(fault)
        else:
            if brought is not None:
                return replace(described, layout=described.layout or brought[0], fps=described.fps or brought[1])
    if faults and described.layout is None:
        raise faults[0]
    return described


def _digest(report: ImportReport, files: Sequence[Path], layout: str | None) -> None:
    """The sha256 of table, pickle and layout file."""
    for path in [*files, *([Path(layout)] if layout and Path(layout).is_file() else [])]:
        try:
            report.source[path.name] = file_sha256(path)[1]
        except OSError as fault:
            raise DataError(f"'{path}' cannot be read ({fault.strerror}); check the path") from fault


def _digest_files(report: ImportReport, what: str, folder: Path, recordings: Sequence[Recording]) -> None:
    """One sha256 over the names and contents of all files that recordings are read from."""
    digest, count = hashlib.sha256(), 0
    files = {Path(os.path.relpath(file, folder)).as_posix(): file for one in recordings for file in one.files}
    for name, file in sorted(files.items()):
        try:
            if not file.is_file():
                continue
            digest.update(f"{name}\0{file_sha256(file)[1]}\n".encode())
        except OSError:
            continue  # the clip will be named with its reason
        count += 1
    if files:
        report.source[f"{count} {what}"] = digest.hexdigest()
