"""Skeleton layouts: joint names, parents, left/right swaps, body parts, root.

A layout is data. Methods and transforms look up names and parts, and get an error that says what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sslskel.errors import DataError, did_you_mean

MOST_JOINTS = 1000
"""Of one body; whole-body models with hands and face have a tenth of that."""
PARTS = ("torso", "left_arm", "right_arm", "left_leg", "right_leg")
"""Names of the five body parts that part-wise transforms and masks ask for."""


@dataclass(frozen=True)
class SkeletonLayout:
    """Joints of one body, V in number.

    ``parents`` holds one index per joint, -1 for the root of the kinematic tree;
    ``centre`` is the joint that centring subtracts. ``swaps`` are (left, right)
    index pairs. ``parts`` maps part names to joint indices and may lack some.

    Raises ``DataError`` on a tree with a cycle, no root, or indices out of range.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    centre: int
    swaps: tuple[tuple[int, int], ...] = ()
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.joints)
        if count > MOST_JOINTS:
            raise DataError(f"layout '{self.name}' has {count:,} joints; a body has at most {MOST_JOINTS:,} here")
        if len(self.parents) != count:
            raise DataError(
                f"layout '{self.name}' has {count} joints but {len(self.parents)} parents; give one parent per joint"
            )
        if len(set(self.joints)) != count:
            raise DataError(f"layout '{self.name}' names a joint twice; joint names must differ")
        used = [
            self.centre,
            *(i for pair in self.swaps for i in pair),
            *(i for p in self.parts.values() for i in p),
        ]
        if any(not 0 <= i < count for i in used) or any(not -1 <= p < count for p in self.parents):
            raise DataError(f"layout '{self.name}' uses a joint index outside 0..{count - 1}")
        rooted: set[int] = set()
        for joint in range(count):
            seen, at = set[int](), joint
            while at != -1 and at not in rooted:
                if at in seen:
                    raise DataError(f"layout '{self.name}': parents of joint '{self.joints[joint]}' form a cycle")
                seen.add(at)
                at = self.parents[at]
            rooted |= seen

    @property
    def num_joints(self) -> int:
        """V."""
        return len(self.joints)

    def joint(self, name: str) -> int:
        """Index of a joint by name; raises ``DataError`` naming the closest one."""
        if name not in self.joints:
            raise DataError(f"layout '{self.name}' has no joint '{name}'{did_you_mean(name, self.joints)}")
        return self.joints.index(name)

    def part(self, name: str) -> tuple[int, ...]:
        """Joint indices of a body part; raises ``DataError`` where the layout lacks it."""
        if name not in self.parts:
            have = ", ".join(self.parts) or "none"
            raise DataError(
                f"layout '{self.name}' does not define the body part '{name}' (it has: {have}); name its joints under"
                " `parts` of the layout"
            )
        return self.parts[name]

    def mirror(self) -> tuple[int, ...]:
        """Joint order with left and right exchanged, (V,)."""
        order = list(range(self.num_joints))
        for left, right in self.swaps:
            order[left], order[right] = right, left
        return tuple(order)

    def to_json(self) -> dict[str, Any]:
        """Plain data, read back by :meth:`from_json`."""
        return {
            "name": self.name,
            "joints": list(self.joints),
            "parents": list(self.parents),
            "centre": self.centre,
            "swaps": [list(pair) for pair in self.swaps],
            "parts": {name: list(joints) for name, joints in self.parts.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SkeletonLayout:
        """Build from plain data; raises ``DataError`` where a field is missing."""
        try:
            return cls(
                name=str(data["name"]),
                joints=tuple(str(j) for j in data["joints"]),
                parents=tuple(int(p) for p in data["parents"]),
                centre=int(data["centre"]),
                swaps=tuple((int(a), int(b)) for a, b in data.get("swaps", ())),
                parts={str(k): tuple(int(i) for i in v) for k, v in data.get("parts", {}).items()},
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise DataError(f"a skeleton layout is not readable: {type(fault).__name__} {fault}") from fault


def layout(
    name: str, tree: Mapping[str, str | None], centre: str, parts: Mapping[str, tuple[str, ...]]
) -> SkeletonLayout:
    """Build a layout from names alone: ``tree`` maps each joint to its parent's name.

    Swaps are the pairs that differ only in ``left_`` and ``right_``.
    """
    joints = tuple(tree)
    at = {joint: i for i, joint in enumerate(joints)}
    swaps = tuple((at[j], at["right_" + j[5:]]) for j in joints if j.startswith("left_") and "right_" + j[5:] in at)
    return SkeletonLayout(
        name=name,
        joints=joints,
        parents=tuple(-1 if parent is None else at[parent] for parent in tree.values()),
        centre=at[centre],
        swaps=swaps,
        parts={part: tuple(at[j] for j in members) for part, members in parts.items()},
    )


NTU25 = layout(
    "ntu25",
    {
        "spine_base": "spine_mid",
        "spine_mid": "spine_shoulder",
        "neck": "spine_shoulder",
        "head": "neck",
        "left_shoulder": "spine_shoulder",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
        "left_hand": "left_wrist",
        "right_shoulder": "spine_shoulder",
        "right_elbow": "right_shoulder",
        "right_wrist": "right_elbow",
        "right_hand": "right_wrist",
        "left_hip": "spine_base",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "left_foot": "left_ankle",
        "right_hip": "spine_base",
        "right_knee": "right_hip",
        "right_ankle": "right_knee",
        "right_foot": "right_ankle",
        "spine_shoulder": None,
        "left_hand_tip": "left_thumb",
        "left_thumb": "left_hand",
        "right_hand_tip": "right_thumb",
        "right_thumb": "right_hand",
    },
    centre="spine_mid",
    parts={
        "torso": ("spine_base", "spine_mid", "neck", "head", "spine_shoulder"),
        "left_arm": ("left_shoulder", "left_elbow", "left_wrist", "left_hand", "left_hand_tip", "left_thumb"),
        "right_arm": (
            "right_shoulder",
            "right_elbow",
            "right_wrist",
            "right_hand",
            "right_hand_tip",
            "right_thumb",
        ),
        "left_leg": ("left_hip", "left_knee", "left_ankle", "left_foot"),
        "right_leg": ("right_hip", "right_knee", "right_ankle", "right_foot"),
    },
)
"""Kinect v2 body of NTU RGB+D and PKU-MMD. Parents follow the CTR-GCN bone pairs
(NTU joint 22 hangs on 23 and 24 on 25, as in that table; root is joint 21)."""

COCO17 = layout(
    "coco17",
    {
        "nose": None,
        "left_eye": "nose",
        "right_eye": "nose",
        "left_ear": "left_eye",
        "right_ear": "right_eye",
        "left_shoulder": "nose",
        "right_shoulder": "nose",
        "left_elbow": "left_shoulder",
        "right_elbow": "right_shoulder",
        "left_wrist": "left_elbow",
        "right_wrist": "right_elbow",
        "left_hip": "left_shoulder",
        "right_hip": "right_shoulder",
        "left_knee": "left_hip",
        "right_knee": "right_hip",
        "left_ankle": "left_knee",
        "right_ankle": "right_knee",
    },
    centre="nose",
    parts={
        "torso": ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_hip", "right_hip"),
        "left_arm": ("left_shoulder", "left_elbow", "left_wrist"),
        "right_arm": ("right_shoulder", "right_elbow", "right_wrist"),
        "left_leg": ("left_knee", "left_ankle"),
        "right_leg": ("right_knee", "right_ankle"),
    },
)
"""Keypoints of COCO, in their order, which most 2D pose estimators give. They have no joint in the
middle of the body, so the tree and the centre start at the nose."""
