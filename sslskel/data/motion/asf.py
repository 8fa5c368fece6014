"""Acclaim skeleton files (ASF): the bones of an actor.

Reads what HDM05 uses of the format: lengths, Euler angles in degrees, axes in XYZ
order. How a skeleton moves is in ``amc``. V is the number of bones, the root included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sslskel.data.motion.acclaim_lines import WordLines
from sslskel.errors import did_you_mean

Doubles = npt.NDArray[np.float64]

INCH = 0.0254
MOST_BONES = 1000
_ROOT_ORDER = ("tx", "ty", "tz", "rx", "ry", "rz")
_ROTATIONS = ("rx", "ry", "rz")
_WORDS = ("id", "name", "direction", "length", "axis", "dof", "limits", "bodymass", "cofmass")


@dataclass(frozen=True)
class Skeleton:
    """The bones of one actor in the order of the file's hierarchy, the root first."""

    bones: tuple[str, ...]
    parents: tuple[int, ...]
    """One index per bone, -1 for the root."""
    offsets: Doubles
    """(V, 3) direction times length in the rest pose, in the file's unit."""
    axes: Doubles
    """(V, 3) orientation of each bone's own axes: Euler angles x, y, z in radians."""
    dofs: tuple[tuple[int, ...], ...]
    """Per bone the columns of (rx, ry, rz) that the motion file states; the root has its own six."""
    metres: float
    """Metres per unit of length."""


@dataclass
class _Bone:
    line: int
    name: str = ""
    direction: tuple[float, ...] = ()
    length: float = math.nan
    axis: tuple[float, ...] = ()
    dof: tuple[int, ...] = ()


@dataclass
class _Asf:
    """What has been read of a skeleton file so far."""

    length: float = math.nan
    bones: dict[str, _Bone] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)
    """Bone -> parent, in the order of the hierarchy."""
    root: set[str] = field(default_factory=set)


def read_asf(data: bytes, where: str) -> Skeleton:
    """Read a skeleton file given as bytes; raises ``DataError`` naming file and line."""
    lines, asf = WordLines(data, where), _Asf()
    section, bone, inside = "", None, False
    for words in lines:
        word = words[0]
        if word.startswith(":"):
            section, bone, inside = word[1:], None, False
        elif section == "units":
            _unit(lines, asf, words)
        elif section == "root":
            _root(lines, asf, words)
        elif section == "bonedata":
            bone = _bone_line(lines, asf, bone, words)
        elif section == "hierarchy":
            inside = _hierarchy_line(lines, asf, inside, words)
    if bone is not None or inside:
        raise lines.fault("the file ends before its 'end'; it is truncated")
    return _skeleton(lines, asf)


def _unit(lines: WordLines, asf: _Asf, words: list[str]) -> None:
    if words[0] == "length":
        asf.length = lines.numbers(words[1:], 1, "the unit of length")[0]
        if asf.length <= 0:
            raise lines.fault("the unit of length must be positive")
    elif words[0] == "angle" and words[1:] != ["deg"]:
        raise lines.fault(f"angles in '{' '.join(words[1:])}' are not read, expected 'deg'")


def _root(lines: WordLines, asf: _Asf, words: list[str]) -> None:
    key, rest = words[0], words[1:]
    if key == "order" and tuple(word.lower() for word in rest) != _ROOT_ORDER:
        raise lines.fault(f"the root's order is '{' '.join(rest)}', expected 'TX TY TZ RX RY RZ'")
    if key == "axis" and rest != ["XYZ"]:
        raise lines.fault(f"the root's axis is '{' '.join(rest)}', expected 'XYZ'")
    if key in ("position", "orientation") and any(lines.numbers(rest, 3, f"the root's {key}")):
        raise lines.fault(f"a root {key} other than 0 0 0 is not read")
    asf.root.add(key)


