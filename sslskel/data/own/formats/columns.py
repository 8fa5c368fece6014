"""Tables whose header names the columns: joints and axes, frames, times, persons, confidences; wide or long.

Names are those that public tools write, in any case: ``left_hip_x``, ``LEFT_HIP_X``, ``LHip.x``, ``x11``. How lines
are parted into fields is in ``text_lines.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.bodies import spellings_of
from sslskel.data.own.content import Content
from sslskel.data.own.formats.counting import Clock, clock_of, nobody
from sslskel.data.own.formats.text_lines import TextLines, is_number
from sslskel.data.own.sides import same_joint
from sslskel.errors import DataError

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
AXES = "xyzc"
CONFIDENCES = (
    "c",
    "confidence",
    "conf",
    "score",
    "visibility",
    "vis",
    "v",
    "likelihood",
    "presence",
    "prob",
    "probability",
)
FRAME = {"frame", "frame_id", "frame_no", "frame_nr", "frame_num", "frame_number", "frame_index", "frame_idx", "frames"}
PERSON = {"person", "person_id", "person_idx", "track", "track_id", "body", "body_id", "bodyid", "skeleton_id", "pid"}
CLIP = {"clip", "clip_id", "video", "video_id", "sequence", "sequence_id", "recording", "recording_id", "sample_id"}
TIME = {"time", "timestamp", "time_stamp", "timestamps", "times", "sec", "seconds", "ms", "msec"}
JOINT = {"joint", "joint_name", "joint_id", "landmark", "landmark_id", "landmark_name", "keypoint", "keypoint_id"}
JOINT |= {"keypoint_name", "bodypart", "marker", "joint_index", "landmark_index"}
_TIMED = re.compile(r"(?:time|timestamp|time_stamp)_?(?:s|sec|secs|seconds|ms|msec|millis|us|usec|microseconds|ns)")
_LAST = re.compile(rf"(?P<joint>.+?)[._ :/-]?(?P<axis>[xyz]|{'|'.join(CONFIDENCES)})", re.IGNORECASE)
_FIRST = re.compile(rf"(?P<axis>[xyz]|{'|'.join(CONFIDENCES)})[._ :/-]?(?P<joint>.+)", re.IGNORECASE)
_NUMBERED = re.compile(
    r"(?:j|joint|kp|keypoint|landmark|lm|p|point|marker)?[._ :-]?(?P<number>[0-9]{1,4})", re.IGNORECASE
)
_COUNTED = re.compile(r"[0-9]{1,9}")


@dataclass
class Columns:
    """What each column of a table is."""

    joints: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Column -> (joint, axis); axis 3 is a confidence."""
    roles: dict[str, int] = field(default_factory=dict)
    """``frame``, ``time``, ``person``, ``clip``, ``joint`` -> column."""
    axes: dict[int, int] = field(default_factory=dict)
    """Of a table with a joint a row: column -> axis."""
    others: list[str] = field(default_factory=list)
    """Titles of columns that say nothing of a joint."""
    long: bool = False
    """Whether every row is of one joint."""


def read_columns(lines: TextLines, layout: SkeletonLayout, key: str = "") -> Content:
    """The recording of a table with a header: a row per frame (and person), or a row per joint of it.

    Frames and persons that no row states are NaN; a person is whoever has the same number or name. Where a
    column names clips, ``key`` is the one that is wanted. Raises ``DataError`` naming file and line.
    """
    header = lines.header
    columns, body = _columns(lines, header, layout), lines.rest(1)
    if not body.lines:
        raise DataError(f"'{lines.path}' has no frames; write one row of numbers per frame")
    _check(lines, columns, layout)
    if "clip" in columns.roles or key:
        if "clip" not in columns.roles:
            raise lines.fault(0, f"no column names clips (as 'clip' does), but the table asks for '{key}'")
        body = body.of_clip(columns.roles["clip"], len(header), key)
    clock = clock_of(body, columns.roles, header)
    persons = _persons(body, columns.roles, len(header))
    if columns.long:
        joints, coordinates = _long(body, columns, layout, clock, persons, len(header))
    else:
        joints, coordinates = _wide(body, columns, layout, clock, persons, len(header))
    return Content(
        joints,
        axes="MTVC",
        coordinates=coordinates,
        first=clock.first,
        times=clock.times,
        clock=clock.title,
        fps=clock.fps,
        measured=True,
        gaps=clock.gaps,
        notes=_notes(header, columns),
    )


