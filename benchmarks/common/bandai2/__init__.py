"""Bandai-Namco-Research-Motiondataset-2 (Kobayashi et al., 2023): motion capture of 10 contents in 7 styles.

Which of the two is recognised makes two benchmarks of the same clips; the other one is what splits
divide. Bodies of 21 joints, one person, metres with y up, 30 frames per second. The three performers
are not named, so the number of the other label stands for the subject, by which model selection holds out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sslskel import Benchmark, Clip, DataError, DatasetInfo, ImportReport, Split, Track, layout
from sslskel.data.own.formats.bvh import bvh_motion
from sslskel.data.sources.archives import SourceFile, source_files

FPS = 30.0
FILE_LIMIT = 16 << 20
DECIMALS = 6
"""Positions are stored to the micrometre, so that the last bit of a machine's sine does not show."""
FURTHEST = 100.0
"""Metres from the origin beyond which a joint is a fault of the file."""
METRES = 0.01

CONTENTS = (
    "walk",
    "walk-turn-left",
    "walk-turn-right",
    "run",
    "wave-both-hands",
    "wave-left-hand",
    "wave-right-hand",
    "raise-up-both-hands",
    "raise-up-left-hand",
    "raise-up-right-hand",
)
STYLES = ("active", "elderly", "exhausted", "feminine", "masculine", "normal", "youthful")

_ARM = {"clavicle": "Shoulder", "shoulder": "UpperArm", "elbow": "LowerArm", "wrist": "Hand"}
_LEG = {"hip": "UpperLeg", "knee": "LowerLeg", "ankle": "Foot", "toe": "Toes"}
_LIMBS = [(limb, side) for limb in (_ARM, _LEG) for side in ("left", "right")]


def _tree() -> dict[str, str | None]:
    tree: dict[str, str | None] = {"hips": None, "spine": "hips", "chest": "spine", "neck": "chest", "head": "neck"}
    for limb, side in _LIMBS:
        above = "chest" if limb is _ARM else "hips"
        for joint in limb:
            tree[f"{side}_{joint}"] = above
            above = f"{side}_{joint}"
    return tree


LAYOUT = layout(
    "bandai2_21",
    _tree(),
    centre="hips",
    parts={
        "torso": ("hips", "spine", "chest", "neck", "head"),
        **{
            f"{side}_{'arm' if limb is _ARM else 'leg'}": tuple(f"{side}_{joint}" for joint in limb)
            for limb, side in _LIMBS
        },
    },
)
"""Joints where the bones of the file begin: its ``UpperArm_L`` is ``left_shoulder``."""

FILE_JOINTS = (
    *("joint_Root", "Hips", "Spine", "Chest", "Neck", "Head"),
    *(f"{joint}_{side[0].upper()}" for limb, side in _LIMBS for joint in limb.values()),
)
"""The joints of a file; the first is the origin in every frame and is left out."""
FILE_PARENTS = (-1, *(parent + 1 for parent in LAYOUT.parents))

_NAME = re.compile(rf"dataset-2_({'|'.join(CONTENTS)})_({'|'.join(STYLES)})_([0-9]{{3}})\.bvh")
_OTHER = re.compile(r"dataset-1_.*\.bvh")


