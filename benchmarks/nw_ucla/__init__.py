"""Northwestern-UCLA Multiview Action3D: the skeletons, their importer, and two lists of test clips.

Stored as recorded, in metres from the camera. Which test clips are copies of training clips
is stated here; how boards mark them: see ``sslskel.leaderboard``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from sslskel import Benchmark, Clip, DataError, DatasetInfo, Floats, ImportReport, Split, Track, layout
from sslskel.data.sources.archives import SourceFile, source_files

SUFFIX = ".json"
FILE_LIMIT = 4 << 20
"""Bytes; the largest file of the release has 127 kB."""
FURTHEST = 100.0
"""Metres from the camera beyond which a coordinate is a fault of the file."""

LAYOUT = layout(
    "nw_ucla20",
    {
        "hip_centre": None,
        "spine": "hip_centre",
        "shoulder_centre": "spine",
        "head": "shoulder_centre",
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
        "torso": ("hip_centre", "spine", "shoulder_centre", "head"),
        "left_arm": ("left_shoulder", "left_elbow", "left_wrist", "left_hand"),
        "right_arm": ("right_shoulder", "right_elbow", "right_wrist", "right_hand"),
        "left_leg": ("left_hip", "left_knee", "left_ankle", "left_foot"),
        "right_leg": ("right_hip", "right_knee", "right_ankle", "right_foot"),
    },
)

ACTIONS = {
    1: "pick up with one hand",
    2: "pick up with two hands",
    3: "drop trash",
    4: "walk around",
    5: "sit down",
    6: "stand up",
    8: "donning",
    9: "doffing",
    11: "throw",
    12: "carry",
}
"""The release's own numbers, which skip 7 and 10; labels count them through from 0."""

COPIED = (2, 3)
"""Actions whose every file of view 3 holds the numbers of the same take's file of view 2."""
SUBJECTS, TAKES = range(1, 11), range(10)

_NAME = re.compile(r"a(0[1-9]|1[0-2])_s(0[1-9]|10)_e([0-9]{2})_v0([1-3])\.json")


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Yield the clips in the order of their names: raw Kinect coordinates, float32.

    Clips of view 3 that equal a clip of another view are counted and named in the report.
    Raises ``DataError`` naming the file, and the line or frame, for an unknown name, text
    that is no JSON, another shape than (T, 20, 3), no frame, a clip without a person, or a
    coordinate that is not a number within 100 m.
    """
    first: dict[bytes, str] = {}
    copies = []
    with source_files(sources, (SUFFIX,), report, FILE_LIMIT) as files:
        for file in files:
            clip = read_clip(file)
            digest = hashlib.sha256(clip.tracks[0].joints.tobytes()).digest()
            if clip.camera == 3 and digest in first:
                copies.append(clip.name)
            first.setdefault(digest, clip.name)
            yield clip
    if copies:
        report.notes.append(
            f"{len(copies)} clips of view 3 (the test view) equal a clip of another view in every number:"
            f" {', '.join(copies)}; the split xview_clean leaves out those of actions 2 and 3"
        )


def read_clip(file: SourceFile) -> Clip:
    """One clip out of one file; raises ``DataError`` as :func:`read` does."""
    match = _NAME.fullmatch(file.name)
    if match is None or int(match[1]) not in ACTIONS:
        raise file.misnamed(
            f"a file of NW-UCLA (a01_s01_e00_v01{SUFFIX} to a12_s10_e99_v03{SUFFIX}, without actions 7 and 10)"
        )
    name = file.name.removesuffix(SUFFIX)
    joints = _joints(file, name)
    track = Track(slot=0, begin=0, joints=joints, valid=np.asarray(joints.any((1, 2))))
    if not track.valid.any():
        raise DataError(f"'{file.where}' holds zeros only, so it has no person; fetch the file again")
    return Clip(
        name=name,
        label=list(ACTIONS).index(int(match[1])),
        length=len(joints),
        tracks=(track,),
        subject=int(match[2]),
        camera=int(match[4]),
    )


def _joints(file: SourceFile, name: str) -> Floats:
    """(T, 20, 3) float32 metres."""
    content = _object(file)
    stated = content.get("file_name", name)
    if stated != name:
        raise DataError(f"'{file.where}' states the name {str(stated)[:40]!r}; give it that name, or fetch it again")
    frames = content.get("skeletons")
    if not isinstance(frames, list) or not frames:
        raise DataError(f"'{file.where}' has no list 'skeletons' with at least one frame; fetch the file again")
    expected = (LAYOUT.num_joints, 3)
    for number, frame in enumerate(frames):
        if not isinstance(frame, list) or [len(j) if isinstance(j, list) else 0 for j in frame] != [3] * expected[0]:
            raise DataError(f"'{file.where}': frame {number} is not {expected[0]} joints of 3 numbers each")
        for joint, position in zip(LAYOUT.joints, frame, strict=True):
            if not all(type(value) in (float, int) and abs(value) <= FURTHEST for value in position):
                raise DataError(
                    f"'{file.where}': joint {joint} of frame {number} is not a position within {FURTHEST:.0f} m"
                    f" ({str(position)[:60]}); fetch the file again"
                )
    return np.asarray(frames, dtype=np.float64).astype(np.float32)


def _object(file: SourceFile) -> dict[str, Any]:
    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is not a number")

    try:
        content = json.loads(file.read(), parse_constant=refuse)
    except (ValueError, RecursionError) as fault:
        raise DataError(f"'{file.where}' is not readable as JSON ({fault}); fetch the file again") from fault
    if not isinstance(content, dict):
        raise DataError(f"'{file.where}' holds no JSON object with 'file_name' and 'skeletons'; fetch the file again")
    return content


INFO = DatasetInfo(
    name="nw_ucla",
    version=1,
    layout=LAYOUT,
    classes=tuple(ACTIONS.values()),
    fps=30.0,
    licence="free for research with citation; no licence text is published and redistribution is not granted",
)

COPIES = frozenset(
    f"a{action:02}_s{subject:02}_e{take:02}_v03" for action in COPIED for subject in SUBJECTS for take in TAKES
)
XVIEW = Split(
    "xview",
    by="camera",
    train=frozenset({1, 2}),
    validation=frozenset({9, 10}),
    test=frozenset({3}),
    warning=(
        "95 of the 464 test clips are copies of training clips, number for number, so scores are too high; this list"
        " is there for comparison with papers, xview_clean leaves the copies out"
    ),
)
"""The cross-view protocol as papers use it. Model selection may hold out subjects 9 and 10;
the official training part includes them."""
XVIEW_CLEAN = replace(XVIEW, name="xview_clean", without=COPIES, warning="")
"""The same training part, and the 369 test clips that it does not hold."""

BENCHMARK = Benchmark(
    name="nw_ucla",
    version=1,
    title="Northwestern-UCLA, 10 actions in 3 views (Kinect v1 skeletons)",
    info=INFO,
    read=read,
    splits={"xview_clean": XVIEW_CLEAN, "xview": XVIEW},
    default_split="xview_clean",
    citation=(
        "J. Wang, X. Nie, Y. Xia, Y. Wu, S.-C. Zhu: Cross-view Action Modeling, Learning and Recognition. CVPR 2014."
    ),
    licence=INFO.licence,
    preset="cpu",
    recipe={"clip": {"centre": "first"}},
    expected={
        "clips": 1484,
        "xview/train": 1020,
        "xview/test": 464,
        "xview_clean/train": 1020,
        "xview_clean/test": 369,
    },
    published=Path(__file__).with_name("published.csv"),
)
