"""ISL-30: 30 dynamic signs of Indian sign language by 10 signers in three views (Roy et al., 2020).

Kinect skeletons of 20 joints, metres from the camera, one person. The views are not named in the
source: repetitions 1 to 3 face the camera, 4 to 6 are turned by about 45 degrees, 7 to 9 by about 60.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sslskel import Benchmark, Clip, DataError, DatasetInfo, ImportReport, Split, layout
from sslskel.api.benchmark import leave_one_out
from sslskel.benchmarks.common.small import clip_of_one
from sslskel.data.motion.position_lines import PositionLines
from sslskel.data.sources.archives import SourceFile, source_files

SUFFIX = ".txt"
FILE_LIMIT = 4 << 20
DECIMALS = 4
"""Positions are stored to 0.1 mm, as copies of the dataset hold them."""

LAYOUT = layout(
    "isl30_20",
    {
        "head": "neck",
        "neck": "spine_mid",
        "left_shoulder": "neck",
        "right_shoulder": "neck",
        "left_elbow": "left_shoulder",
        "right_elbow": "right_shoulder",
        "left_wrist": "left_elbow",
        "right_wrist": "right_elbow",
        "left_hand": "left_wrist",
        "right_hand": "right_wrist",
        "spine_mid": "spine_base",
        "spine_base": None,
        "left_hip": "spine_base",
        "right_hip": "spine_base",
        "left_knee": "left_hip",
        "right_knee": "right_hip",
        "left_ankle": "left_knee",
        "right_ankle": "right_knee",
        "left_foot": "left_ankle",
        "right_foot": "right_ankle",
    },
    centre="spine_base",
    parts={
        "torso": ("head", "neck", "spine_mid", "spine_base"),
        "left_arm": ("left_shoulder", "left_elbow", "left_wrist", "left_hand"),
        "right_arm": ("right_shoulder", "right_elbow", "right_wrist", "right_hand"),
        "left_leg": ("left_hip", "left_knee", "left_ankle", "left_foot"),
        "right_leg": ("right_hip", "right_knee", "right_ankle", "right_foot"),
    },
)

SIGNS = (
    *("afternoon", "baby", "big", "born", "bye", "calendar", "child", "cloud", "come", "daily"),
    *("dance", "dark", "day", "enjoy", "go", "hello", "home", "love", "my", "name"),
    *("no", "rain", "sorry", "strong", "study", "thankyou", "welcome", "wind", "yes", "you"),
)

SIGNERS, REPETITIONS = 10, 9
_NAME = re.compile(r"([a-z]+)_+([A-Za-z]+|s0[1-9]|s10)_+r?([1-9])\.txt")
_LINES = PositionLines(joints=LAYOUT.num_joints)


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Yield the clips by sign, signer and repetition: camera coordinates in metres, float32.

    Signers are numbered in the order of their names, or as files of the form
    ``afternoon_s01_r1.txt`` number them. Raises ``DataError`` naming the file, and the line,
    for an unknown name, another number of signers, or lines that are not 60 numbers within 100 m.
    """
    with source_files(sources, (SUFFIX,), report, FILE_LIMIT) as files:
        named = [(*_names(file), file) for file in files]
        numbers = _numbers({signer for _, signer, _, _ in named})
        for sign, signer, repetition, file in sorted(named, key=lambda entry: entry[:3]):
            joints = np.round(_LINES.read(file), DECIMALS)
            name = f"{SIGNS[sign]}_s{numbers[signer]:02}_r{repetition}"
            yield clip_of_one(name, sign, joints, subject=numbers[signer], camera=(repetition + 2) // 3)


def _names(file: SourceFile) -> tuple[int, str, int]:
    """Number of the sign, the signer and the repetition out of a file name."""
    match = _NAME.fullmatch(file.name)
    if match is None or match[1] not in SIGNS:
        raise file.misnamed(
            f"a clip of ISL-30 (afternoon_s01_r1{SUFFIX}, or afternoon_NAME_1{SUFFIX}"
            " in the authors' folder RawDataset)"
        )
    return SIGNS.index(match[1]), match[2].lower(), int(match[3])


def _numbers(signers: set[str]) -> dict[str, int]:
    """Signer -> 1 to 10."""
    numbered = {f"s{number:02}": number for number in range(1, SIGNERS + 1)}
    if signers <= numbered.keys():
        return numbered
    if len(signers) != SIGNERS or signers & numbered.keys():
        raise DataError(
            f"the files are of {len(signers)} signers ({', '.join(sorted(signers)[:12])}), but ISL-30 has {SIGNERS};"
            " name the whole folder RawDataset, and nothing else"
        )
    return {signer: number for number, signer in enumerate(sorted(signers), start=1)}


INFO = DatasetInfo(
    name="isl30",
    version=1,
    layout=LAYOUT,
    classes=SIGNS,
    fps=30.0,
    licence=(
        "MIT, by the licence file of the repository that holds the recordings (Copyright (c) 2019 Prasun Roy);"
        " no separate statement on the recordings is known"
    ),
)

ODD, EVEN = frozenset(range(1, SIGNERS, 2)), frozenset(range(2, SIGNERS + 1, 2))
XSUB = Split("xsub", by="subject", train=ODD, validation=frozenset({9}), test=EVEN)
"""Odd signers against even ones. Model selection may hold out signer 9, the last of the training signers."""
XVIEW = Split("xview", by="camera", train=frozenset({1, 2}), validation=frozenset({9, 10}), test=frozenset({3}))
"""Views 1 and 2 (0 and 45 degrees) against view 3 (60 degrees), by the same signers."""
XSUB_XVIEW = Split("xsub_xview", by="subject", train=ODD, validation=frozenset({9}), test=EVEN, also=XVIEW)
"""Odd signers in views 1 and 2 against even signers in view 3."""

BENCHMARK = Benchmark(
    name="isl30",
    version=1,
    title="ISL-30, 30 signs by 10 signers in 3 views (Kinect skeletons)",
    info=INFO,
    read=read,
    splits={"xsub_xview": XSUB_XVIEW, "xsub": XSUB, "xview": XVIEW, **leave_one_out(range(1, SIGNERS + 1))},
    default_split="xsub_xview",
    citation=(
        "P. Roy, S. Bhattacharya, P. P. Roy, U. Pal: Position and Rotation Invariant Sign Language Recognition from"
        " 3D Kinect Data with Recurrent Neural Networks. arXiv:2010.12669, 2020."
    ),
    licence=INFO.licence,
    preset="cpu",
    recipe={"clip": {"centre": "first"}},
    expected={
        "clips": 2700,
        "xsub_xview/train": 900,
        "xsub_xview/test": 450,
        "xsub/train": 1350,
        "xsub/test": 1350,
        "xview/train": 1800,
        "xview/test": 900,
    },
)
