"""Motion capture in Acclaim's form: an AMC file of angles and the ASF file of the actor's bones beside it."""

from __future__ import annotations

from pathlib import Path

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.motion.amc import positions, read_amc
from sslskel.data.motion.asf import Skeleton, read_asf
from sslskel.data.own.content import Content
from sslskel.data.own.formats.kind import Format, Shelf, Source
from sslskel.data.own.sides import mirror_pairs, same_joint
from sslskel.errors import DataError
from sslskel.files import read_regular

LARGEST = 512 << 20


def _content(source: Source) -> Content:
    """(T, V, 3) metres of where the bones end, found by name; frames are numbered from 1."""
    skeleton = _skeleton(_actor(source.path, source.key, source.shelf))
    motion = read_amc(_bytes(source.path), skeleton, str(source.path))
    at = {bone: number for number, bone in enumerate(skeleton.bones)}
    kinds = {same_joint(bone): number for bone, number in at.items()}
    places = []
    for name in source.layout.joints:
        if name not in at and same_joint(name) not in kinds:
            some = ", ".join(skeleton.bones[:8])
            raise DataError(
                f"'{source.path}' has no bone '{name}' of layout '{source.layout.name}' (it has: {some} ...)"
            )
        places.append(at[name] if name in at else kinds[same_joint(name)])
    array = positions(skeleton, motion)[:, places]
    return Content(array, axes="TVC", coordinates="xyz", unit="metre", first=1, clock="frame numbers of the file")


def _actor(path: Path, key: str, shelf: Shelf) -> Path:
    """The file of the actor's bones: that which is named, else what the motion is called after, else the only one."""
    if key:
        return path.parent / key
    files = shelf.get(("asf", path.parent), lambda: _actors(path.parent))
    fitting = [file for file in files if path.stem.lower().startswith(file.stem.lower())]
    if fitting or len(files) == 1:
        return max(fitting or files, key=lambda file: len(file.stem))
    raise DataError(
        f"'{path}' needs the ASF file of its actor, and there are {len(files)} in its folder, none of which begins"
        " like it; name it in the column 'key' of the table"
    )


def _actors(folder: Path) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".asf")
    except OSError as fault:
        raise DataError(f"'{folder}' cannot be read ({fault.strerror}); check the path") from fault


def _skeleton(actor: Path) -> Skeleton:
    return read_asf(_bytes(actor), str(actor))


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"'{path}' has {path.stat().st_size:,} bytes; motion files have less than {LARGEST:,}")
        return read_regular(path, None)
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({fault.strerror}); check the path") from fault


def _body(path: Path) -> tuple[SkeletonLayout, float | None]:
    skeleton = _skeleton(_actor(path, "", Shelf()))
    swaps = tuple(mirror_pairs(skeleton.bones))
    return SkeletonLayout("acclaim", skeleton.bones, skeleton.parents, 0, swaps), None


AMC = Format(
    "amc",
    "motion capture in Acclaim's form, with the actor's `.asf` in the same folder (`key` names it if several fit);"
    " no layout file is needed, positions are in metres",
    (".amc",),
    _content,
    keyed=True,
    beside=lambda source: _actor(source.path, source.key, source.shelf),
    body=_body,
)
