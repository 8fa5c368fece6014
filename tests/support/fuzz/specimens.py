"""What a reader under test is, and what comes of an input: a plain result or a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip, Dataset

Array = npt.NDArray[Any]
Files = dict[str, bytes]
"""Path below the folder of a specimen -> content."""


@dataclass(frozen=True)
class Result:
    """What a reader made of its files, as plain values that can be compared."""

    arrays: Mapping[str, Array] = field(default_factory=dict)
    """Clip -> (M, T, V, C) with zeros where nobody is; or the arrays of a file by name."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """Everything else: labels, subjects, the body, the rate."""
    notes: tuple[str, ...] = ()
    """What the reader reports about what it left out, filled in or assumed."""
    refused: tuple[str, ...] = ()
    """Sentences about parts that were left out, of a reader that goes on without them."""


@dataclass(frozen=True)
class Reader:
    """One way into the product: a tiny valid specimen, how it is read, and what a damage of it may change."""

    name: str
    make: Callable[[], Files]
    """The files of a valid specimen, those first that are damaged."""
    read: Callable[[Path], Result]
    """Reads the folder of a specimen; raises errors of sslskel for what it refuses."""
    damaged: tuple[str, ...]
    """Which of the files are damaged, each with the same weight."""
    covers: tuple[str, ...] = ()
    """Names of formats, forms of sets or benchmarks that are read so."""
    text: bool = False
    """Whether the files are text, so that tokens and lines are changed too."""
    inside: bool = False
    """Whether values inside JSON, YAML, pickles and archives are changed too."""
    checked: str = ""
    """What checksums of the files are against: ``bytes`` that changed on a disk, or any change of their ``content``;
    what is accepted must then be what was written."""
    reach: str = "any"
    """What one number may change where it stands for something of a clip: ``joint`` (one of a person in a frame),
    ``frame``, ``clip``; ``any`` where it may stand for something of the whole set."""
    ids: bool = False
    """Whether a number may be that of a person or a frame, so that another one is another person or frame."""
    line: str = "any"
    """What a line is: a ``frame``; ``part`` of one, so that dropping it is refused or changes nothing; or ``any``."""
    cached: bool = True
    """Whether plugins are looked up once for all inputs, as a grid does; not where they are what is read."""


def dense(dataset: Dataset, row: int) -> Array:
    """(M, T, V, C) of a stored clip, zeros where nobody is."""
    info, length = dataset.info, int(dataset.lengths[row])
    tracks = np.flatnonzero(dataset.track_clip == row).tolist()
    persons = 1 + max((int(dataset.track_slot[track]) for track in tracks), default=-1)
    array = np.zeros((persons, length, info.layout.num_joints, info.coordinates), np.float32)
    for track in tracks:
        begin, frames = int(dataset.track_begin[track]), int(dataset.track_length[track])
        offset, slot = int(dataset.track_offset[track]), int(dataset.track_slot[track])
        array[slot, begin : begin + frames] = dataset.joints[offset : offset + frames]
    return array


def of_dataset(dataset: Dataset, report: Mapping[str, Any]) -> Result:
    """What a prepared dataset holds, with its report."""
    names = [str(name) for name in dataset.names.tolist()]
    info = dataset.info
    facts: dict[str, object] = {
        "body": (info.layout.joints, info.layout.parents, info.layout.swaps),
        "kind": (info.fps, info.unit, info.coordinates),
        "classes": info.classes,
        "names": tuple(names),
    }
    for field_name in ("labels", "subjects", "cameras", "setups"):
        facts[field_name] = tuple(getattr(dataset, field_name).tolist())
    arrays = {name: dense(dataset, row) for row, name in enumerate(names)}
    refused = tuple(
        f"{name:.80}: {why}" for part in ("dropped", "faults") for name, why in sorted(report[part].items())
    )
    tally = tuple(f"{what}: {number}" for what, number in sorted(report["tally"].items()))
    return Result(arrays, facts, (*report["notes"], *tally), refused)


def of_clips(clips: list[Clip], report: ImportReport) -> Result:
    """What an importer yields, with its report."""
    arrays, facts = {}, {}
    for clip in clips:
        facts[clip.name] = (clip.label, clip.subject, clip.camera, clip.setup, len(clip.tracks))
        slots = max((track.slot for track in clip.tracks), default=-1) + 1
        shape = clip.tracks[0].joints.shape[1:] if clip.tracks else (0, 0)
        array = np.zeros((slots, clip.length, *shape), np.float32)
        for track in clip.tracks:
            shown = np.where(track.valid[:, None, None], track.joints, np.float32(0))
            array[track.slot, track.begin : track.begin + len(track.joints)] = shown
        arrays[clip.name] = array
    tally = tuple(f"{what}: {number}" for what, number in sorted(report.tally.items()))
    refused = tuple(
        f"{name:.80}: {why}" for part in (report.dropped, report.faults) for name, why in sorted(part.items())
    )
    return Result(arrays, {"clips": facts}, (*report.notes, *tally), refused)


def text(lines: str) -> bytes:
    """Text as the bytes of a file."""
    return lines.encode("utf-8")
