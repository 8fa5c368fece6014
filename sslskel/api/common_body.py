"""The body in which datasets of different sensors meet: joints that Kinects, motion capture and pose estimators share.

Which joint of a dataset stands for which of these: ``sslskel.encoders.joint_map``.
"""

from __future__ import annotations

from sslskel.api.skeleton import layout

_ARM, _LEG = ("shoulder", "elbow", "wrist", "hand"), ("hip", "knee", "ankle", "foot")
_LIMBS = tuple((limb, side) for limb in (_ARM, _LEG) for side in ("left", "right"))


def _tree() -> dict[str, str | None]:
    tree: dict[str, str | None] = {
        "pelvis": None,
        "spine": "pelvis",
        "shoulder_middle": "spine",
        "head": "shoulder_middle",
    }
    for limb, side in _LIMBS:
        above = "shoulder_middle" if limb is _ARM else "pelvis"
        for joint in limb:
            tree[f"{side}_{joint}"] = above
            above = f"{side}_{joint}"
    return tree


COMMON_BODY = layout(
    "common20",
    _tree(),
    centre="pelvis",
    parts={
        "torso": ("pelvis", "spine", "shoulder_middle", "head"),
        **{
            f"{side}_{'arm' if limb is _ARM else 'leg'}": tuple(f"{side}_{joint}" for joint in limb)
            for limb, side in _LIMBS
        },
    },
)
"""Twenty joints, of which a body may lack some: those are marked in ``Batch.known``."""
