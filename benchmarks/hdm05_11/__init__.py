"""HDM05, 11-action subset (Mueller et al., Bonn 2007; Ofli et al. 2014): importer, split, names.

5 actors, one person each, optical motion capture, metres with y up. Recorded at
120 frames per second, stored at 30. The file formats are in ``sslskel.data.motion``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sslskel import Benchmark, Clip, DataError, DatasetInfo, ImportReport, Split, Track, layout
from sslskel.data.motion.amc import positions, read_amc
from sslskel.data.motion.asf import Skeleton, read_asf
from sslskel.data.sources.archives import SourceFile, source_files

RECORDED_FPS = 120
STRIDE = 4
"""Every fourth recorded frame is stored, from the first: 30 frames per second. Human
motion holds little above 10 Hz, and clips stay as long as those of the Kinect datasets."""
FILE_LIMIT = 16 << 20
DECIMALS = 6
"""Positions are stored to the micrometre, so that the last bit of a machine's sine does not show."""
FURTHEST = 100.0
"""Metres from the origin beyond which a joint is a fault of the file."""

_ARM = ("clavicle", "humerus", "radius", "wrist", "hand", "thumb", "fingers")
_LEG = ("hipjoint", "femur", "tibia", "foot", "toes")

LAYOUT = layout(
    "hdm05_31",
    {
        "root": None,
        "left_hipjoint": "root",
        "right_hipjoint": "root",
        "lowerback": "root",
        "left_femur": "left_hipjoint",
        "left_tibia": "left_femur",
        "left_foot": "left_tibia",
        "left_toes": "left_foot",
        "right_femur": "right_hipjoint",
        "right_tibia": "right_femur",
        "right_foot": "right_tibia",
        "right_toes": "right_foot",
        "upperback": "lowerback",
        "thorax": "upperback",
        "lowerneck": "thorax",
        "left_clavicle": "thorax",
        "right_clavicle": "thorax",
        "upperneck": "lowerneck",
        "head": "upperneck",
        "left_humerus": "left_clavicle",
        "left_radius": "left_humerus",
        "left_wrist": "left_radius",
        "left_hand": "left_wrist",
        "left_thumb": "left_wrist",
        "left_fingers": "left_hand",
        "right_humerus": "right_clavicle",
        "right_radius": "right_humerus",
        "right_wrist": "right_radius",
        "right_hand": "right_wrist",
        "right_thumb": "right_wrist",
        "right_fingers": "right_hand",
    },
    centre="root",
    parts={
        "torso": ("root", "lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head"),
        "left_arm": tuple(f"left_{bone}" for bone in _ARM),
        "right_arm": tuple(f"right_{bone}" for bone in _ARM),
        "left_leg": tuple(f"left_{bone}" for bone in _LEG),
        "right_leg": tuple(f"right_{bone}" for bone in _LEG),
    },
)
"""A joint has the name of the bone that ends in it: ``left_femur`` is the left knee."""

BONES = tuple(re.sub("^(l)eft_|^(r)ight_", r"\1\2", joint) for joint in LAYOUT.joints)
"""The joints as the skeleton files call them."""

ACTIONS = {
    "depositFloorR": "deposit on floor, right hand",
    "elbowToKnee1RepsLelbowStart": "elbow to knee, left elbow first",
    "grabHighR": "grab high, right hand",
    "hopBothLegs1hops": "hop on both legs",
    "jogLeftCircle4StepsRstart": "jog in a left circle",
    "kickLFront1Reps": "kick to the front, left foot",
    "lieDownFloor": "lie down on floor",
    "rotateArmsBothBackward1Reps": "rotate both arms backward",
    "sneak2StepsLStart": "sneak",
    "squat1Reps": "squat",
    "throwBasketball": "throw basketball",
}
"""Class as the files name it -> its readable name, in the order of the labels."""

ACTORS = ("bd", "bk", "dg", "mm", "tr")
"""Subjects 1 to 5."""

