"""BVH motion capture: the hierarchy, the channels, and joint positions by forward kinematics.

Shape letters: T frames, V joints, W channels of all joints. Angles are in degrees in the
file; a joint's position channels stand for its offset, as most writers mean them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.bodies import spellings_of
from sslskel.data.own.content import Content
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.frames import RATE_TOLERANCE
from sslskel.data.own.sides import mirror_pairs, same_joint
from sslskel.errors import DataError, did_you_mean
from sslskel.files import read_regular

Doubles = npt.NDArray[np.float64]
LARGEST = 512 << 20
MOST_JOINTS = 1000
LONGEST_NAME = 200
_CHANNELS = ("Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation")


@dataclass(frozen=True)
class Joint:
    """A joint of the hierarchy; an end site is one without channels, called like its parent with ``_end``."""

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[str, ...] = ()
    end: bool = False
    title: str = ""
    """What the file calls an end site, where it does; several may be called alike."""


@dataclass(frozen=True)
class Motion:
    """A BVH file."""

    where: str
    joints: tuple[Joint, ...]
    frame_time: float
    """Seconds."""
    values: Doubles
    """(T, W) as written."""

    @property
    def fps(self) -> float:
        """Frames per second, whole where the frame time is a rounded one of a whole number."""
        rate = 1 / self.frame_time
        return float(round(rate)) if abs(rate - round(rate)) < RATE_TOLERANCE * rate else rate

    def layout(self) -> SkeletonLayout:
        """The hierarchy without end sites as a layout; left and right by name, no body parts."""
        kept = [number for number, joint in enumerate(self.joints) if not joint.end]
        at = {number: place for place, number in enumerate(kept)}
        names = tuple(self.joints[number].name for number in kept)
        return SkeletonLayout(
            name="bvh",
            joints=names,
            parents=tuple(at.get(self.joints[number].parent, -1) for number in kept),
            centre=0,
            swaps=tuple(mirror_pairs(names)),
        )

    def positions(self, layout: SkeletonLayout) -> Doubles:
        """(T, V, 3) positions of the joints of a layout, each found by its name or by another spelling of it.

        Raises ``DataError`` for a joint that the file lacks.
        """
        at = {joint.name: number for number, joint in enumerate(self.joints)}
        titles = [joint.title for joint in self.joints]
        for number, title in enumerate(titles):
            if title and titles.count(title) == 1:
                at.setdefault(title, number)
        kinds: dict[tuple[str, str], list[int]] = {}
        for name, number in at.items():
            kinds.setdefault(same_joint(name), []).append(number)
        places = []
        for name, spellings in zip(layout.joints, spellings_of(layout), strict=True):
            matches = [kinds[kind] for kind in map(same_joint, spellings) if len(kinds.get(kind, [])) == 1]
            if name not in at and not matches:
                some = ", ".join(list(at)[:8])
                raise DataError(
                    f"'{self.where}' has no joint '{name}'{did_you_mean(name, at)} (it has: {some} ...);"
                    f" layout '{layout.name}' must name joints of the file"
                )
            places.append(at[name] if name in at else matches[0][0])
        return self._places(self.values)[:, places]

    def _places(self, values: Doubles) -> Doubles:
        """(T, W) -> (T, all joints and end sites, 3)."""
        frames = len(values)
        places = np.zeros((frames, len(self.joints), 3))
        turns: list[Doubles] = []
        column = 0
        for number, joint in enumerate(self.joints):
            local = np.tile(np.asarray(joint.offset), (frames, 1))
            turn = np.tile(np.eye(3), (frames, 1, 1))
            for channel in joint.channels:
                axis = "XYZ".index(channel[0])
                if channel.endswith("position"):
                    local[:, axis] = values[:, column]
                else:
                    turn = turn @ _about(axis, np.deg2rad(values[:, column]))
                column += 1
            if joint.parent < 0:
                places[:, number] = local
                turns.append(turn)
            else:
                above = turns[joint.parent]
                places[:, number] = places[:, joint.parent] + (above @ local[..., None])[..., 0]
                turns.append(above @ turn)
        return places


def _about(axis: int, angles: Doubles) -> Doubles:
    """(T,) radians -> (T, 3, 3) rotations about one axis."""
    matrices = np.tile(np.eye(3), (len(angles), 1, 1))
    one, two = (axis + 1) % 3, (axis + 2) % 3
    matrices[:, one, one] = matrices[:, two, two] = np.cos(angles)
    matrices[:, two, one] = np.sin(angles)
    matrices[:, one, two] = -matrices[:, two, one]
    return matrices


def read_bvh(path: Path) -> Motion:
    """Read a BVH file; raises ``DataError`` naming file and line for anything missing, garbled or truncated."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(f"'{path}' has {size:,} bytes; motion files have less than {LARGEST:,}")
        data = read_regular(path, None)
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({fault.strerror}); check the path") from fault
    return bvh_motion(data, str(path))


