"""From the files of one PKU-MMD phase to recordings whose annotated actions are clips, as the MAMP release cuts them.

How a file is read: see ``text``. Where a clip's frames are stored: see ``sslskel.data.store``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sslskel import Clip, DataError, Floats, ImportReport, Segment, Track
from sslskel.benchmarks.common.pku_mmd.text import Action, Halves, read_actions, read_frames, read_list
from sslskel.data.motion.position_lines import Doubles
from sslskel.data.sources.archives import SourceFile
from sslskel.data.sources.pieces import Made, Piece

SUFFIX = ".txt"
FILE_LIMIT = 32 << 20
"""Bytes; a recording of ten minutes has 24 MB."""
LISTS = {"xsub": "subject", "xview": "view"}
"""Split -> word in the name of its list, which is spelt with hyphens or underscores, with or without ``_v2``."""
CLIP_FRAMES = 300
"""Frames of an action that its clip holds; the release cuts the rest off."""
CAMERAS = {"L": 1, "M": 2, "R": 3}
BODY = (25, 3)
LONG = f"actions of more than {CLIP_FRAMES} frames, whose clips hold the first {CLIP_FRAMES}"
OVERHANGING = "actions said to go on behind the end of their recording, whose clips end there"
_LIST = re.compile(r"cross[-_ ]?(subject|view)(?:[-_]?v[12])?\.txt", re.IGNORECASE)


@dataclass(frozen=True)
class Phase:
    """How the phases differ. Names of videos hold the session's number or two, and end in the camera."""

    number: int
    video: re.Pattern[str]
    example: str
    validation: frozenset[int]
    """Sessions of the training part that model selection may hold out."""


class _Parts(NamedTuple):
    """Files of a source by what they are."""

    skeletons: dict[str, SourceFile]
    """Video -> file."""
    labels: dict[str, SourceFile]
    lists: dict[str, SourceFile]
    """Split -> file."""
    others: list[str]
    """Names that mean nothing here."""


def plan(phase: Phase, files: Sequence[SourceFile], report: ImportReport) -> list[Piece]:
    """One piece per recording, in the order of their names.

    Recordings that lack a file are dropped, with the reason in the report. Raises ``DataError`` for
    a source that lacks a kind of file, and for a list that is damaged.
    """
    parts = _sorted_out(phase, files)
    halves = {split: read_list(parts.lists[split], phase.video) for split in LISTS}
    _note_gaps(parts, halves, report)
    pieces = []
    for video in sorted(parts.skeletons.keys() & parts.labels.keys()):
        lists = frozenset(split for split, (training, _) in halves.items() if video in training)
        # The lists are files of every piece, so that an import does not go on under another list.
        own = (parts.skeletons[video], parts.labels[video], *(parts.lists[split] for split in LISTS))
        pieces.append(Piece(video, own, partial(make, video, lists)))
    return pieces


def make(video: str, lists: frozenset[str], skeleton: SourceFile, label: SourceFile, *_: SourceFile) -> Made:
    """One recording out of its two files: raw Kinect coordinates, float32.

    Raises ``DataError`` naming file, line and fault where one is damaged.
    """
    frames, actions = read_frames(skeleton), read_actions(label)
    dropped: dict[str, str] = {}
    segments = [segment for action in actions if (segment := _segment(video, action, frames, dropped)) is not None]
    tracks = tuple(_tracks(frames.astype(np.float32)))
    if not segments:
        return Made(dropped={**dropped, video: "none of its annotations can be used"})
    if not tracks:
        return Made(dropped={video: "it holds zeros only, so it has no person"})
    *group, session = map(int, re.findall("[0-9]+", video))
    recording = Clip(
        name=video,
        label=-1,
        length=len(frames),
        tracks=tracks,
        subject=100 * sum(group) + session,
        camera=CAMERAS[video[-1]],
        segments=tuple(segments),
        lists=lists,
    )
    tally = {
        LONG: sum(bool(segment.clip) and segment.end - segment.begin > CLIP_FRAMES for segment in segments),
        OVERHANGING: sum(action.start < len(frames) < action.end for action in actions),
    }
    return Made((recording,), dropped, {what: number for what, number in tally.items() if number})