_MOTION = re.compile(r"HDM_([a-z]{2})_([A-Za-z0-9]+)_([0-9]{3})_120\.amc")


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Yield the clips of the 11 classes sorted by file name, as joint positions in metres at 30 Hz.

    Clips of other HDM05 classes may lie beside them; they are passed over and counted
    in ``report.notes``. Raises ``DataError`` naming file, line and fault for a damaged
    file, an unknown name, or a clip whose actor has no skeleton file.
    """
    with source_files(sources, (".asf", ".amc"), report, FILE_LIMIT) as files:
        skeletons = {file.name[4:6]: _skeleton(file) for file in files if file.name.lower().endswith(".asf")}
        motions = [(file, *_names(file)) for file in files if file.name.lower().endswith(".amc")]
        chosen = [motion for motion in motions if motion[2] in ACTIONS]
        if not chosen:
            where = ", ".join(str(source) for source in sources)
            raise DataError(f"no clip of the 11 HDM05 actions was found in {where}; name the folder of the .amc files")
        if len(chosen) < len(motions):
            report.notes.append(f"{len(motions) - len(chosen)} clips of other HDM05 actions were passed over")
        for file, actor, action in chosen:
            if actor not in skeletons:
                raise DataError(f"'{file.where}' needs the skeleton file HDM_{actor}.asf; add it to the source")
            yield _clip(file, skeletons[actor], actor, action)


def _skeleton(file: SourceFile) -> Skeleton:
    if file.name not in {f"HDM_{actor}.asf" for actor in ACTORS}:
        raise DataError(
            f"'{file.where}' is no skeleton of HDM05 (HDM_bd.asf, bk, dg, mm, tr); remove it from the source"
        )
    skeleton = read_asf(file.read(), file.where)
    for index, (bone, parent) in enumerate(zip(BONES, LAYOUT.parents, strict=True)):
        if skeleton.bones[index : index + 1] != (bone,) or skeleton.parents[index] != parent:
            raise DataError(
                f"'{file.where}': the hierarchy is not that of HDM05, whose bone {index} is '{bone}' below"
                f" '{BONES[parent] if parent >= 0 else 'nothing'}'; fetch the file again"
            )
    if len(skeleton.bones) > len(BONES):
        raise DataError(f"'{file.where}' has {len(skeleton.bones)} bones, expected {len(BONES)}; fetch the file again")
    return skeleton


def _names(file: SourceFile) -> tuple[str, str]:
    """Actor and action out of a file name."""
    match = _MOTION.fullmatch(file.name)
    if match is None or match[1] not in ACTORS:
        raise file.misnamed(f"a cut clip of HDM05 (HDM_bd_squat1Reps_001_120.amc; actors {', '.join(ACTORS)})")
    return match[1], match[2]


def _clip(file: SourceFile, skeleton: Skeleton, actor: str, action: str) -> Clip:
    motion = read_amc(file.read(), skeleton, file.where)[::STRIDE]
    place = positions(skeleton, motion)
    wrong = ~(np.abs(place) <= FURTHEST)
    if wrong.any():
        frame, joint, _ = np.argwhere(wrong)[0]
        raise DataError(
            f"'{file.where}': joint {LAYOUT.joints[joint]} lies more than {FURTHEST:.0f} m from the origin"
            f" in frame {frame * STRIDE + 1}; fetch the file again"
        )
    joints = np.round(place, DECIMALS).astype(np.float32)
    track = Track(slot=0, begin=0, joints=joints, valid=np.ones(len(joints), bool))
    return Clip(
        name=file.name.removesuffix("_120.amc"),
        label=list(ACTIONS).index(action),
        length=len(joints),
        tracks=(track,),
        subject=ACTORS.index(actor) + 1,
    )


INFO = DatasetInfo(
    name="hdm05_11",
    version=1,
    layout=LAYOUT,
    classes=tuple(ACTIONS.values()),
    fps=RECORDED_FPS / STRIDE,
    recipe="30hz",
    licence="CC BY-SA 3.0; the data used in this project was obtained from HDM05",
)

XSUB = Split("xsub", by="subject", train=frozenset({1, 2, 3}), validation=frozenset({3}), test=frozenset({4, 5}))
"""Cross-subject protocol of the 11-action subset: train bd, bk, dg, test mm, tr. Model
selection may hold out dg, the last training actor; the official training part includes it."""

BENCHMARK = Benchmark(
    name="hdm05_11",
    version=1,
    title="HDM05, 11 actions (optical motion capture)",
    info=INFO,
    read=read,
    splits={"xsub": XSUB},
    default_split="xsub",
    citation=(
        "M. Mueller, T. Roeder, M. Clausen, B. Eberhardt, B. Krueger, A. Weber: Documentation Mocap Database"
        " HDM05. Technical report CG-2007-2, Universitaet Bonn, 2007."
    ),
    licence=INFO.licence,
    preset="cpu",
    recipe={"clip": {"centre": "first"}},
    expected={"clips": 287, "xsub/train": 188, "xsub/test": 99},
)
