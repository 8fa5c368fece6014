"""All formats of recordings, and the one that a file is in; another one is a module like the others and a line here."""

from __future__ import annotations

from pathlib import Path

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.content import Content
from sslskel.data.own.formats import openpose
from sslskel.data.own.formats.acclaim import AMC
from sslskel.data.own.formats.bvh import BVH
from sslskel.data.own.formats.coco_json import RESULTS
from sslskel.data.own.formats.json_lists import JSON
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.formats.kinect_json import AZURE, KINETICS
from sslskel.data.own.formats.landmarks import LANDMARKS
from sslskel.data.own.formats.mat import MAT
from sslskel.data.own.formats.npy import NPY, NPZ
from sslskel.data.own.formats.plain_text import TABLE
from sslskel.data.own.formats.skeleton import SKELETON
from sslskel.errors import DataError

FORMATS: tuple[Format, ...] = (
    *(NPY, NPZ, MAT, TABLE, BVH, AMC, SKELETON),
    *(openpose.FOLDER, openpose.FILE, RESULTS, AZURE, KINETICS, LANDMARKS, JSON),
)
"""In the order in which they are tried: of several with one ending the first that knows the file has it."""
FORM_FAULTS = (TypeError, AttributeError, LookupError, ValueError, OverflowError)
"""What reading raises where JSON has a number for a list, or the like: it may hold anything anywhere."""


def format_of(source: Source) -> Format:
    """The format of a file or folder; raises ``DataError`` where it has none, or is not there."""
    path, ending = source.path, source.path.suffix.lower()
    hint = "correct column 'file', or say with --source where the files are"
    try:
        there, folder = path.exists(), path.is_dir()
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({fault.strerror}); {hint}") from fault
    if not there:
        raise DataError(f"'{path}' does not exist; {hint}")
    if not folder and not path.is_file():
        raise DataError(f"'{path}' is a pipe or a device, where a file was expected; {hint}")
    for known in FORMATS:
        if (not known.endings if folder else ending in known.endings) and (known.knows is None or known.knows(source)):
            return known
    if folder:
        raise DataError(f"'{path}' is a folder without JSON files of OpenPose; {hint}")
    endings = ", ".join(dict.fromkeys(ending for known in FORMATS for ending in known.endings))
    raise DataError(f"'{path}' ends in '{ending}'; recordings are read from {endings}")


def files_of(source: Source) -> tuple[Path, ...]:
    """The files that a row's recording is read from: one, those of a folder, or one with what it needs beside it."""
    path = source.path
    try:
        if path.is_dir():
            return tuple(sorted(filter(Path.is_file, path.glob("*"))))
    except OSError:
        return (path,)  # the clip will be named with its reason
    known = next((known for known in FORMATS if path.suffix.lower() in known.endings), None)
    try:
        return (path,) if known is None or known.beside is None else (path, known.beside(source))
    except DataError:
        # The clip will be named with its reason.
        return (path,)


def body_of(path: Path) -> tuple[SkeletonLayout, float | None] | None:
    """Layout and rate of a file whose format brings its own body; None for one of another format, or not there."""
    known = next((known for known in FORMATS if path.suffix.lower() in known.endings), None)
    return None if known is None or known.body is None else known.body(path)


def read(source: Source) -> Content:
    """The recording of a row; nothing that the row says is passed over. Raises ``DataError``."""
    known = format_of(source)
    if source.key and not known.keyed:
        raise DataError(f"'{source.path}' has no arrays by name; leave the column 'key' empty (it says '{source.key}')")
    if source.index is not None and not known.indexed:
        raise DataError(f"'{source.path}' holds one recording; leave the column 'index' empty")
    try:
        return known.read(source)
    except DataError:
        raise
    except FORM_FAULTS as fault:
        if source.path.is_file() and source.path.suffix.lower() != ".json":
            raise
        raise DataError(
            f"'{source.path}' is not in the form '{known.name}': something in it is of another type than that form has"
            f" there ({fault}); write or copy the file again"
        ) from fault