def bvh_motion(data: bytes, where: str) -> Motion:
    """The motion in a file given as bytes; raises ``DataError`` as :func:`read_bvh` does."""
    text = data.decode("utf-8-sig", errors="replace")
    words = _Words(where, text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n"))
    joints = _hierarchy(words)
    frames, frame_time = _head(words)
    width = sum(len(joint.channels) for joint in joints)
    return Motion(where, tuple(joints), frame_time, _values(words, frames, width))


class _Words:
    """The words of a text file one after the other, with errors that name the line."""

    def __init__(self, where: str, lines: Sequence[str]) -> None:
        self.where, self.lines, self.number = where, lines, 0
        self._line: deque[str] = deque()
        """Words of the line at ``number`` that were not read yet."""

    def _fill(self) -> bool:
        """Go on to the next line with a word unless this one has some; False at the end of the file."""
        while not self._line and self.number < len(self.lines):
            self._line = deque(self.lines[self.number].split())
            self.number += 1
        return bool(self._line)

    def fault(self, what: str) -> DataError:
        return DataError(f"'{self.where}', line {max(self.number, 1)}: {what}")

    def next(self, expected: str) -> str:
        if not self._fill():
            raise self.fault(f"the file ends here, expected {expected}; it is truncated")
        return self._line.popleft()

    def name(self, expected: str) -> str:
        """The rest of the line up to a brace: names of some rigs hold blanks."""
        words = [self.next(expected)]
        while self._line and self._line[0] != "{":
            words.append(self._line.popleft())
        name = " ".join(words)
        if len(name) > LONGEST_NAME:
            raise self.fault(f"{expected} has {len(name):,} letters, where at most {LONGEST_NAME} were expected")
        return name

    def rest(self) -> str:
        """The same, and empty where the line ends here."""
        return self.name("a name") if self._line and self._line[0] != "{" else ""

    def want(self, *expected: str) -> None:
        for wanted in expected:
            word = self.next(f"'{wanted}'")
            if word.upper() != wanted.upper():
                raise self.fault(f"'{word[:40]}' found, expected '{wanted}'")

    def label(self, *expected: str) -> None:
        """Words that end in a colon, with or without a blank before and behind it."""
        self._fill()
        self._line = deque(" ".join(self._line).replace(":", " : ").split())
        self.want(*expected, ":")

    def count(self, what: str) -> int:
        word = self.next(what)
        if not re.fullmatch("[0-9]{1,9}", word):
            raise self.fault(f"{what} is '{word[:40]}', expected a whole number")
        return int(word)

    def number_of(self, what: str) -> float:
        word = self.next(what)
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not abs(value) < 1e9:
            raise self.fault(f"{what} is '{word[:40]}', expected a number")
        return value


def _hierarchy(words: _Words) -> list[Joint]:
    words.want("HIERARCHY", "ROOT")
    joints: list[Joint] = []
    open_joints: list[int] = []
    known: set[str] = set()
    name, title, end = words.name("the root's name"), "", False
    while True:
        joint = _joint(words, name, open_joints[-1] if open_joints else -1, title if end else None)
        if joint.name in known or len(joints) >= MOST_JOINTS:
            raise words.fault(f"joint '{joint.name[:40]}' is a duplicate or beyond the limit of {MOST_JOINTS} joints")
        known.add(joint.name)
        open_joints.append(len(joints))
        joints.append(joint)
        while (word := words.next("'JOINT', 'End Site' or a brace")) == "}":
            open_joints.pop()
            if not open_joints:
                return joints
        if joints[open_joints[-1]].end or word.upper() not in ("JOINT", "END"):
            raise words.fault(f"'{word[:40]}' found, expected 'JOINT', 'End Site' or a brace")
        end = word.upper() == "END"
        if end:
            words.want("Site")
            title, name = words.rest(), _end_name(joints, open_joints[-1])
        else:
            name = words.name("a joint's name")


def _end_name(joints: Sequence[Joint], parent: int) -> str:
    """``PARENT_end``, and ``PARENT_end2`` for a second one."""
    others = sum(joint.end and joint.parent == parent for joint in joints)
    return f"{joints[parent].name}_end{others + 1 if others else ''}"


def _joint(words: _Words, name: str, parent: int, title: str | None) -> Joint:
    """The inside of a joint; ``title`` is what an end site is called, None for a joint that has channels."""
    words.want("{", "OFFSET")
    x, y, z = (words.number_of(f"the offset of '{name[:40]}'") for _ in range(3))
    if title is not None:
        return Joint(name, parent, (x, y, z), end=True, title=title)
    words.want("CHANNELS")
    count = words.count(f"the number of channels of '{name[:40]}'")
    if count > len(_CHANNELS):
        raise words.fault(f"'{name[:40]}' has {count} channels; a joint has at most {len(_CHANNELS)}")
    channels = tuple(words.next("a channel").capitalize() for _ in range(count))
    unknown = [channel for channel in channels if channel not in _CHANNELS or channels.count(channel) > 1]
    if unknown:
        raise words.fault(f"channel '{unknown[0][:40]}' is unknown or stated twice; channels: {', '.join(_CHANNELS)}")
    return Joint(name, parent, (x, y, z), channels)


def _head(words: _Words) -> tuple[int, float]:
    """Number of frames and seconds per frame."""
    words.want("MOTION")
    words.label("Frames")
    frames = words.count("the number of frames")
    words.label("Frame", "Time")
    seconds = words.number_of("the frame time")
    if not 1e-5 < seconds < 100:
        raise words.fault(f"the frame time is {seconds} seconds; expected for instance 0.0333333")
    return frames, seconds


def _values(words: _Words, frames: int, width: int) -> Doubles:
    """(T, W): one line per frame after the head."""
    if not frames:
        raise words.fault("the file has no frames")
    rows = [(number, line) for number, line in enumerate(words.lines[words.number :], words.number + 1) if line.strip()]
    values = np.empty((min(frames, len(rows)), width))
    for row, (number, line) in zip(values, rows, strict=False):
        words.number = number
        fields = line.split()
        if len(fields) != width:
            raise words.fault(f"{len(fields)} numbers, expected {width}, one per channel")
        try:
            row[:] = [float(field) for field in fields]
        except ValueError:
            raise words.fault(f"a field is not a number: {line.strip()[:60]!r}") from None
        if not (np.abs(row) < 1e9).all():
            raise words.fault("a number is not finite or larger than any motion")
    if len(rows) != frames:
        words.number = len(words.lines)
        raise words.fault(f"the file ends after {len(rows)} frames, expected {frames}; it is truncated or was joined")
    return values


def _content(source: Source) -> Content:
    """Positions by forward kinematics, at the file's own rate."""
    motion = read_bvh(source.path)
    return Content(motion.positions(source.layout), axes="TVC", coordinates="xyz", fps=motion.fps)


def _body(path: Path) -> tuple[SkeletonLayout, float | None]:
    motion = read_bvh(path)
    return motion.layout(), motion.fps


BVH = Format(
    "bvh",
    "motion capture with its own joints: no layout file is needed, and positions are computed from the angles",
    (".bvh",),
    _content,
    body=_body,
)
