"""NuiSI v1 (Prasad et al., Humanoids 2022): 6 interactions of two persons, upper bodies tracked by Nuitrack.

One pair of persons, 19 repetitions of each. Each person is in a frame of their own, in metres: x forward,
y left, z up, from where their right shoulder was at the start. So the distance between them is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sslskel import Benchmark, Clip, DatasetInfo, ImportReport, Split, Track, layout
from sslskel.data.motion.position_lines import PositionLines
from sslskel.data.sources.archives import source_files

FILE_LIMIT = 4 << 20
PERSONS = 2

LAYOUT = layout(
    "nuisi_10",
    {
        "head": "neck",
        "neck": "torso",
        "torso": "pelvis",
        "pelvis": None,
        "left_shoulder": "neck",
        "left_elbow": "left_shoulder",
        "left_hand": "left_elbow",
        "right_shoulder": "neck",
        "right_elbow": "right_shoulder",
        "right_hand": "right_elbow",
    },
    centre="pelvis",
    parts={
        "torso": ("head", "neck", "torso", "pelvis"),
        "left_arm": ("left_shoulder", "left_elbow", "left_hand"),
        "right_arm": ("right_shoulder", "right_elbow", "right_hand"),
    },
)
"""No legs; ``pelvis`` is the tracker's waist."""

INTERACTIONS = ("clapfist", "fistbump", "handshake", "highfive", "rocket", "wave")
REPETITIONS = 19
SUFFIXES = tuple(f"_{repetition:02}.csv" for repetition in range(REPETITIONS))

_NAME = re.compile(rf"(({'|'.join(INTERACTIONS)})_(0[0-9]|1[0-8]))\.csv")
_LINES = PositionLines(joints=LAYOUT.num_joints, persons=PERSONS, delimiter=",")


def read(sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
    """Yield the clips in the order of their names: both persons in metres, float32.

    ``subject`` is the number of the repetition, since the persons are always the same. Raises
    ``DataError`` naming the file, and the line, for an unknown name, or lines that are not 60
    numbers within 100 m.
    """
    with source_files(sources, SUFFIXES, report, FILE_LIMIT) as files:
        for file in files:
            match = _NAME.fullmatch(file.name)
            if match is None:
                raise file.misnamed("a clip of NuiSI (clapfist_00.csv to wave_18.csv)")
            joints = _LINES.read(file).astype(np.float32)
            halves = np.split(joints, PERSONS, axis=1)
            seen = np.ones(len(joints), bool)
            yield Clip(
                name=match[1],
                label=INTERACTIONS.index(match[2]),
                length=len(joints),
                tracks=tuple(Track(slot, 0, half, seen) for slot, half in enumerate(halves)),
                subject=int(match[3]),
            )


INFO = DatasetInfo(
    name="nuisi",
    version=1,
    layout=LAYOUT,
    classes=INTERACTIONS,
    fps=30.0,
    persons=PERSONS,
    licence="GNU AGPL v3, by the licence file of the repository; no separate statement on the data is known",
)

XREP = Split(
    "xrep",
    by="subject",
    train=frozenset(range(15)),
    validation=frozenset({12, 13, 14}),
    test=frozenset(range(15, REPETITIONS)),
    warning="the same two persons are in both parts",
)
"""The authors' split: the first 15 repetitions against the last four. Model selection may hold out 12 to 14."""

BENCHMARK = Benchmark(
    name="nuisi",
    version=1,
    title="NuiSI v1, 6 interactions of two persons (Nuitrack upper bodies)",
    info=INFO,
    read=read,
    splits={"xrep": XREP},
    default_split="xrep",
    citation=(
        "V. Prasad, D. Koert, R. Stock-Homburg, J. Peters, G. Chalvatzaki: MILD: Multimodal Interactive Latent Dynamics"
        " for Learning Human-Robot Interaction. Humanoids 2022."
    ),
    licence=INFO.licence,
    preset="cpu",
    recipe={"clip": {"centre": "first"}},
    expected={"clips": 114, "xrep/train": 90, "xrep/test": 24},
)
