"""IntelliRehabDS (Miron, Sadawi, Ismail, Hussain, Grosan, Data 2021): the 188 clips of patients 215 to 217.

Nine rehabilitation gestures, done correctly or not; Kinect v2 skeletons, metres from the camera, 30 frames
per second. Which gesture it is and whether it is correct makes two benchmarks of the same clips.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sslskel import Benchmark, Clip, DataError, DatasetInfo, ImportReport, Track, layout
from sslskel.api.benchmark import leave_one_out
from sslskel.api.skeleton import NTU25
from sslskel.data.motion.position_lines import Doubles, decimal, numbered_lines, plain_text
from sslskel.data.sources.archives import SourceFile, source_files

SUFFIX = ".txt"
FILE_LIMIT = 16 << 20
FURTHEST = 100.0
"""Metres from the camera beyond which a coordinate is a fault of the file."""
HEAD = "Version0.1"
INFERRED = "joint positions that the sensor inferred"

LAYOUT = layout(
    "irds_25",
    {
        "spine_base": None,
        "spine_mid": "spine_base",
        "neck": "spine_shoulder",
        "head": "neck",
        "left_shoulder": "spine_shoulder",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
        "left_hand": "left_wrist",
        "right_shoulder": "spine_shoulder",
        "right_elbow": "right_shoulder",
        "right_wrist": "right_elbow",
        "right_hand": "right_wrist",
        "left_hip": "spine_base",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "left_foot": "left_ankle",
        "right_hip": "spine_base",
        "right_knee": "right_hip",
        "right_ankle": "right_knee",
        "right_foot": "right_ankle",
        "spine_shoulder": "spine_mid",
        "left_hand_tip": "left_hand",
        "left_thumb": "left_hand",
        "right_hand_tip": "right_hand",
        "right_thumb": "right_hand",
    },
    centre="spine_base",
    parts={part: tuple(NTU25.joints[joint] for joint in joints) for part, joints in NTU25.parts.items()},
)
"""The joints of NTU RGB+D in the same order, with the sensor's own tree."""


def _as_the_sensor_says(joint: str) -> str:
    side = joint.partition("_")[0]
    words = joint.removeprefix(f"{side}_") if side in ("left", "right") else joint
    title = "".join(word.title() for word in words.split("_"))
    return title + side.title() if words != joint else title


FILE_JOINTS = tuple(map(_as_the_sensor_says, LAYOUT.joints))
"""The joints as the files call them."""

GESTURES = (
    "elbow flexion left",
    "elbow flexion right",
    "shoulder flexion left",
    "shoulder flexion right",
    "shoulder abduction left",
    "shoulder abduction right",
    "shoulder forward elevation",
    "side tap left",
    "side tap right",
)
EXECUTIONS = ("correct", "incorrect")
PATIENTS = (215, 216, 217)
POSTURES = ("stand", "wheelchair")

_NAME = re.compile(r"(([0-9]+)_[0-9]+_([0-8])_[0-9]+_([1-3])_([A-Za-z-]+))\.txt")
_JOINT = re.compile(r"\(([A-Za-z]+),(Tracked|Inferred|NotTracked),([^,()]+),([^,()]+),([^,()]+),[^,()]*,[^,()]*\)")
_CLOCK = re.compile(r"[0-9]+,[0-9]+,[0-9]+")


