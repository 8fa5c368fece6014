"""Files of Kinect v2 bodies as NTU RGB+D has them (``.skeleton``)."""

from __future__ import annotations

from pathlib import Path

from sslskel.api.skeleton import NTU25, SkeletonLayout
from sslskel.data.motion.skeleton_file import JOINTS, read_skeleton
from sslskel.data.own.content import Content
from sslskel.data.own.formats.counting import nobody
from sslskel.data.own.formats.kind import Format, Source
from sslskel.errors import DataError
from sslskel.files import read_regular

LARGEST = 512 << 20


def _content(source: Source) -> Content:
    """(M, T, 25, 3) metres: a slot for each identity in the order in which they first appear."""
    path = source.path
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"'{path}' has {path.stat().st_size:,} bytes; skeleton files have less than {LARGEST:,}")
        data = read_regular(path, None)
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({fault.strerror}); check the path") from fault
    file = read_skeleton(data, str(path))
    if not file.bodies:
        raise DataError(f"'{path}' has no body in any of its {file.frames} frames; leave the clip out of the table")
    if file.behind:
        raise DataError(
            f"'{path}' has {file.behind} lines behind its {file.frames} frames: a line is there twice, or the number of"
            " frames is wrong; write or copy the file again"
        )
    array = nobody((len(file.bodies), file.frames, JOINTS, 3), str(source.path))
    for slot, body in enumerate(file.bodies):
        array[slot, body.frames] = body.joints
    return Content(array, axes="MTVC", coordinates="xyz", unit="metre")


def _body(path: Path) -> tuple[SkeletonLayout, float | None]:
    return NTU25, None


SKELETON = Format(
    "skeleton",
    "bodies of Kinect v2 as NTU RGB+D has them, in metres; no layout file is needed, an identity is a person",
    (".skeleton",),
    _content,
    body=_body,
)
