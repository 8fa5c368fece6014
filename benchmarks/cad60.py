"""CAD-60 (Sung, Ponce, Selman, Saxena, ICRA 2012) in windows of 90 frames or somewhat more.

14 daily activities of four persons, Kinect v1 skeletons of 15 joints, stored in metres from the camera.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sslskel import Benchmark, Clip, DatasetInfo, ImportReport, Split, layout
from sslskel.api.benchmark import leave_one_out
from sslskel.benchmarks.common.small import clip_of_one
from sslskel.data.motion.position_lines import Doubles, PositionLines, numbered_lines, plain_text
from sslskel.data.sources.archives import SourceFile, source_files

SUFFIX = ".txt"
FILE_LIMIT = 8 << 20

LAYOUT = layout(
    "cad60_15",
    {
        "head": "neck",
        "neck": "torso",
        "torso": None,
        "left_shoulder": "neck",
        "left_elbow": "left_shoulder",
        "right_shoulder": "neck",
        "right_elbow": "right_shoulder",
        "left_hip": "torso",
        "left_knee": "left_hip",
        "right_hip": "torso",
        "right_knee": "right_hip",
        "left_hand": "left_elbow",
        "right_hand": "right_elbow",
        "left_foot": "left_knee",
        "right_foot": "right_knee",
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
"""Hands and feet come last."""

ACTIVITIES = (
    "still",
    "talking on the phone",
    "writing on whiteboard",
    "drinking water",
    "rinsing mouth with water",
    "brushing teeth",
    "wearing contact lenses",
    "talking on couch",
    "relaxing on couch",
    "cooking (chopping)",
    "cooking (stirring)",
    "opening pill container",
    "working on computer",
    "random",
)
TAKES = (1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 3, 1, 2)
"""How many recordings of each activity a person has; the files number them through, a01 to a18."""
RECORDINGS = tuple(label for label, takes in enumerate(TAKES) for _ in range(takes))
"""Label of a01, a02, ..., a18."""

PERSONS = (1, 2, 3, 4)
STRAY = 18
"""Numbers of the two lines that end some of the authors' files and belong to no frame."""

_NAME = re.compile(r"(a(0[1-9]|1[0-8])_([a-z_]+(?:_\([a-z]+\))?)[12]?_[1-9][0-9]*_p([1-4]))\.txt")
_LINES = PositionLines(joints=LAYOUT.num_joints, line_per_joint=True, metres=0.001)


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Yield the windows in the order of their names: camera coordinates in metres, float32.

    ``setup`` is the number of the recording, 1 to 18. Raises ``DataError`` naming the file, and
    the line, for an unknown name, or lines that are not 15 positions within 100 m per frame.
    """
    with source_files(sources, (SUFFIX,), report, FILE_LIMIT) as files:
        for file in files:
            name, recording, person = _names(file)
            yield clip_of_one(name, RECORDINGS[recording - 1], _joints(file), subject=person, setup=recording)


def _names(file: SourceFile) -> tuple[str, int, int]:
    """Clip name, number of the recording and person out of a file name."""
    match = _NAME.fullmatch(file.name)
    if match is None or ACTIVITIES[RECORDINGS[int(match[2]) - 1]].replace(" ", "_") != match[3]:
        raise file.misnamed(f"a window of CAD-60 (a01_still_1_p1{SUFFIX} to a18_random2_9_p4{SUFFIX})")
    return match[1], int(match[2]), int(match[4])


def _joints(file: SourceFile) -> Doubles:
    """(T, 15, 3) metres; what the authors' files hold besides positions is left out."""
    lines = list(numbered_lines(plain_text(file)))
    for _ in range(2):
        if lines and len(lines[-1][1].split()) == STRAY:
            lines.pop()
    return _LINES.of([(number, _position(line)) for number, line in lines], file.where)


def _position(line: str) -> str:
    """The position of a line: of 3 numbers, or of 12 with the orientation, or 13 with a counter of frames."""
    fields = line.split()
    return " ".join(fields[:3]) if len(fields) in (12, 13) else line


INFO = DatasetInfo(
    name="cad60",
    version=1,
    layout=LAYOUT,
    classes=ACTIVITIES,
    fps=30.0,
    licence=(
        "not known: none is stated where the windows lie, and the terms of the original dataset have not been seen;"
        " for research with citation, ask the authors before publishing a copy"
    ),
)

XSUB = Split("xsub", by="subject", train=frozenset({1, 3}), validation=frozenset({3}), test=frozenset({2, 4}))
"""Odd persons against even ones. Model selection may hold out person 3, the last of the training persons."""

BENCHMARK = Benchmark(
    name="cad60",
    version=1,
    title="CAD-60, 14 daily activities in windows of 3 seconds (Kinect v1 skeletons)",
    info=INFO,
    read=read,
    splits={"xsub": XSUB, **leave_one_out(PERSONS)},
    default_split="xsub",
    citation=(
        "J. Sung, C. Ponce, B. Selman, A. Saxena: Unstructured Human Activity Detection from RGBD Images. ICRA 2012."
    ),
    licence=INFO.licence,
    preset="cpu",
    recipe={"clip": {"centre": "first"}},
    expected={
        "clips": 905,
        "xsub/train": 446,
        "xsub/test": 459,
        "loso1/test": 223,
        "loso2/test": 210,
        "loso3/test": 223,
        "loso4/test": 249,
    },
)
