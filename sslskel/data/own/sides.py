"""Names of joints across tools: which is on which side, and when two spellings mean the same joint."""

from __future__ import annotations

import re

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SIDES = {"left": "left", "l": "left", "lft": "left", "right": "right", "r": "right", "rgt": "right", "rt": "right"}
_RIG = re.compile(
    r"^(?:mixamorig[0-9]*|bip0?0?1|bip[0-9]+|biped|character1|skeleton|armature|def|jt|j)[:_ ]+", re.IGNORECASE
)
"""What rigs put before every name."""
_GLUED = re.compile(r"(?P<side>[lr])(?P<rest>[A-Z][a-z].*)")
"""``lShldr`` and ``rThigh`` of Poser and DAZ, ``LHip`` of CMU's and H3.6M's files."""


def words_of(name: str) -> list[str]:
    """A name as lower-case words, the side among them as ``left`` or ``right``, without what a rig puts before it."""
    bare = _RIG.sub("", name.rpartition(":")[2].strip())
    words = [word.lower() for word in _WORDS.findall(_split_side(bare))]
    return [_SIDES.get(word, word) for word in words]


def _split_side(name: str) -> str:
    """A name whose one-letter side stands apart: ``lShldr`` -> ``l Shldr``, ``RHip`` -> ``R Hip``."""
    match = _GLUED.fullmatch(name) or re.fullmatch(r"(?P<side>[LR])(?P<rest>[A-Z][a-z].*)", name)
    return f"{match['side']} {match['rest']}" if match else name


def same_joint(name: str) -> tuple[str, str]:
    """Side and rest of a name, equal for spellings of one joint: ``HIP_LEFT``, ``LHip``, ``left_hip``."""
    words = words_of(name)
    sides = [word for word in words if word in ("left", "right")]
    rest = "".join(word for word in words if word not in ("left", "right"))
    return (sides[0] if len(sides) == 1 else "".join(sides)), rest.replace("center", "centre")


def mirror_pairs(names: tuple[str, ...]) -> list[tuple[int, int]]:
    """(left, right) places of names that differ in their side alone, also in a glued ``l`` and ``r`` (``lfemur``)."""
    kinds = [same_joint(name) for name in names]
    glued = [("left" if name[:1].lower() == "l" else "right", name[1:].lower()) for name in names]
    pairs = []
    for at, (kind, bare) in enumerate(zip(kinds, glued, strict=True)):
        side, known = (kind[0], kinds) if kind[0] else (bare[0], glued)
        mirrored = ("right", known[at][1])
        if side == "left" and known.count(mirrored) == 1 and known.count(known[at]) == 1:
            pairs.append((at, known.index(mirrored)))
    return pairs
