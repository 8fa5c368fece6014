"""Which joints of two bodies are the same: by name, and by other names of the same place.

Nothing here knows a dataset; a layout that names its joints in common words meets any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from sslskel.api.skeleton import SkeletonLayout
from sslskel.errors import DataError

MIDDLE = (
    ("pelvis", "spine_base", "hip_centre", "hip_center", "mid_hip", "hips", "root"),
    ("spine", "spine_mid", "mid_spine", "upperback", "torso", "spine1"),
    ("shoulder_centre", "shoulder_center", "spine_shoulder", "thorax", "chest", "upper_chest"),
    ("neck", "lowerneck", "neck_base"),
    ("head", "head_top"),
)
SIDES = (
    ("shoulder", "clavicle", "arm", "upper_arm"),
    ("elbow", "humerus", "forearm", "fore_arm", "lower_arm"),
    ("wrist", "radius"),
    ("hand", "palm"),
    ("hand_tip", "fingers"),
    ("hip", "hipjoint", "up_leg", "thigh", "upper_leg"),
    ("knee", "femur", "leg", "shin", "lower_leg"),
    ("ankle", "tibia"),
    ("foot", "toes", "toe", "toe_base"),
)
"""Names of one place in the bodies of Kinect 1 and 2, pose estimators, and motion capture, which names a
joint by the bone that ends in it (ASF, BVH's arms and legs). The first that a body has is taken."""


UPPER_SPINE = (
    *("shoulder_centre", "shoulder_center", "spine_shoulder", "thorax", "neck", "neck_base", "lowerneck"),
    *("upper_chest", "chest"),
)
"""Where the shoulders meet, which sensors call after the chest or after the neck: ``shoulder_middle`` of the common
body. Of motion capture, whose chest begins below it, the neck is taken first."""


class JointMap(NamedTuple):
    """For every joint of one body the joint of another that stands for it."""

    read: tuple[int, ...]
    """(V of the reader) joints of the body that is read."""
    known: tuple[bool, ...]
    """(V of the reader) whether it is the same place; the others stand where the nearest such one of their limb is."""

    @property
    def same(self) -> int:
        """How many are the same place."""
        return sum(self.known)


def map_joints(reader: SkeletonLayout, source: SkeletonLayout) -> JointMap:
    """How a network made for ``reader`` reads tracks of ``source``.

    A joint that ``source`` lacks is put where its nearest ancestor is that it has (a bone of
    length 0), or else its nearest joint along the body. Raises ``DataError`` where the two
    have no joint in common.
    """
    places = _same_places(reader, source)
    if not places:
        raise DataError(
            f"layouts '{reader.name}' ({_some(reader)}) and '{source.name}' ({_some(source)}) have no joint in common"
            " by name; rename the joints of one of them to match the other, such as left_elbow"
        )
    read = tuple(places[_nearest(reader, joint, places)] for joint in range(reader.num_joints))
    return JointMap(read, tuple(joint in places for joint in range(reader.num_joints)))


def joints_in_words(reader: SkeletonLayout, source: SkeletonLayout) -> str:
    """Which joints of ``reader`` were matched, with the names that they have in ``source``; raises as map_joints."""
    mapping = map_joints(reader, source)
    pairs = [(own, source.joints[at], known) for own, at, known in zip(reader.joints, *mapping, strict=True)]
    matched = [own if own == other else f"{own} = {other}" for own, other, known in pairs if known]
    moved = [f"{own} at {other}" for own, other, known in pairs if not known]
    text = f"{mapping.same} of {reader.num_joints} joints of the encoder's body ('{reader.name}') are matched by name"
    text += f" in '{source.name}': {', '.join(matched)}"
    return f"{text}; the others stand where the nearest is: {', '.join(moved)}" if moved else text


def same_joints(reader: SkeletonLayout, source: SkeletonLayout) -> bool:
    """Whether the two have the same joints in the same order, so that nothing needs a map."""
    return reader.joints == source.joints


def _same_places(reader: SkeletonLayout, source: SkeletonLayout) -> dict[int, int]:
    exact = {name: joint for joint, name in enumerate(source.joints)}
    plain = {_plain(name): joint for joint, name in reversed(list(enumerate(source.joints)))}
    places = {}
    for joint, name in enumerate(reader.joints):
        at = exact.get(name, plain.get(_plain(name)))
        if at is None:
            at = next((plain[other] for other in _others(_plain(name)) if other in plain), None)
        if at is not None:
            places[joint] = at
    return places


def _others(name: str) -> tuple[str, ...]:
    """Every name of the place that a name stands for."""
    if name == "shoulder_middle":
        return UPPER_SPINE
    side, _, rest = name.partition("_")
    if side in ("left", "right"):
        return tuple(f"{side}_{other}" for group in SIDES if rest in group for other in group)
    return tuple(other for group in MIDDLE if name in group for other in group)


def _plain(name: str) -> str:
    """``LeftArm``, ``l-arm`` and ``arm_L`` as ``left_arm``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    parts = [part for part in re.split(r"[^a-z0-9]+", spaced.lower()) if part]
    sides = {"l": "left", "r": "right", "left": "left", "right": "right"}
    if len(parts) > 1 and parts[-1] in sides:
        parts = [parts[-1], *parts[:-1]]
    if parts and parts[0] in sides:
        parts[0] = sides[parts[0]]
    return "_".join(parts)


def _nearest(body: SkeletonLayout, joint: int, known: Mapping[int, int]) -> int:
    """The first known joint going up the body, else the nearest along it, lower numbers first."""
    at = joint
    while at != -1:
        if at in known:
            return at
        at = body.parents[at]
    beside: list[set[int]] = [set() for _ in range(body.num_joints)]
    for child, parent in enumerate(body.parents):
        if parent >= 0:
            beside[child].add(parent)
            beside[parent].add(child)
    ring, seen = [joint], {joint}
    while ring:
        hits = sorted(one for one in ring if one in known)
        if hits:
            return hits[0]
        ring = sorted({other for one in ring for other in beside[one]} - seen)
        seen.update(ring)
    return min(known)


def _some(body: SkeletonLayout) -> str:
    return ", ".join(body.joints[:3]) + (" ..." if body.num_joints > 3 else "")
