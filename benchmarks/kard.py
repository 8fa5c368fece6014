"""KARD, the Kinect Activity Recognition Dataset (Gaglio, Lo Re, Morana, IEEE THMS 2014).

18 activities, 10 subjects, three repetitions; Kinect v1 skeletons of 15 joints in real-world
coordinates, stored in metres.
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

SUFFIX = "_realworld.txt"
FILE_LIMIT = 8 << 20

LAYOUT = layout(
    "kard_15",
    {
        "head": "neck",
        "neck": "torso",
        "right_shoulder": "neck",
        "right_elbow": "right_shoulder",
        "right_hand": "right_elbow",
        "left_shoulder": "neck",
        "left_elbow": "left_shoulder",
        "left_hand": "left_elbow",
        "torso": None,
        "right_hip": "torso",
        "right_knee": "right_hip",
        "right_foot": "right_knee",
        "left_hip": "torso",
        "left_knee": "left_hip",
        "left_foot": "left_knee",
    },
    centre="torso",
    parts={
        "torso": ("head", "neck", "torso"),
        "left_arm": ("left_shoulder", "left_elbow", "left_hand"),
        "right_arm": ("right_shoulder", "right_elbow", "right_hand"),
        "left_leg": ("left_hip", "left_knee", "left_foot"),
        "right_leg": ("right_hip", "right_knee", "right_foot"),
    },
)
"""The right side comes first."""

ACTIVITIES = (
    "horizontal arm wave",
    "high arm wave",
    "two hand wave",
    "catch cap",
    "high throw",
    "draw X",
    "draw tick",
    "toss paper",
    "forward kick",
    "side kick",
    "take umbrella",
    "bend",
    "hand clap",
    "walk",
    "phone call",
    "drink",
    "sit down",
    "stand up",
)

SUBJECTS = range(1, 11)
_NAME = re.compile(r"(a(0[1-9]|1[0-8])_s(0[1-9]|10)_e0[1-3])_realworld\.txt")
_LINES = PositionLines(joints=LAYOUT.num_joints, line_per_joint=True, metres=0.001)


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Yield the clips in the order of their names: real-world coordinates in metres, float32.

    Raises ``DataError`` naming the file, and the line, for an unknown name, or lines that are
    not 15 positions within 100 m per frame.
    """
    with source_files(sources, (SUFFIX,), report, FILE_LIMIT) as files:
        for file in files:
            match = _NAME.fullmatch(file.name)
            if match is None:
                raise file.misnamed(f"a clip of KARD (a01_s01_e01{SUFFIX} to a18_s10_e03{SUFFIX})")
            yield clip_of_one(match[1], int(match[2]) - 1, _LINES.read(file), subject=int(match[3]))


INFO = DatasetInfo(
    name="kard",
    version=1,
    layout=LAYOUT,
    classes=ACTIVITIES,
    fps=30.0,
    licence=(
        "not known: none is stated where the files lie, and that of the entry k28dtm7tr6 of Mendeley Data has not been"
        " checked; for research with citation, look there before publishing a copy"
    ),
)

XSUB = Split(
    "xsub",
    by="subject",
    train=frozenset(range(1, 10, 2)),
    validation=frozenset({9}),
    test=frozenset(range(2, 11, 2)),
)
"""Odd subjects against even ones. Model selection may hold out subject 9, the last of the training subjects."""

BENCHMARK = Benchmark(
    name="kard",
    version=1,
    title="KARD, 18 activities by 10 subjects (Kinect v1 skeletons)",
    info=INFO,
    read=read,
    splits={"xsub": XSUB, **leave_one_out(SUBJECTS)},
    default_split="xsub",
    citation=(
        "S. Gaglio, G. Lo Re, M. Morana: Human Activity Recognition Process Using 3-D Posture Data. IEEE Transactions"
        " on Human-Machine Systems, 2014. doi:10.1109/THMS.2014.2377111."
    ),
    licence=INFO.licence,
    preset="cpu",
    recipe={"clip": {"centre": "first"}},
    expected={"clips": 540, "xsub/train": 270, "xsub/test": 270},
)