def _segment(video: str, action: Action, frames: Doubles, dropped: dict[str, str]) -> Segment | None:
    """The annotated action, with a clip unless no person is tracked, or None where it has no frame."""
    name, (begin, end) = f"{video}_{action.number}", (action.start, min(action.end, len(frames)))
    if action.start < 0 or action.end < 0:
        dropped[name] = "a frame of its annotation is negative"
        return None
    if begin >= end:
        late = begin >= len(frames)
        dropped[name] = "it begins behind the end of its recording" if late else "it ends before it begins"
        return None
    bare = Segment(begin, end, action.label - 1, confidence=action.confidence)
    # The release looks at the sum, in double precision and over more than the clip keeps.
    if frames[begin:end].sum() == 0:
        dropped[name] = "the numbers of its frames sum to 0, so it has no person"
        return bare
    return bare._replace(clip=name, frames=min(end - begin, CLIP_FRAMES))


def _tracks(frames: Floats) -> Iterator[Track]:
    """One track per person who is seen, from the first to the last frame with a number other than 0."""
    for slot, person in enumerate(np.split(frames, 2, axis=1)):
        seen = np.flatnonzero(person.any(1))
        if len(seen):
            joints = person[seen[0] : seen[-1] + 1].reshape(-1, *BODY)
            yield Track(slot, int(seen[0]), joints, np.asarray(joints.any((1, 2))))


def key(file: SourceFile) -> str:
    """What makes two files of a source the same one; skeletons and labels have equal names."""
    return f"{_kind(file)}/{file.name}"


def _kind(file: SourceFile) -> str:
    """``split``, ``skeleton`` or ``label``, by the file's name or the nearest folder or archive; else ''."""
    if _LIST.fullmatch(file.name):
        return "split"
    folders = [Path(file.origin).resolve().name, *file.path.split("/")[:-1]]
    for folder in reversed(folders):
        for kind in ("skeleton", "label"):
            if kind in folder.lower():
                return kind
    return ""


def _sorted_out(phase: Phase, files: Sequence[SourceFile]) -> _Parts:
    """Files by what they are; raises ``DataError`` where a kind is missing altogether, or one split has two lists."""
    parts = _Parts({}, {}, {}, [])
    for file in files:
        kind, video = _kind(file), file.name[: -len(SUFFIX)]
        if kind == "split":
            _add_list(parts, file)
        elif not phase.video.fullmatch(video):
            parts.others.append(file.name)
        elif kind:
            (parts.skeletons if kind == "skeleton" else parts.labels)[video] = file
        else:
            raise DataError(
                f"'{file.where}' may be skeletons or labels: no folder above it has 'skeleton' or 'label' in its name;"
                " name the folders as the release does"
            )
    for missing, what in (
        (not parts.skeletons, f"skeleton file like skeleton/{phase.example}.txt"),
        (not parts.labels, f"label file like label/{phase.example}.txt"),
        *((split not in parts.lists, f"list cross-{word}.txt of the split {split}") for split, word in LISTS.items()),
    ):
        if missing:
            others = (
                f"; it has {len(parts.others)} other text files, such as '{parts.others[0]}'" if parts.others else ""
            )
            raise DataError(
                f"the source has no {what} of phase {phase.number}{others}; name the folder that holds all of them, or"
                " each folder and archive (archives beside loose text files are not looked into)"
            )
    return parts


def _add_list(parts: _Parts, file: SourceFile) -> None:
    match = _LIST.fullmatch(file.name)
    split = next(split for split, word in LISTS.items() if match and word == match[1].lower())
    if split in parts.lists:
        raise DataError(
            f"split {split} has two lists ({parts.lists[split].where}; {file.where}); name the source of one phase"
        )
    parts.lists[split] = file


def _note_gaps(parts: _Parts, halves: Mapping[str, Halves], report: ImportReport) -> None:
    """Drop recordings that lack a file, and note what was passed over or is in no list."""
    for video in sorted(parts.skeletons.keys() - parts.labels.keys()):
        report.dropped[video] = "it has a skeleton file but no label file"
    for video in sorted(parts.labels.keys() - parts.skeletons.keys()):
        report.dropped[video] = "it has a label file but no skeleton file"
    known = parts.skeletons.keys() | parts.labels.keys()
    for split, (training, others) in halves.items():
        for video in sorted((training | others) - known):
            report.dropped[video] = f"{parts.lists[split].name} names it, but the source has no file of it"
        unlisted = sorted(parts.skeletons.keys() - training - others)
        _note(report, unlisted, f"recordings in neither half of the list of split {split}, which count as test")
    _note(report, parts.others, "text files that are none of this phase, passed over")


def _note(report: ImportReport, names: Sequence[str], what: str) -> None:
    """``actions ... (3): a, b, c``, with ten names at most; nothing where there are none."""
    if names:
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        report.notes.append(f"{what} ({len(names)}): {', '.join(names[:10])}{more}")
