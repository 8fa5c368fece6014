"""UTD-MHAD (Chen, Jafari, Kehtarnavaz, ICIP 2015), skeleton modality: importer, split, names.

27 actions, 8 subjects, Kinect v1 at 30 frames per second, one person, metres.
How a MAT-file is read: see ``matlab5``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sslskel import Benchmark, Clip, DataError, DatasetInfo, ImportReport, Split, Track, layout
from sslskel.benchmarks.utd_mhad.matlab5 import read_array
from sslskel.data.sources.archives import SourceFile, source_files

SUFFIX = "_skeleton.mat"
FILE_LIMIT = 32 << 20
FURTHEST = 100.0
"""Metres from the camera beyond which a coordinate is a fault of the file."""

LAYOUT = layout(
    "utd_mhad20",
    {
        "head": "shoulder_centre",
        "shoulder_centre": "spine",
        "spine": "hip_centre",
        "hip_centre": None,
        "left_shoulder": "shoulder_centre",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
        "left_hand": "left_wrist",
        "right_shoulder": "shoulder_centre",
        "right_elbow": "right_shoulder",
        "right_wrist": "right_elbow",
        "right_hand": "right_wrist",
        "left_hip": "hip_centre",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "left_foot": "left_ankle",
        "right_hip": "hip_centre",
        "right_knee": "right_hip",
        "right_ankle": "right_knee",
        "right_foot": "right_ankle",
    },
    centre="hip_centre",
    parts={
        "torso": ("head", "shoulder_centre", "spine", "hip_centre"),
        "left_arm": ("left_shoulder", "left_elbow", "left_wrist", "left_hand"),
        "right_arm": ("right_shoulder", "right_elbow", "right_wrist", "right_hand"),
        "left_leg": ("left_hip", "left_knee", "left_ankle", "left_foot"),
        "right_leg": ("right_hip", "right_knee", "right_ankle", "right_foot"),
    },
)

CLASSES = (
    "swipe left",
    "swipe right",
    "wave",
    "clap",
    "throw",
    "cross arms",
    "basketball shoot",
    "draw x",
    "draw circle clockwise",
    "draw circle counter-clockwise",
    "draw triangle",
    "bowling",
    "boxing",
    "baseball swing",
    "tennis swing",
    "arm curl",
    "tennis serve",
    "push",
    "knock",
    "catch",
    "pick up and throw",
    "jog",
    "walk",
    "sit to stand",
    "stand to sit",
    "lunge",
    "squat",
)

_NAME = re.compile(r"a([1-9][0-9]?)_s([1-8])_t([1-9][0-9]?)_skeleton\.mat")


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Yield the clips in the order a1_s1_t1, a1_s1_t2, ...: raw Kinect coordinates, float32.

    Raises ``DataError`` naming the file for an unknown name, a damaged file, another
    shape than (20, 3, T), no frame, or a coordinate that is not finite or beyond 100 m.
    """
    with source_files(sources, (SUFFIX,), report, FILE_LIMIT) as files:
        for file in files:
            yield _clip(file)


def _clip(file: SourceFile) -> Clip:
    match = _NAME.fullmatch(file.name)
    if match is None or int(match[1]) > len(CLASSES):
        raise file.misnamed(f"a file of UTD-MHAD (a1_s1_t1{SUFFIX} to a27_s8_t4{SUFFIX})")
    joints = _joints(file)
    track = Track(slot=0, begin=0, joints=joints, valid=np.ones(len(joints), bool))
    return Clip(
        name=file.name.removesuffix(SUFFIX),
        label=int(match[1]) - 1,
        length=len(joints),
        tracks=(track,),
        subject=int(match[2]),
    )


def _joints(file: SourceFile) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(T, 20, 3) float32 metres out of the stored (20, 3, T)."""
    array = read_array(file.read(), "d_skel", file.where)
    expected = (LAYOUT.num_joints, 3)
    shape = array.shape if array.ndim == 3 else (*array.shape, 1)
    if shape[:2] != expected or len(shape) != 3 or shape[2] < 1:
        raise DataError(f"'{file.where}': d_skel has shape {array.shape}, expected (20, 3, T) with at least one frame")
    frames = array.reshape(shape).transpose(2, 0, 1)
    wrong = ~(np.abs(frames.astype(np.float64)) <= FURTHEST)
    if wrong.any():
        frame, joint, _ = np.argwhere(wrong)[0]
        raise DataError(
            f"'{file.where}': joint {LAYOUT.joints[joint]} of frame {frame} is not a position within {FURTHEST:.0f} m"
            f" ({frames[frame, joint].tolist()}); fetch the file again"
        )
    return np.ascontiguousarray(frames, dtype=np.float32)


INFO = DatasetInfo(
    name="utd_mhad",
    version=1,
    layout=LAYOUT,
    classes=CLASSES,
    fps=30.0,
    licence="free for research with citation; no licence text is published and redistribution is not granted",
)

XSUB = Split(
    "xsub", by="subject", train=frozenset({1, 3, 5, 7}), validation=frozenset({7}), test=frozenset({2, 4, 6, 8})
)
"""Cross-subject protocol of the dataset paper. Model selection may hold out subject 7,
the last of the training subjects; the official training part includes it."""

BENCHMARK = Benchmark(
    name="utd_mhad",
    version=1,
    title="UTD-MHAD, 27 actions (Kinect v1 skeletons)",
    info=INFO,
    read=read,
    splits={"xsub": XSUB},
    default_split="xsub",
    citation=(
        "C. Chen, R. Jafari, N. Kehtarnavaz: UTD-MHAD: A Multimodal Dataset for Human Action Recognition"
        " Utilizing a Depth Camera and a Wearable Inertial Sensor. ICIP 2015."
    ),
    licence=INFO.licence,
    preset="cpu",
    recipe={"clip": {"centre": "first"}},
    expected={"clips": 861, "xsub/train": 431, "xsub/test": 430},
)
