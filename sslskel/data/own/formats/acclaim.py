"""Motion capture in Acclaim's form: an AMC file of angles and the ASF file of the actor's bones beside it."""

from __future__ import annotations

from pathlib import Path

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.motion.amc import positions, read_amc
from sslskel.data.motion.asf import Skeleton, read_asf
from sslskel.data.own.content import Content
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.sides import mirror_pairs, same_joint
from sslskel.errors import DataError

LARGEST = 512 << 20


def _content(source: Source) -> Content:
    """(T, V, 3) metres of where the bones end, found by name; frames are numbered from 1."""
    skeleton = _skeleton(source.path, source.key)
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


def _skeleton(path: Path, key: str = "") -> Skeleton:
    """The actor's bones: the file that is named, else the one that the motion is called after, else the only one."""
    files = sorted(file for file in path.parent.iterdir() if file.suffix.lower() == ".asf")
    fitting = [file for file in files if path.stem.lower().startswith(file.stem.lower())]
    if key:
        named = path.parent / key
    elif fitting or len(files) == 1:
        named = max(fitting or files, key=lambda file: len(file.stem))
    else:
        raise DataError(
            f"'{path}' needs the ASF file of its actor, and there are {len(files)} in its folder, none of which begins"
            " like it; name it in the column 'key' of the table"
        )
    return read_asf(_bytes(named), str(named))


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"'{path}' has {path.stat().st_size:,} bytes; motion files have less than {LARGEST:,}")
        return path.read_bytes()
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({fault.strerror}); check the path") from fault


def _body(path: Path) -> tuple[SkeletonLayout, float | None]:
    skeleton = _skeleton(path)
    swaps = tuple(mirror_pairs(skeleton.bones))
    return SkeletonLayout("acclaim", skeleton.bones, skeleton.parents, 0, swaps), None


AMC = Format(
    "amc",
    "motion capture in Acclaim's form, with the actor's `.asf` in the same folder (`key` names it if several fit);"
    " no layout file is needed, positions are in metres",
    (".amc",),
    _content,
    keyed=True,
    body=_body,
)