def _bone_line(lines: WordLines, asf: _Asf, bone: _Bone | None, words: list[str]) -> _Bone | None:
    """Take one line of ``:bonedata``; the bone that is open after it."""
    key, rest = words[0], words[1:]
    if key == "begin":
        if bone is not None:
            raise lines.fault("a bone begins before the last one has its 'end'")
        return _Bone(lines.number)
    if bone is None:
        raise lines.fault(f"'{key[:40]}' stands outside 'begin' and 'end'")
    if key == "end":
        _finish(lines, asf, bone)
        return None
    if key == "name" and len(rest) == 1:
        bone.name = rest[0]
    elif key == "direction":
        bone.direction = tuple(lines.numbers(rest, 3, "direction"))
    elif key == "length":
        bone.length = lines.numbers(rest, 1, "length")[0]
    elif key == "axis":
        if rest[3:] != ["XYZ"]:
            raise lines.fault(f"axis is '{' '.join(rest)[:80]}', expected three angles and 'XYZ'")
        bone.axis = tuple(lines.numbers(rest[:3], 3, "axis"))
    elif key == "dof":
        known = [word for word in rest if word in _ROTATIONS]
        if known != rest or len(set(rest)) != len(rest):
            raise lines.fault(f"dof is '{' '.join(rest)[:80]}', expected some of rx, ry, rz")
        bone.dof = tuple(_ROTATIONS.index(word) for word in rest)
    elif key not in _WORDS and not key.startswith("("):
        raise lines.fault(f"'{key[:40]}' is no property of a bone{did_you_mean(key, _WORDS)}")
    return bone


def _finish(lines: WordLines, asf: _Asf, bone: _Bone) -> None:
    missing = [
        what
        for what, lacks in (
            ("name", not bone.name),
            ("direction", not bone.direction),
            ("length", math.isnan(bone.length)),
            ("axis", not bone.axis),
        )
        if lacks
    ]
    if missing:
        raise lines.fault(f"bone '{bone.name[:40]}' has no {' and no '.join(missing)}", bone.line)
    if bone.name in asf.bones or bone.name == "root":
        raise lines.fault(f"bone '{bone.name[:40]}' is described twice", bone.line)
    if len(asf.bones) == MOST_BONES:
        raise lines.fault(f"more than {MOST_BONES} bones: no body has so many")
    asf.bones[bone.name] = bone


def _hierarchy_line(lines: WordLines, asf: _Asf, inside: bool, words: list[str]) -> bool:
    """Take one line of ``:hierarchy``; whether 'end' is still to come."""
    if not inside:
        if words != ["begin"]:
            raise lines.fault("expected 'begin'")
        return True
    if words == ["end"]:
        return False
    parent, *children = words
    if parent != "root" and parent not in asf.children:
        raise lines.fault(f"'{parent[:40]}' has children before it is itself the child of another bone")
    for child in children:
        if child not in asf.bones:
            raise lines.fault(f"unknown bone '{child[:40]}'{did_you_mean(child, asf.bones)}")
        if child in asf.children:
            raise lines.fault(f"bone '{child[:40]}' has two parents")
        asf.children[child] = parent
    return True


def _skeleton(lines: WordLines, asf: _Asf) -> Skeleton:
    for what, lacks in (
        ("unit of length in ':units'", math.isnan(asf.length)),
        ("order in ':root'", "order" not in asf.root),
        ("bone in ':bonedata'", not asf.bones),
    ):
        if lacks:
            raise lines.fault(f"the file ends here and has no {what}; is it a whole ASF file?")
    if loose := [name for name in asf.bones if name not in asf.children]:
        raise lines.fault(f"the file ends here and bone '{loose[0][:40]}' is missing from ':hierarchy'")
    names = ("root", *asf.children)
    bones = [asf.bones[name] for name in names[1:]]
    return Skeleton(
        bones=names,
        parents=(-1, *(names.index(asf.children[name]) for name in names[1:])),
        offsets=np.array([(0.0, 0.0, 0.0), *([d * bone.length for d in bone.direction] for bone in bones)]),
        axes=np.deg2rad([(0.0, 0.0, 0.0), *(bone.axis for bone in bones)]),
        dofs=((0, 1, 2), *(bone.dof for bone in bones)),
        metres=INCH / asf.length,
    )
