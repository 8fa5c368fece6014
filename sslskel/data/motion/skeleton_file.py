"""Reads a ``.skeleton`` file of NTU RGB+D: which body was seen in which frame, and where its joints were.

Strangers' files: nothing is allocated for what a file merely declares, and every fault names
its line. How lines become numbers is in ``skeleton_lines``, what is made of the bodies is up to who reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sslskel.data.motion.skeleton_lines import Lines, shown
from sslskel.errors import DataError

JOINTS = 25
FIELDS = 12
"""Least number of fields of a joint's line: x y z, depth x y, colour x y, orientation w x y z, tracking."""
LONGEST = 10_000
"""Frames, five minutes and a half; the longest recording has 300. Bounds what a declared number can cost."""
FURTHEST = 1000.0
"""Metres from the camera beyond which a coordinate is a fault of the file."""

Floats = npt.NDArray[np.float32]


@dataclass
class Body:
    """One identity. Row i of ``joints``, (rows, 25, 3) float32 metres, was seen in frame ``frames[i]``."""

    identity: bytes
    frames: list[int] = field(default_factory=list)
    """Counted in the file from 0; ascending."""
    places: list[int] = field(default_factory=list)
    """Which of the bodies listed in that frame it is, from 0."""
    lines: list[int] = field(default_factory=list)
    """Line of the row's first joint, from 1."""
    joints: Floats = field(default_factory=lambda: np.zeros((0, JOINTS, 3), np.float32))


@dataclass(frozen=True)
class SkeletonFile:
    """What a file holds: how many frames, and the bodies in the order in which they first appear."""

    frames: int
    bodies: tuple[Body, ...]
    behind: int = 0
    """Lines with words behind those of the last declared frame, which are not read."""

    def seen(self) -> list[int]:
        """The frames with at least one body, ascending."""
        return sorted({frame for body in self.bodies for frame in body.frames})


def read_skeleton(data: bytes, where: str) -> SkeletonFile:
    """Parse the content of a file; what follows the last declared frame is counted and not read.

    Numbers are read to double precision and rounded to float32, and only x, y and z are
    read. Raises ``DataError`` naming ``where``, line and fault.
    """
    lines = Lines(data, where, FIELDS)
    frames = lines.count("the number of frames", least=1)
    if frames > LONGEST:
        raise lines.fault(f"declares {frames} frames; no recording of this dataset has more than {LONGEST}")
    bodies: dict[bytes, Body] = {}
    for frame in range(frames):
        listed = lines.count("the number of bodies in frame %d", frame)
        for place in range(listed):
            identity = lines.first("the identity of body %d in frame %d", place, frame)
            if not _is_identity(identity):
                raise lines.fault(f"has the identity '{shown(identity)}', where a whole number from 0 on was expected")
            body = bodies.setdefault(identity, Body(identity))
            if body.frames and body.frames[-1] == frame:
                raise lines.fault(f"lists body '{shown(identity)}' for the second time in frame {frame}")
            joints = lines.count("the number of joints, %d,", JOINTS)
            if joints != JOINTS:
                raise lines.fault(f"declares {joints} joints; a body of this dataset has {JOINTS}")
            body.frames.append(frame)
            body.places.append(place)
            body.lines.append(lines.at + 1)
            lines.skip(JOINTS, "a joint of a body in frame %d", frame)
    for body in bodies.values():
        body.joints = _positions(body, lines, where)
    return SkeletonFile(frames, tuple(bodies.values()), lines.behind())


def _is_identity(text: bytes) -> bool:
    """Whether a field may be a tracking number of the sensor, written as a whole number or as tables write them."""
    if text.isdigit():
        return True
    try:
        number = float(text)
    except ValueError:
        return False
    return number.is_integer() and 0 <= number < 2**64


def _positions(body: Body, lines: Lines, where: str) -> Floats:
    """(rows, 25, 3) float32, all within reach of the camera."""
    first = np.asarray(body.lines)[:, None] + np.arange(JOINTS)
    exact = lines.numbers(first.ravel(), 3).reshape(-1, JOINTS, 3)
    wrong = ~(np.abs(exact) <= FURTHEST)
    if wrong.any():
        row, joint, axis = (int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"'{where}', line {body.lines[row] + joint}: {'xyz'[axis]} of joint {joint} in frame {body.frames[row]} is"
            f" {exact[row, joint, axis]}, not a position within {FURTHEST:.0f} m of the camera; fetch the file again"
        )
    return exact.astype(np.float32)
