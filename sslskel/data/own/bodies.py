"""Bodies of the tools of the field, by name: their joints in the order in which the tools write them.

Joints are called as the layouts of ``sslskel.api.skeleton`` call them, so that encoders carry over by name. What
else files call them is beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sslskel.api.skeleton import COCO17, NTU25, SkeletonLayout, layout

ANY = frozenset({2, 3})


@dataclass(frozen=True)
class Body:
    """A layout that can be named, and how the tools that write it do so."""

    layout: SkeletonLayout
    dimensions: frozenset[int] = ANY
    """What its positions usually are, 2D or 3D: one that contradicts it is not a likely reading of an array."""
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Joint -> what files call it, where that is not its own name alone; two bodies may mean two joints by one word."""


def _sided(tree: Mapping[str, str | None]) -> dict[str, str | None]:
    """A tree with every joint that begins with ``side_`` on the left, then on the right."""
    sided: dict[str, str | None] = {}
    for side in ("left", "right"):
        for joint, parent in tree.items():
            if joint.startswith("side_"):
                sided[joint.replace("side_", f"{side}_")] = (parent or "").replace("side_", f"{side}_")
    return sided


def _parts(torso: tuple[str, ...], arm: tuple[str, ...], leg: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    sides = {f"{side}_arm": tuple(f"{side}_{joint}" for joint in arm) for side in ("left", "right")}
    return {"torso": torso, **sides} | {
        f"{side}_leg": tuple(f"{side}_{joint}" for joint in leg) for side in ("left", "right")
    }


_ARM = {"side_elbow": "side_shoulder", "side_wrist": "side_elbow"}
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")

KINECT_V1 = layout(
    "kinect_v1",
    {
        "hip_centre": None,
        "spine": "hip_centre",
        "shoulder_centre": "spine",
        "head": "shoulder_centre",
        **_sided({"side_shoulder": "shoulder_centre", **_ARM, "side_hand": "side_wrist"}),
        **_sided(
            {
                "side_hip": "hip_centre",
                "side_knee": "side_hip",
                "side_ankle": "side_knee",
                "side_foot": "side_ankle",
            }
        ),
    },
    centre="hip_centre",
    parts=_parts(
        ("hip_centre", "spine", "shoulder_centre", "head"),
        ("shoulder", "elbow", "wrist", "hand"),
        ("hip", "knee", "ankle", "foot"),
    ),
)
"""Kinect for Windows SDK 1: 20 joints, as UTKinect and MSRC-12 have them."""

AZURE_KINECT = layout(
    "azure_kinect",
    {
        "pelvis": None,
        "spine_navel": "pelvis",
        "spine_chest": "spine_navel",
        "neck": "spine_chest",
        **_sided(
            {
                "side_clavicle": "spine_chest",
                "side_shoulder": "side_clavicle",
                **_ARM,
                "side_hand": "side_wrist",
                "side_hand_tip": "side_hand",
                "side_thumb": "side_wrist",
            }
        ),
        **_sided({"side_hip": "pelvis", "side_knee": "side_hip", "side_ankle": "side_knee", "side_foot": "side_ankle"}),
        "head": "neck",
        "nose": "head",
        **_sided({"side_eye": "head", "side_ear": "head"}),
    },
    centre="pelvis",
    parts=_parts(
        ("pelvis", "spine_navel", "spine_chest", "neck", "head", *_FACE),
        ("clavicle", "shoulder", "elbow", "wrist", "hand", "hand_tip", "thumb"),
        ("hip", "knee", "ankle", "foot"),
    ),
)
"""Azure Kinect body tracking SDK: 32 joints."""

_OPENPOSE_LIMBS = {
    "nose": None,
    "neck": "nose",
    "right_shoulder": "neck",
    "right_elbow": "right_shoulder",
    "right_wrist": "right_elbow",
    "left_shoulder": "neck",
    "left_elbow": "left_shoulder",
    "left_wrist": "left_elbow",
}

OPENPOSE18 = layout(
    "openpose18",
    {
        **_OPENPOSE_LIMBS,
        "right_hip": "neck",
        "right_knee": "right_hip",
        "right_ankle": "right_knee",
        "left_hip": "neck",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "right_eye": "nose",
        "left_eye": "nose",
        "right_ear": "right_eye",
        "left_ear": "left_eye",
    },
    centre="neck",
    parts=_parts(("neck", *_FACE, "left_hip", "right_hip"), ("shoulder", "elbow", "wrist"), ("knee", "ankle")),
)
"""The 18 keypoints of OpenPose's COCO model, which Kinetics-skeleton has."""

BODY_25 = layout(
    "body_25",
    {
        **_OPENPOSE_LIMBS,
        "mid_hip": "neck",
        "right_hip": "mid_hip",
        "right_knee": "right_hip",
        "right_ankle": "right_knee",
        "left_hip": "mid_hip",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "right_eye": "nose",
        "left_eye": "nose",
        "right_ear": "right_eye",
        "left_ear": "left_eye",
        "left_big_toe": "left_ankle",
        "left_small_toe": "left_big_toe",
        "left_heel": "left_ankle",
        "right_big_toe": "right_ankle",
        "right_small_toe": "right_big_toe",
        "right_heel": "right_ankle",
    },
    centre="mid_hip",
    parts=_parts(
        ("neck", "mid_hip", *_FACE),
        ("shoulder", "elbow", "wrist"),
        ("hip", "knee", "ankle", "big_toe", "small_toe", "heel"),
    ),
)
"""The 25 keypoints of OpenPose's BODY_25 model."""

MEDIAPIPE = layout(
    "mediapipe",
    {
        "nose": None,
        "left_eye_inner": "nose",
        "left_eye": "left_eye_inner",
        "left_eye_outer": "left_eye",
        "right_eye_inner": "nose",
        "right_eye": "right_eye_inner",
        "right_eye_outer": "right_eye",
        "left_ear": "left_eye_outer",
        "right_ear": "right_eye_outer",
        "left_mouth": "nose",
        "right_mouth": "nose",
        "left_shoulder": "nose",
        "right_shoulder": "nose",
        "left_elbow": "left_shoulder",
        "right_elbow": "right_shoulder",
        "left_wrist": "left_elbow",
        "right_wrist": "right_elbow",
        **{f"{side}_{tip}": f"{side}_wrist" for tip in ("pinky", "index", "thumb") for side in ("left", "right")},
        "left_hip": "left_shoulder",
        "right_hip": "right_shoulder",
        "left_knee": "left_hip",
        "right_knee": "right_hip",
        "left_ankle": "left_knee",
        "right_ankle": "right_knee",
        "left_heel": "left_ankle",
        "right_heel": "right_ankle",
        "left_foot_index": "left_ankle",
        "right_foot_index": "right_ankle",
    },
    centre="nose",
    parts=_parts(
        (
            "nose",
            *(f"{side}_{place}" for side in ("left", "right") for place in ("eye_inner", "eye", "eye_outer", "ear")),
            *("left_mouth", "right_mouth"),
        ),
        ("shoulder", "elbow", "wrist", "pinky", "index", "thumb"),
        ("hip", "knee", "ankle", "heel", "foot_index"),
    ),
)
"""MediaPipe Pose (BlazePose): 33 landmarks."""

H36M = layout(
    "h36m",
    {
        "pelvis": None,
        "right_hip": "pelvis",
        "right_knee": "right_hip",
        "right_ankle": "right_knee",
        "left_hip": "pelvis",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "spine": "pelvis",
        "thorax": "spine",
        "neck": "thorax",
        "head": "neck",
        "left_shoulder": "thorax",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
        "right_shoulder": "thorax",
        "right_elbow": "right_shoulder",
        "right_wrist": "right_elbow",
    },
    centre="pelvis",
    parts=_parts(
        ("pelvis", "spine", "thorax", "neck", "head"), ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
    ),
)
"""The 17 joints of Human3.6M that pose lifting uses."""

_MIXAMO_ARM = {
    "side_clavicle": "spine2",
    "side_shoulder": "side_clavicle",
    "side_elbow": "side_shoulder",
    "side_wrist": "side_elbow",
}
_MIXAMO_LEG = {"side_hip": "hips", "side_knee": "side_hip", "side_ankle": "side_knee", "side_toe": "side_ankle"}

MIXAMO = layout(
    "mixamo",
    {
        "hips": None,
        "spine": "hips",
        "spine1": "spine",
        "spine2": "spine1",
        "neck": "spine2",
        "head": "neck",
        **_sided(_MIXAMO_ARM),
        **_sided(_MIXAMO_LEG),
    },
    centre="hips",
    parts=_parts(
        ("hips", "spine", "spine1", "spine2", "neck", "head"),
        ("clavicle", "shoulder", "elbow", "wrist"),
        ("hip", "knee", "ankle", "toe"),
    ),
)
"""Mixamo's rig without fingers: 22 joints. What it calls a shoulder is where the clavicle begins."""

SMPL = layout(
    "smpl",
    {
        "pelvis": None,
        "left_hip": "pelvis",
        "right_hip": "pelvis",
        "spine1": "pelvis",
        "left_knee": "left_hip",
        "right_knee": "right_hip",
        "spine2": "spine1",
        "left_ankle": "left_knee",
        "right_ankle": "right_knee",
        "spine3": "spine2",
        "left_foot": "left_ankle",
        "right_foot": "right_ankle",
        "neck": "spine3",
        "left_clavicle": "spine3",
        "right_clavicle": "spine3",
        "head": "neck",
        "left_shoulder": "left_clavicle",
        "right_shoulder": "right_clavicle",
        "left_elbow": "left_shoulder",
        "right_elbow": "right_shoulder",
        "left_wrist": "left_elbow",
        "right_wrist": "right_elbow",
        "left_hand": "left_wrist",
        "right_hand": "right_wrist",
    },
    centre="pelvis",
    parts=_parts(
        ("pelvis", "spine1", "spine2", "spine3", "neck", "head"),
        ("clavicle", "shoulder", "elbow", "wrist", "hand"),
        ("hip", "knee", "ankle", "foot"),
    ),
)
"""SMPL: 24 joints."""


def _both(spellings: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Spellings with ``side_`` for the left and the right, in names of files as ``Side``."""
    made: dict[str, tuple[str, ...]] = {}
    for joint, names in spellings.items():
        for side in ("left", "right") if joint.startswith("side_") else ("",):
            made[joint.replace("side_", f"{side}_")] = tuple(name.replace("Side", side.title()) for name in names)
    return made


BODIES: Mapping[str, Body] = {
    "ntu25": Body(NTU25, frozenset({3})),
    "coco17": Body(COCO17, frozenset({2})),
    "openpose18": Body(OPENPOSE18, frozenset({2})),
    "body_25": Body(BODY_25, frozenset({2})),
    "mediapipe": Body(MEDIAPIPE),
    "kinect_v1": Body(KINECT_V1, frozenset({3})),
    "kinect_v2": Body(NTU25, frozenset({3})),
    "azure_kinect": Body(AZURE_KINECT, frozenset({3})),
    "h36m": Body(H36M, ANY, {"pelvis": ("pelvis", "hip", "hips"), "neck": ("neck", "nose")}),
    "mixamo": Body(
        MIXAMO,
        frozenset({3}),
        _both(
            {
                "side_clavicle": ("SideShoulder",),
                "side_shoulder": ("SideArm",),
                "side_elbow": ("SideForeArm",),
                "side_wrist": ("SideHand",),
                "side_hip": ("SideUpLeg",),
                "side_knee": ("SideLeg",),
                "side_ankle": ("SideFoot",),
                "side_toe": ("SideToeBase",),
            }
        ),
    ),
    "smpl": Body(SMPL, frozenset({3}), _both({"side_clavicle": ("SideClavicle", "SideCollar")})),
}
"""Name -> body, for ``layout: NAME`` in a layout file and ``--layout NAME``."""


def dimensions_of(body: SkeletonLayout) -> frozenset[int]:
    """Whether positions of a body are usually 2D or 3D; both for one from a layout file."""
    return next((known.dimensions for known in BODIES.values() if known.layout == body), ANY)


def spellings_of(body: SkeletonLayout) -> list[tuple[str, ...]]:
    """What files call each joint of a body: its own name, or the words of the tool where they are other ones."""
    known = next((known.spellings for known in BODIES.values() if known.layout == body), {})
    return [known.get(joint, (joint,)) for joint in body.joints]
