"""A body of 25 joints in NTU layout: limb lengths, and where the joints are for given joint angles.

What the angles do over time is in ``actions.py``; nothing here is random.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslskel import NTU25

Array = npt.NDArray[np.float64]

ANGLES = (
    "torso_pitch", "torso_roll", "torso_twist", "head_pitch",
    *(f"{side}_{name}" for side in ("left", "right") for name in (
        "shoulder_raise", "shoulder_swing", "upper_arm_turn", "elbow", "hip_raise", "hip_spread", "knee"
    )),
    "root_x", "root_y", "root_z", "root_turn",
)  # fmt: skip
"""Names of a pose: radians, and metres for ``root_x`` (to the left), ``root_y`` (up), ``root_z`` (ahead)."""


@dataclass(frozen=True)
class Limbs:
    """Lengths in metres of one body; left and right are equal."""

    spine: float = 0.26
    """Hip centre to middle of the spine, and from there to between the shoulders."""
    neck: float = 0.09
    head: float = 0.16
    shoulder: float = 0.17
    """Half the width of the shoulders."""
    upper_arm: float = 0.28
    forearm: float = 0.25
    hand: float = 0.08
    hip: float = 0.09
    """Half the width of the hips."""
    thigh: float = 0.42
    shin: float = 0.40
    foot: float = 0.14


def _turn(axis: str, angle: Array) -> Array:
    """Rotation matrices (T, 3, 3) about x, y or z by (T,) radians."""
    cosine, sine, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    rows = {
        "x": ((one, zero, zero), (zero, cosine, -sine), (zero, sine, cosine)),
        "y": ((cosine, zero, sine), (zero, one, zero), (-sine, zero, cosine)),
        "z": ((cosine, -sine, zero), (sine, cosine, zero), (zero, zero, one)),
    }[axis]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def joints_of(limbs: Limbs, angles: Mapping[str, Array]) -> Array:
    """Forward kinematics: (T, 25, 3) metres; x to the body's left, y up, z ahead, floor at y = 0.

    ``angles`` has every name of :data:`ANGLES`, each (T,). All angles zero is standing
    upright, arms hanging.
    """
    frames = len(angles["root_x"])
    place: dict[str, Array] = {}
    whole = _turn("y", angles["root_turn"])
    standing = limbs.thigh + limbs.shin + 0.05
    root = np.stack([angles["root_x"], standing + angles["root_y"], angles["root_z"]], -1)
    place["spine_base"] = root
    trunk = whole @ _turn("y", angles["torso_twist"]) @ _turn("x", angles["torso_pitch"])
    trunk = trunk @ _turn("z", angles["torso_roll"])

    def reach(start: str, end: str, turn: Array, offset: tuple[float, float, float]) -> None:
        place[end] = place[start] + turn @ np.asarray(offset)

    reach("spine_base", "spine_mid", trunk, (0, limbs.spine, 0))
    reach("spine_mid", "spine_shoulder", trunk, (0, limbs.spine, 0))
    reach("spine_shoulder", "neck", trunk, (0, limbs.neck, 0))
    reach("neck", "head", trunk @ _turn("x", angles["head_pitch"]), (0, limbs.head, 0))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        reach("spine_shoulder", f"{side}_shoulder", trunk, (sign * limbs.shoulder, -0.03, 0))
        arm = trunk @ _turn("y", sign * angles[f"{side}_shoulder_swing"])
        arm = arm @ _turn("x", -angles[f"{side}_shoulder_raise"]) @ _turn("y", sign * angles[f"{side}_upper_arm_turn"])
        reach(f"{side}_shoulder", f"{side}_elbow", arm, (0, -limbs.upper_arm, 0))
        fore = arm @ _turn("x", -angles[f"{side}_elbow"])
        reach(f"{side}_elbow", f"{side}_wrist", fore, (0, -limbs.forearm, 0))
        reach(f"{side}_wrist", f"{side}_hand", fore, (0, -limbs.hand, 0))
        reach(f"{side}_hand", f"{side}_hand_tip", fore, (0, -limbs.hand, 0))
        reach(f"{side}_hand", f"{side}_thumb", fore, (-0.5 * sign * limbs.hand, -0.3 * limbs.hand, 0.02))
        reach("spine_base", f"{side}_hip", whole, (sign * limbs.hip, 0, 0))
        leg = whole @ _turn("z", sign * angles[f"{side}_hip_spread"]) @ _turn("x", -angles[f"{side}_hip_raise"])
        reach(f"{side}_hip", f"{side}_knee", leg, (0, -limbs.thigh, 0))
        shin = leg @ _turn("x", angles[f"{side}_knee"])
        reach(f"{side}_knee", f"{side}_ankle", shin, (0, -limbs.shin, 0))
        reach(f"{side}_ankle", f"{side}_foot", shin, (0, -0.05, limbs.foot))
    return np.stack([np.broadcast_to(place[name], (frames, 3)) for name in NTU25.joints], 1)