@dataclass(frozen=True)
class Importer:
    """Reads the files and labels the clips by content or by style."""

    by_style: bool
    whole: bool
    """Whether every clip is taken, or the 350 of ``takes.txt``."""

    def __call__(self, sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
        """Yield the clips by content, style and take: joint positions in metres, float32.

        Clips that are not taken are counted in ``report.notes``. Raises ``DataError`` naming file
        and line for an unknown name, a damaged file, another hierarchy or another frame rate.
        """
        ranks, passed = _ranks(), 0
        with source_files(sources, (".bvh",), report, FILE_LIMIT) as files:
            for content, style, take, file in sorted(_named(files), key=lambda entry: entry[:3]):
                rank = ranks.get((content, style, take), -1)
                if rank < 0 and not self.whole:
                    passed += 1
                    continue
                label, other = (style, content) if self.by_style else (content, style)
                joints = _joints(file)
                yield Clip(
                    name=f"{CONTENTS[content]}_{STYLES[style]}_{take:03}",
                    label=label,
                    length=len(joints),
                    tracks=(Track(0, 0, joints, np.ones(len(joints), bool)),),
                    subject=other + 1,
                    setup=rank,
                )
            passed += sum(_OTHER.fullmatch(file.name) is not None for file in files)
        if passed:
            report.notes.append(f"{passed} clips that are not of this benchmark were passed over")


def _named(files: Sequence[SourceFile]) -> Iterator[tuple[int, int, int, SourceFile]]:
    """Content, style, take and file; those of dataset 1 are left out."""
    for file in files:
        match = _NAME.fullmatch(file.name)
        if match is not None:
            yield CONTENTS.index(match[1]), STYLES.index(match[2]), int(match[3]), file
        elif not _OTHER.fullmatch(file.name):
            raise file.misnamed("a clip of Bandai-Namco-Research-Motiondataset-2 (dataset-2_walk_active_009.bvh)")


def _ranks() -> dict[tuple[int, int, int], int]:
    """Content, style and take of the 350 clips -> 1 to 5, the place of the take in its pair."""
    text = Path(__file__).with_name("takes.txt").read_text(encoding="ascii")
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {
        (CONTENTS.index(content), STYLES.index(style), int(take)): rank
        for content, style, *takes in lines
        for rank, take in enumerate(takes, start=1)
    }


def _joints(file: SourceFile) -> npt.NDArray[np.float32]:
    """(T, 21, 3) metres."""
    motion = bvh_motion(file.read(), file.where)
    body = motion.layout()
    if body.joints != FILE_JOINTS or body.parents != FILE_PARENTS:
        raise DataError(
            f"'{file.where}': the hierarchy is not that of the dataset, whose {len(FILE_JOINTS)} joints are"
            f" {', '.join(FILE_JOINTS[:4])} ... (it has: {', '.join(body.joints[:4])} ...); fetch the file again"
        )
    if motion.fps != FPS:
        raise DataError(f"'{file.where}' has {motion.fps:g} frames per second, expected {FPS:g}; fetch the file again")
    places = motion.positions(body)[:, 1:] * METRES
    wrong = ~(np.abs(places) <= FURTHEST)
    if wrong.any():
        frame, joint, _ = np.argwhere(wrong)[0]
        raise DataError(
            f"'{file.where}': joint {FILE_JOINTS[joint + 1]} lies more than {FURTHEST:.0f} m from the origin in frame"
            f" {frame}; fetch the file again"
        )
    return np.round(places, DECIMALS).astype(np.float32)


XSTYLE = Split(
    "xstyle",
    by="subject",
    train=frozenset({1, 2, 4, 5, 6}),
    validation=frozenset({6}),
    test=frozenset({3, 7}),
)
"""Contents of five styles against those of ``exhausted`` and ``youthful``. Model selection may hold out ``normal``."""
XCONTENT = Split(
    "xcontent",
    by="subject",
    train=frozenset(range(1, 8)),
    validation=frozenset({7}),
    test=frozenset({8, 9, 10}),
)
"""Styles of seven contents against those of raising one or both hands. Model selection may hold out
``wave-right-hand``."""
BLOCK_WARNING = "takes of the same performances are in both parts, so scores are too high"


def bandai2(*, by_style: bool, whole: bool) -> Benchmark:
    """One of the four benchmarks: content or style, the 350 clips or all 2,902."""
    name = f"bandai2{'_full' if whole else ''}{'_style' if by_style else ''}"
    held = XCONTENT if by_style else XSTYLE
    block = Split(
        "block", "setup", frozenset({1, 2, 3}), held.validation, test=frozenset({4, 5}), warning=BLOCK_WARNING
    )
    info = DatasetInfo(
        name=name,
        version=1,
        layout=LAYOUT,
        classes=STYLES if by_style else CONTENTS,
        fps=FPS,
        licence="CC BY-NC 4.0, by the licence file in the dataset's folder",
    )
    counts = {"clips": 350, **({"xcontent/train": 245, "xcontent/test": 105} if by_style else {})}
    counts |= {} if by_style else {"xstyle/train": 250, "xstyle/test": 100}
    what = "7 styles across 10 contents" if by_style else "10 contents across 7 styles"
    return Benchmark(
        name=name,
        version=1,
        title=f"Bandai-Namco motion dataset 2, {what}, {'all' if whole else 350} clips (optical motion capture)",
        info=info,
        read=Importer(by_style, whole),
        splits={held.name: held} if whole else {held.name: held, "block": block},
        default_split=held.name,
        citation=(
            "Kobayashi, Liao, Inoue, Yojima, Takahashi: Motion Capture Dataset for Practical Use of"
            " AI-based Motion Editing and Stylization. arXiv:2306.08861, 2023."
        ),
        licence=info.licence,
        preset="cpu",
        recipe={"clip": {"centre": "first"}},
        expected={"clips": 2902} if whole else {**counts, "block/train": 210, "block/test": 140},
        recordings="bandai2",
    )