def _columns(lines: TextLines, header: Sequence[str], layout: SkeletonLayout) -> Columns:
    columns, named = Columns(), _names(layout)
    for at, title in enumerate(header):
        plain = re.sub(r"[ .:-]+", "_", title.strip().lower()).strip("_#")
        role = _role(plain)
        joint = None if role else _joint(title.strip(), layout, named)
        if role and role not in columns.roles:
            columns.roles[role] = at
        elif joint is not None:
            columns.joints[at] = joint
        elif plain in ("x", "y", "z") or plain in CONFIDENCES:
            columns.axes[at] = _axis(plain)
        else:
            columns.others.append(title.strip())
    if not columns.joints:
        columns.joints = _by_number(lines, header, layout)
        columns.others = [title for title in columns.others if _numbered(title) is None or not columns.joints]
    columns.long = "joint" in columns.roles and {0, 1} <= set(columns.axes.values())
    return columns


def _by_number(lines: TextLines, header: Sequence[str], layout: SkeletonLayout) -> dict[int, tuple[int, int]]:
    """Columns ``x1``, ``y1`` ... or ``0_x``, ``0_y`` ..., which number the joints from 0 or 1."""
    numbered = {at: place for at, title in enumerate(header) if (place := _numbered(title)) is not None}
    if not numbered:
        return {}
    lowest, highest = min(number for number, _ in numbered.values()), max(number for number, _ in numbered.values())
    if lowest > 1 or highest - lowest + 1 != layout.num_joints:
        raise lines.fault(
            0,
            f"its columns number joints from {lowest} to {highest}, but layout '{layout.name}' has {layout.num_joints};"
            " name the layout of these joints",
        )
    return {at: (number - lowest, axis) for at, (number, axis) in numbered.items()}


def _role(plain: str) -> str:
    """What a column that is of no joint says, or ''."""
    for role, names in (("frame", FRAME), ("time", TIME), ("person", PERSON), ("clip", CLIP), ("joint", JOINT)):
        if plain in names:
            return role
    return "time" if _TIMED.fullmatch(plain) else ""


def _axis(word: str) -> int:
    return AXES.index(word.lower()) if word.lower() in AXES else 3


def _names(layout: SkeletonLayout) -> Mapping[tuple[str, str], int]:
    """Spellings of the joints of a layout -> joint; those that mean two joints are left out."""
    meant: dict[tuple[str, str], set[int]] = {}
    for joint, names in enumerate(spellings_of(layout)):
        for name in names:
            meant.setdefault(same_joint(name), set()).add(joint)
    return {kind: min(joints) for kind, joints in meant.items() if len(joints) == 1}


def _joint(title: str, layout: SkeletonLayout, named: Mapping[tuple[str, str], int]) -> tuple[int, int] | None:
    """(joint, axis) of a column's title: the joint's own name, or another spelling of it."""
    for pattern in (_LAST, _FIRST):
        match = pattern.fullmatch(title)
        if match is None:
            continue
        name, axis = match["joint"], _axis(match["axis"])
        if name in layout.joints:
            return layout.joint(name), axis
        if same_joint(name) in named:
            return named[same_joint(name)], axis
    return None


def _numbered(title: str) -> tuple[int, int] | None:
    """(number, axis) of ``x11``, ``11_x`` or ``joint11_x``, as it is written."""
    for pattern in (_LAST, _FIRST):
        match = pattern.fullmatch(title.strip())
        number = match and _NUMBERED.fullmatch(match["joint"])
        if match and number:
            return int(number["number"]), _axis(match["axis"])
    return None


def _check(lines: TextLines, columns: Columns, layout: SkeletonLayout) -> None:
    """Every joint has every axis once."""
    if columns.long:
        return
    stray = [title for title in columns.others if title]
    hint = f" ('{stray[0][:60]}' is not a joint and axis of layout '{layout.name}')" if stray else ""
    axes = {axis for _, axis in columns.joints.values() if axis < 3}
    places = list(columns.joints.values())
    wanted = [(joint, axis) for joint in range(layout.num_joints) for axis in range(max(axes, default=1) + 1)]
    distinct = set(places)
    missing = next((place for place in wanted if place not in distinct), None)
    if missing is not None:
        title = f"{layout.joints[missing[0]]}_{AXES[missing[1]]}"
        raise lines.fault(0, f"column '{title}' is missing{hint}; add it, or rename the one that holds it")
    if len(distinct) != len(places):
        raise lines.fault(0, "a joint has two columns for one axis; keep one of them")