@dataclass(frozen=True)
class Importer:
    """Reads the files and labels the clips by gesture or by execution."""

    by_execution: bool

    def __call__(self, sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
        """Yield the clips in the order of their names: camera coordinates in metres, float32.

        ``setup`` is 1 for standing and 2 for sitting in a wheelchair. Clips of other patients are
        counted in ``report.notes``, joints that the sensor inferred in ``report.tally``. Raises
        ``DataError`` naming file and line for an unknown name or a line that is no frame.
        """
        passed = inferred = 0
        with source_files(sources, (SUFFIX,), report, FILE_LIMIT) as files:
            for file in files:
                match = _NAME.fullmatch(file.name)
                if match is None:
                    raise file.misnamed(f"a clip of IntelliRehabDS (215_18_0_1_1_stand{SUFFIX})")
                if int(match[2]) not in PATIENTS or match[4] == "3" or match[5] not in POSTURES:
                    passed += 1
                    continue
                joints, guesses = _joints(file)
                inferred += guesses
                yield Clip(
                    name=match[1],
                    label=int(match[4]) - 1 if self.by_execution else int(match[3]),
                    length=len(joints),
                    tracks=(Track(0, 0, joints.astype(np.float32), np.ones(len(joints), bool)),),
                    subject=int(match[2]),
                    setup=POSTURES.index(match[5]) + 1,
                )
        report.tally[INFERRED] = inferred
        if passed:
            report.notes.append(f"{passed} clips that are not of these patients, or poorly executed, were passed over")


def _joints(file: SourceFile) -> tuple[Doubles, int]:
    """(T, 25, 3) metres, and how many positions were inferred."""
    lines = list(numbered_lines(plain_text(file)))
    if not lines or lines[0][1].strip() != HEAD:
        raise DataError(f"'{file.where}' does not begin with '{HEAD}'; fetch the file again")
    if len(lines) == 1:
        raise DataError(f"'{file.where}' has no frame; fetch the file again")
    frames = np.empty((len(lines) - 1, LAYOUT.num_joints, 3))
    inferred = 0
    for frame, (number, line) in zip(frames, lines[1:], strict=True):
        entries = _JOINT.findall(line)
        clock = line.partition(",(")[0].strip()
        if tuple(joint[0] for joint in entries) != FILE_JOINTS or not _CLOCK.fullmatch(clock):
            raise DataError(
                f"'{file.where}' line {number} is no frame (three numbers and the {len(FILE_JOINTS)} joints of a Kinect"
                f" v2): {line.strip()[:60]!r}; fetch the file again"
            )
        for place, (joint, state, *position) in zip(frame, entries, strict=True):
            values = [decimal(word) for word in position]
            if any(value is None or abs(value) > FURTHEST for value in values):
                raise DataError(
                    f"'{file.where}' line {number}: joint {joint} is not a position within {FURTHEST:.0f} m"
                    f" ({', '.join(position)[:60]}); fetch the file again"
                )
            place[:] = values
            inferred += state != "Tracked"
    return frames, inferred


WARNING = (
    "148 of the 188 clips are correct, so that 79 % is what always saying so gets; look at the accuracy of each class"
)


def irds(name: str, *, by_execution: bool) -> Benchmark:
    """One of the two benchmarks of the 188 clips."""
    info = DatasetInfo(
        name=name,
        version=1,
        layout=LAYOUT,
        classes=EXECUTIONS if by_execution else GESTURES,
        fps=30.0,
        licence=(
            "not known: the authors' repository states CC BY 4.0 for its code, and the licence of the data's entry"
            " 4610859 of Zenodo has not been checked; look there before publishing a copy"
        ),
    )
    folds = leave_one_out(PATIENTS)
    if by_execution:
        folds = {title: replace(split, warning=WARNING) for title, split in folds.items()}
    what = "correct or incorrect" if by_execution else "9 rehabilitation gestures"
    return Benchmark(
        name=name,
        version=1,
        title=f"IntelliRehabDS, {what}, 188 clips of 3 patients (Kinect v2 skeletons)",
        info=info,
        read=Importer(by_execution),
        splits=folds,
        default_split="loso217",
        citation=(
            "A. Miron, N. Sadawi, W. Ismail, H. Hussain, C. Grosan: IntelliRehabDS (IRDS) - A Dataset of Physical"
            " Rehabilitation Movements. Data 6(5):46, 2021."
        ),
        licence=info.licence,
        preset="cpu",
        recipe={"clip": {"centre": "first"}},
        expected={"clips": 188, "loso215/test": 73, "loso216/test": 54, "loso217/test": 61},
        recordings="irds",
    )
