"""Reads a ``.skeleton`` file of NTU RGB+D: which body was seen in which frame, and where its joints were.

Strangers' files: nothing is allocated for what a file merely declares, and every fault names
its line. What is made of the bodies is the recipes' business.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt

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
    numbers: array[float] = field(default_factory=lambda: array("d"))
    joints: Floats = field(default_factory=lambda: np.zeros((0, JOINTS, 3), np.float32))


@dataclass(frozen=True)
class Recording:
    """What a file holds: how many frames, and the bodies in the order in which they first appear."""

    frames: int
    bodies: tuple[Body, ...]

    def seen(self) -> list[int]:
        """The frames with at least one body, ascending."""
        return sorted({frame for body in self.bodies for frame in body.frames})


def read_skeleton(data: bytes, where: str) -> Recording:
    """Parse the content of a file; what follows the last declared frame is ignored.

    Numbers are read to double precision and rounded to float32, and only x, y and z are
    read. Raises ``DataError`` naming ``where``, line and fault.
    """
    lines = _Lines(data, where)
    frames = lines.count("the number of frames", least=1)
    if frames > LONGEST:
        raise lines.fault(f"declares {frames} frames; no recording of this dataset has more than {LONGEST}")
    bodies: dict[bytes, Body] = {}
    for frame in range(frames):
        listed = lines.count(f"the number of bodies in frame {frame}")
        for place in range(listed):
            identity = lines.first(f"the identity of body {place} in frame {frame}")
            body = bodies.setdefault(identity, Body(identity))
            if body.frames and body.frames[-1] == frame:
                raise lines.fault(f"lists body '{_shown(identity)}' for the second time in frame {frame}")
            joints = lines.count(f"the number of joints, {JOINTS},")
            if joints != JOINTS:
                raise lines.fault(f"declares {joints} joints; a body of this dataset has {JOINTS}")
            body.frames.append(frame)
            body.places.append(place)
            body.lines.append(lines.at + 1)
            lines.joints(body.numbers, frame)
    for body in bodies.values():
        body.joints = _positions(body, where)
    return Recording(frames, tuple(bodies.values()))


class _Lines:
    """The lines of a file, whatever their ends, and where reading stands."""

    def __init__(self, data: bytes, where: str) -> None:
        self.where, self.at = where, 0
        if not data:
            raise DataError(f"'{where}' is empty (0 bytes); fetch it again")
        if data[:2] == b"\x1f\x8b":
            raise DataError(f"'{where}' is compressed with gzip, a .skeleton file is plain text; unpack it first")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._rest: Iterator[bytes] = iter(io.BytesIO(data))

    def fault(self, what: str, line: int = 0) -> DataError:
        """An error about a line, by default the one that was read last."""
        return DataError(f"'{self.where}', line {line or self.at} {what}; fetch the file again")

    def count(self, what: str, least: int = 0) -> int:
        """The whole number that the next line holds."""
        line = self._next(what)
        text = line.strip()
        digits = text[1:] if text[:1] in (b"+", b"-") else text
        if not digits.isdigit() or len(digits) > 18:
            raise self.fault(f"should hold {what} and is '{_shown(text)}'")
        number = int(text)
        if number < least:
            raise self.fault(f"gives {what} as {number}; it must be at least {least}")
        return number

    def first(self, what: str) -> bytes:
        """The first field of the next line."""
        fields = self._next(what).split(None, 1)
        if not fields:
            raise self.fault(f"should hold {what} and is blank")
        return fields[0]

    def joints(self, numbers: array[float], frame: int) -> None:
        """Append x, y, z of the next 25 lines."""
        rows = list(islice(self._rest, JOINTS))
        try:
            for row in rows:
                fields = row.split(None, FIELDS)
                numbers.extend(map(float, fields[:3]))
                if len(fields) < FIELDS or b"_" in row:
                    break
            else:
                self.at += len(rows)
                if len(rows) < JOINTS:
                    raise self._end(f"joint {len(rows)} of a body in frame {frame}")
                return
        except ValueError:
            pass
        raise self._bad_joint(rows, frame)

    def _bad_joint(self, rows: list[bytes], frame: int) -> DataError:
        """The error for the first of these lines that is no joint's."""
        for joint, row in enumerate(rows):
            self.at += 1
            fields, what = row.split(), f"(joint {joint} of a body in frame {frame})"
            if len(fields) < FIELDS:
                return self.fault(
                    f"{what} has {len(fields)} fields; it needs {FIELDS}, so a line is damaged or missing"
                )
            for text in fields[:3]:
                try:
                    float(text)
                except ValueError:
                    return self.fault(f"{what} has the position '{_shown(text)}', which is no number")
            if b"_" in row:
                return self.fault(f"{what} holds an underscore, which no number has")
        raise AssertionError("the lines were refused for no reason")

    def _next(self, what: str) -> bytes:
        line = next(self._rest, b"")
        if not line:
            raise self._end(what)
        self.at += 1
        return line

    def _end(self, what: str) -> DataError:
        return DataError(
            f"'{self.where}' ends behind line {self.at} where {what} should follow: it is cut short; fetch it again"
        )


def _positions(body: Body, where: str) -> Floats:
    """(rows, 25, 3) float32, all within reach of the camera."""
    exact = np.frombuffer(body.numbers, np.float64).reshape(-1, JOINTS, 3)
    wrong = ~(np.abs(exact) <= FURTHEST)
    if wrong.any():
        row, joint, axis = (int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"'{where}', line {body.lines[row] + joint}: {'xyz'[axis]} of joint {joint} in frame {body.frames[row]} is"
            f" {exact[row, joint, axis]}, not a position within {FURTHEST:.0f} m of the camera; fetch the file again"
        )
    return exact.astype(np.float32)


def _shown(text: bytes) -> str:
    """A piece of a file that may hold anything, short and printable."""
    return ascii(text[:40].decode("latin-1"))[1:-1]
