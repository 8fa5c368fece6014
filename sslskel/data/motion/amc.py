"""Acclaim motion files (AMC): the angles of every frame, and joint positions from them.

What the bones are is in ``asf``. Shape letters: T frames, V bones with the root
first, W stated numbers per frame.
"""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt

from sslskel.data.motion.acclaim_lines import LARGEST, WordLines
from sslskel.data.motion.asf import Skeleton
from sslskel.errors import did_you_mean

Doubles = npt.NDArray[np.float64]


def read_amc(data: bytes, skeleton: Skeleton, where: str) -> Doubles:
    """The motion in a file given as bytes: (T, V, 6) of tx, ty, tz (file's unit), rx, ry, rz (radians).

    Only the root has a translation; angles the skeleton does not let move are zero.
    Raises ``DataError`` naming file and line for an unknown or missing bone, a wrong
    number of values, anything not a finite number, frames out of order, no frame.
    """
    lines, columns = WordLines(data, where), _columns(skeleton)
    if not data.endswith(b"\n"):
        raise lines.fault("the file ends in the middle of this line; it is truncated", data.count(b"\n") + 1)
    width = sum(count for _, count in columns.values())
    values, frames, seen, begins = array("d"), 0, set[str](), array("q")
    row: list[float] = []
    for words in lines:
        name = words[0]
        if name in columns:
            begin, count = columns[name]
            if name in seen or not frames:
                what = "twice in one frame" if frames else "before the number of the first frame"
                raise lines.fault(f"bone '{name}' is stated {what}")
            seen.add(name)
            try:
                row[begin : begin + count] = map(float, words[1:])
            except ValueError:
                lines.numbers(words[1:], count, f"bone '{name}'")
            if len(words) != count + 1:
                lines.numbers(words[1:], count, f"bone '{name}'")
        elif name.isascii() and name.isdigit() and len(words) == 1:
            _close(lines, columns, seen, frames)
            values.extend(row)
            frames += 1
            if name != str(frames):
                raise lines.fault(f"frame {name[:20]} stands where frame {frames} is expected")
            row, seen = [0.0] * width, set()
            begins.append(lines.number)
        else:
            _keyword(lines, columns, words, frames)
    if not frames:
        raise lines.fault("the file ends here and has no frame; fetch it again")
    _close(lines, columns, seen, frames)
    values.extend(row)
    stated = np.frombuffer(values, np.float64).reshape(frames, width)
    wrong = ~(np.abs(stated) < LARGEST)
    if wrong.any():
        frame = int(np.argwhere(wrong)[0, 0])
        raise lines.fault(f"frame {frame + 1}, which begins here, holds a number that no motion has", begins[frame])
    return _spread(stated, skeleton, columns)


def _columns(skeleton: Skeleton) -> dict[str, tuple[int, int]]:
    """Bone -> (first column, number of columns) of its stated numbers."""
    columns, at = {}, 0
    for bone, dof in zip(skeleton.bones, skeleton.dofs, strict=True):
        count = 6 if bone == "root" else len(dof)
        if count:
            columns[bone] = (at, count)
        at += count
    return columns


def _close(lines: WordLines, columns: dict[str, tuple[int, int]], seen: set[str], frame: int) -> None:
    if frame and len(seen) != len(columns):
        missing = ", ".join(name for name in columns if name not in seen)
        raise lines.fault(f"frame {frame} ends here and lacks: {missing[:200]}")


def _keyword(lines: WordLines, columns: dict[str, tuple[int, int]], words: list[str], frames: int) -> None:
    """A line that is neither bone nor frame number: a header line before the first frame, else a fault."""
    word = words[0]
    if not word.startswith(":"):
        raise lines.fault(f"unknown bone '{word[:40]}'{did_you_mean(word[:40], columns)}")
    if frames or word.upper() not in (":FULLY-SPECIFIED", ":DEGREES"):
        raise lines.fault(f"'{word[:40]}' is not read here, expected :FULLY-SPECIFIED and :DEGREES before the frames")


def _spread(stated: Doubles, skeleton: Skeleton, columns: dict[str, tuple[int, int]]) -> Doubles:
    """(T, W) as written -> (T, V, 6), degrees to radians, zeros where nothing is stated."""
    motion = np.zeros((len(stated), len(skeleton.bones), 6))
    for index, bone in enumerate(skeleton.bones):
        if bone in columns:
            begin, count = columns[bone]
            slots = range(6) if bone == "root" else [3 + axis for axis in skeleton.dofs[index]]
            motion[:, index, list(slots)] = stated[:, begin : begin + count]
    motion[..., 3:] = np.deg2rad(motion[..., 3:])
    return motion


def positions(skeleton: Skeleton, motion: Doubles) -> Doubles:
    """Where each bone ends: (T, V, 6) motion -> (T, V, 3) metres, the root at its own place.

    With C the orientation of a bone's axes and L its rotation in this frame, the bone
    turns by C L C^-1 against its parent, and its end lies direction times length from
    its parent's end.
    """
    place = np.empty((*motion.shape[:2], 3))
    turn: list[Doubles] = []
    axes = _rotation(skeleton.axes)
    for bone, parent in enumerate(skeleton.parents):
        local = _rotation(motion[:, bone, 3:])
        if parent < 0:
            turn.append(local)
            place[:, bone] = motion[:, bone, :3]
            continue
        axis = axes[bone]
        turn.append(turn[parent] @ (axis @ local @ axis.T))
        place[:, bone] = place[:, parent] + turn[bone] @ skeleton.offsets[bone]
    return place * skeleton.metres


def _rotation(angles: Doubles) -> Doubles:
    """Euler angles (..., 3) in radians -> rotation matrices Rz Ry Rx (..., 3, 3)."""
    (cx, cy, cz), (sx, sy, sz) = np.moveaxis(np.cos(angles), -1, 0), np.moveaxis(np.sin(angles), -1, 0)
    rows = (
        (cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        (sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        (-sy, cy * sx, cy * cx),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
