"""Florence 3D Actions (Seidenari, Varano, Berretti, Del Bimbo, Pala, CVPR workshops 2013).

9 actions, 10 actors, short clips of few frames; Kinect v1 skeletons of 15 joints, stored in metres.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sslskel import Benchmark, Clip, DatasetInfo, ImportReport, Split, layout
from sslskel.api.benchmark import leave_one_out
from sslskel.benchmarks.common.small import clip_of_one
from sslskel.data.motion.position_lines import PositionLines
from sslskel.data.sources.archives import source_files

SUFFIX = ".txt"
FILE_LIMIT = 4 << 20

LAYOUT = layout(
    "florence3d_15",
    {
        "head": "neck",
        "neck": "spine",
        "spine": None,
        "left_shoulder": "neck",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
        "right_shoulder": "neck",
        "right_elbow": "right_shoulder",
        "right_wrist": "right_elbow",
        "left_hip": "spine",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "right_hip": "spine",
        "right_knee": "right_hip",
        "right_ankle": "right_knee",
    },
    centre="spine",
    parts={
        "torso": ("head", "neck", "spine"),
        "left_arm": ("left_shoulder", "left_elbow", "left_wrist"),
        "right_arm": ("right_shoulder", "right_elbow", "right_wrist"),
        "left_leg": ("left_hip", "left_knee", "left_ankle"),
        "right_leg": ("right_hip", "right_knee", "right_ankle"),
    },
)

ACTIONS = (
    "wave",
    "drink from a bottle",
    "answer phone",
    "clap",
    "tight lace",
    "sit down",
    "stand up",
    "read watch",
    "bow",
)

ACTORS = range(1, 11)
_NAME = re.compile(r"(a0([1-9])_s([1-9]|10)_id[1-9][0-9]{0,2})\.txt")
_LINES = PositionLines(joints=LAYOUT.num_joints, line_per_joint=True, metres=0.001)


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Yield the clips in the order of their names: camera coordinates in metres, float32.

    Raises ``DataError`` naming the file, and the line, for an unknown name, or lines that are
    not 15 positions within 100 m per frame.
    """
    with source_files(sources, (SUFFIX,), report, FILE_LIMIT) as files:
        for file in files:
            match = _NAME.fullmatch(file.name)
            if match is None:
                raise file.misnamed(f"a clip of Florence 3D (a01_s1_id1{SUFFIX} to a09_s10_id215{SUFFIX})")
            yield clip_of_one(match[1], int(match[2]) - 1, _LINES.read(file), subject=int(match[3]))


INFO = DatasetInfo(
    name="florence3d",
    version=1,
    layout=LAYOUT,
    classes=ACTIONS,
    fps=10.0,
    licence=(
        "not known: none is stated where the files lie; for research with citation, ask the authors before publishing"
        " a copy"
    ),
)

HALF = Split(
    "half", by="subject", train=frozenset(range(1, 6)), validation=frozenset({5}), test=frozenset(range(6, 11))
)
"""Actors 1 to 5 against 6 to 10. Model selection may hold out actor 5, the last of the training actors."""

BENCHMARK = Benchmark(
    name="florence3d",
    version=1,
    title="Florence 3D Actions, 9 actions by 10 actors (Kinect v1 skeletons)",
    info=INFO,
    read=read,
    splits={"half": HALF, **leave_one_out(ACTORS)},
    default_split="half",
    citation=(
        "L. Seidenari, V. Varano, S. Berretti, A. Del Bimbo, P. Pala: Recognizing Actions from Depth Cameras as Weakly"
        " Aligned Multi-Part Bag-of-Poses. CVPR workshops, 2013."
    ),
    licence=INFO.licence,
    preset="cpu",
    recipe={"clip": {"centre": "first"}},
    expected={"clips": 215, "half/train": 107, "half/test": 108},
)