def _persons(body: TextLines, roles: Mapping[str, int], width: int) -> Ints:
    """(rows,) whose row it is, numbered in the order of their numbers or names."""
    if "person" not in roles:
        return np.zeros(len(body.lines), np.int64)
    words = body.texts(roles["person"], width)
    if all(is_number(word) for word in words):
        return np.unique([float(word) for word in words], return_inverse=True)[1].astype(np.int64)
    return np.unique(words, return_inverse=True)[1].astype(np.int64)


def _wide(
    body: TextLines, columns: Columns, layout: SkeletonLayout, clock: Clock, persons: Ints, width: int
) -> tuple[Doubles, str]:
    """Rows of one frame of one person each -> (M, T, V, C)."""
    clock.refuse_twice(body, persons)
    places = sorted(columns.joints.items())
    values = body.numbers([column for column, _ in places], width)
    number = 1 + max(axis for _, (_, axis) in places if axis < 3)
    scored = any(axis == 3 for _, (_, axis) in places)
    joints = nobody((int(persons.max()) + 1, clock.frames, layout.num_joints, number + scored), str(body.path))
    for at, (_, (joint, axis)) in enumerate(places):
        joints[persons, clock.rows, joint, number if axis == 3 else axis] = values[:, at]
    return joints, AXES[:number] + "c" * scored


def _long(
    body: TextLines, columns: Columns, layout: SkeletonLayout, clock: Clock, persons: Ints, width: int
) -> tuple[Doubles, str]:
    """Rows of one joint each -> (M, T, V, C); joints that no row states are NaN."""
    joints = _joints_of_rows(body, columns, layout, width)
    kept = joints >= 0
    clock.refuse_twice(body, persons * (layout.num_joints + 1) + joints, kept, layout)
    axes = sorted(columns.axes.items(), key=lambda pair: pair[1])
    values = body.numbers([column for column, _ in axes], width)
    array = nobody((int(persons.max()) + 1, clock.frames, layout.num_joints, len(axes)), str(body.path))
    array[persons[kept], clock.rows[kept], joints[kept]] = values[kept]
    return array, "".join(AXES[axis] for _, axis in axes)


def _joints_of_rows(body: TextLines, columns: Columns, layout: SkeletonLayout, width: int) -> Ints:
    """(rows,) joint of every row, by name or by number from 0 or 1; -1 for names that the layout lacks."""
    words, named = body.texts(columns.roles["joint"], width), _names(layout)
    own = {word: named.get(same_joint(word)) for word in set(words)}
    at = {name: joint for joint, name in enumerate(layout.joints)}
    own |= {word: at[word] for word in own if word in at}
    if all(joint is None for joint in own.values()) and all(map(_COUNTED.fullmatch, own)):
        numbers = sorted(map(int, own))
        if numbers[0] > 1 or numbers[-1] - numbers[0] + 1 > layout.num_joints:
            raise body.fault(
                0, f"joints are numbered from {numbers[0]} to {numbers[-1]}, but layout '{layout.name}' has"
                f" {layout.num_joints}; name the layout of these joints",
            )  # fmt: skip
        lowest = numbers[0] if numbers[-1] == layout.num_joints else 0
        own = {word: int(word) - lowest for word in own}
    present = set(own.values())
    unsaid = [joint for number, joint in enumerate(layout.joints) if number not in present]
    if unsaid:
        stray = next((word for word, joint in own.items() if joint is None), "")
        hint = f" ('{stray[:40]}' is not a joint of layout '{layout.name}')" if stray else ""
        raise body.fault(0, f"no row is of joint '{unsaid[0]}'{hint}; rename the rows, or correct the layout")
    columns.others += [word for word, joint in own.items() if joint is None]
    return np.asarray([-1 if own[word] is None else own[word] for word in words], dtype=np.int64)


def _notes(header: Sequence[str], columns: Columns) -> tuple[str, ...]:
    """What of the table is not kept, in one sentence."""
    left = [header[columns.roles["time"]].strip()] if "time" in columns.roles else []
    left += [title for title in columns.others if title]
    endings = sorted({_ending(header[at]) for at, (_, axis) in columns.joints.items() if axis == 3})
    for at, axis in columns.axes.items():
        if not columns.long:
            left.append(header[at].strip())
        elif axis == 3:
            endings.append(header[at].strip())
    shown = [f"'{title[:40]}'" for title in left[:8]] + (["..."] if len(left) > 8 else [])
    listed = ", ".join([*shown, *(f"confidences ({ending})" for ending in endings)])
    return (f"columns of tables that are not kept: {listed}",) if listed else ()


def _ending(title: str) -> str:
    match = _LAST.fullmatch(title.strip())
    return f"*_{match['axis']}" if match else title.strip()
