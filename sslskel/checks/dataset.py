"""The contract of a prepared dataset and of its benchmark's splits, one function per check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.benchmark import Benchmark, Split
from sslskel.api.dataset import Dataset
from sslskel.checks.runner import Skip, expect
from sslskel.data.store.store import open_dataset, verify_dataset
from sslskel.hashing import stable_id

ROWS = 1 << 16
"""Frames looked at together, so that memory stays small at any size."""


@dataclass
class DatasetCase:
    """A benchmark and its opened dataset."""

    benchmark: Benchmark
    dataset: Dataset

    @property
    def stored(self) -> Dataset:
        """What the stored rows are divided into: the recordings where clips were cut from them."""
        return self.dataset if self.dataset.untrimmed is None else self.dataset.untrimmed

    def splits(self) -> Iterator[tuple[str, Split]]:
        """Every split with its name."""
        yield from self.benchmark.splits.items()

    def part(self, split: Split, part: str) -> npt.NDArray[np.int64]:
        """Clip rows of a part."""
        return split.part(self.dataset, part)


def shapes_and_types_fit(case: DatasetCase) -> None:
    """Index arrays are int64 of one length each; joints are (rows, V, C) float32 or float16, valid (rows,) bool."""
    data, info = case.dataset, case.dataset.info
    for field in ("keys", "labels", "lengths", "subjects", "cameras", "setups"):
        _column(field, getattr(data, field), len(data))
    for field in ("track_clip", "track_slot", "track_begin", "track_length", "track_offset"):
        _column(field, getattr(data, field), len(data.track_clip))
    expect(len(data.names) == len(data), f"there are {len(data.names)} names for {len(data)} clips")
    wanted = (len(data.valid), info.layout.num_joints, info.coordinates)
    expect(data.joints.shape == wanted, f"joints have shape {data.joints.shape}, expected {wanted}")
    expect(data.joints.dtype in (np.float32, np.float16), f"joints are {data.joints.dtype}")
    expect(data.valid.dtype == np.bool_, f"valid is {data.valid.dtype}")


def _column(name: str, column: npt.NDArray[Any], length: int) -> None:
    expect(column.dtype == np.int64, f"{name} is {column.dtype}, not int64")
    expect(column.shape == (length,), f"{name} has shape {column.shape}, expected ({length},)")


def joints_are_finite(case: DatasetCase) -> None:
    """No coordinate is NaN or infinite, and a frame that is not valid holds zeros."""
    for start in range(0, len(case.dataset.valid), ROWS):
        rows = np.asarray(case.dataset.joints[start : start + ROWS])
        bad = ~np.isfinite(rows).all((1, 2))
        expect(
            not bad.any(), f"row {start + int(bad.argmax())} ({_owner(case, start + int(bad.argmax()))}) is not finite"
        )
        filled = rows.any((1, 2)) & ~np.asarray(case.dataset.valid[start : start + ROWS])
        where = start + int(filled.argmax())
        expect(not filled.any(), f"row {where} ({_owner(case, where)}) is not valid but not zero")


def _owner(case: DatasetCase, row: int) -> str:
    stored = case.stored
    track = int(np.searchsorted(stored.track_offset, row, side="right")) - 1
    return f"clip '{stored.names[stored.track_clip[track]]}', person {stored.track_slot[track]}"


def joints_move(case: DatasetCase) -> None:
    """Coordinates are not all the same: at least one in a hundred frames differs from the one before."""
    first = np.asarray(case.dataset.joints[:ROWS])
    moved = (first[1:] != first[:-1]).any((1, 2)).mean() if len(first) > 1 else 0.0
    expect(moved > 0.01, f"only {moved:.1%} of the first {len(first)} frames differ from the one before")


def labels_are_in_range(case: DatasetCase) -> None:
    """Labels are -1 or a class index, and every class has a clip unless the benchmark says that some have none."""
    labels, classes = case.dataset.labels, len(case.dataset.info.classes)
    expect(labels.min() >= -1 and labels.max() < classes, f"labels run from {labels.min()} to {labels.max()}")
    empty = sorted(set(range(classes)) - set(labels.tolist()))
    spare = case.benchmark.spare_classes
    expect(spare or not empty, f"no clip of class {', '.join(case.dataset.info.classes[i] for i in empty[:5])}")


def names_and_keys_differ(case: DatasetCase) -> None:
    """Clip names and keys are unique; a key is the stable id of dataset and clip name."""
    data = case.dataset
    expect(len(set(data.names.tolist())) == len(data), "two clips share a name")
    expect(len(np.unique(data.keys)) == len(data), "two clips share a key")
    for row in np.linspace(0, len(data) - 1, min(len(data), 100)).astype(int):
        expect(
            data.keys[row] == stable_id(data.info.name, str(data.names[row])),
            f"the key of clip '{data.names[row]}' is not the stable id of its name",
        )


def tracks_lie_in_their_clips(case: DatasetCase) -> None:
    """Tracks are sorted by clip and slot, inside their clip, at least one each, end to end in the rows.

    Clips that were cut share the rows of their recordings, and one may have no person.
    """
    _tracks_lie_in(case.stored)
    if case.dataset is not case.stored:
        _tracks_lie_in(case.dataset, cut=True)


def _tracks_lie_in(data: Dataset, cut: bool = False) -> None:
    clip, slot, begin, length = data.track_clip, data.track_slot, data.track_begin, data.track_length
    order = clip * (data.info.persons + 1) + slot
    expect((np.diff(order) > 0).all(), "tracks are not sorted by clip and slot, or a slot occurs twice in a clip")
    expect(np.isin(clip, np.arange(len(data))).all(), "a track has no clip")
    expect(cut or len(np.unique(clip)) == len(data), "a clip has no track")
    expect(slot.min() >= 0 and slot.max() < data.info.persons, f"slots run from {slot.min()} to {slot.max()}")
    outside = (begin < 0) | (length < 1) | (begin + length > data.lengths[clip])
    expect(not outside.any(), f"a track of clip '{data.names[clip[outside.argmax()]]}' leaves its clip")
    ends = np.cumsum(length)
    expect(
        cut or (np.array_equal(data.track_offset, ends - length) and ends[-1] == len(data.valid)),
        "rows of tracks overlap or gap",
    )


def describes_the_benchmark(case: DatasetCase) -> None:
    """The stored description is the benchmark's, and so are the counts it expects."""
    stored, wanted = case.dataset.info, case.benchmark.info
    for field in ("name", "version", "layout", "classes", "fps", "unit", "coordinates", "persons", "recipe"):
        actual, right = getattr(stored, field), getattr(wanted, field)
        expect(actual == right, f"{field} is stored as {actual!r}, but the benchmark says {right!r}")
    for what, count in case.benchmark.expected.items():
        if what == "clips":
            actual = len(case.dataset)
        elif "/" in what:
            split, part = what.split("/")
            actual = len(case.part(case.benchmark.split(split), part))
        else:
            continue
        expect(actual == count, f"{what}: {actual} clips, but {count} are expected")
    case.benchmark.split(None)


def parts_are_disjoint(case: DatasetCase) -> None:
    """Train and test of every split share no clip, and no value of the field that splits them."""
    for name, split in case.splits():
        train, test = case.part(split, "train"), case.part(split, "test")
        expect(not np.intersect1d(train, test).size, f"split '{name}': a clip is in train and in test")
        values = split.values(case.dataset)
        shared = np.intersect1d(values[train], values[test])
        expect(not shared.size, f"split '{name}': {split.by} {shared[:3].tolist()} is in train and in test")
        expect((values[train] >= 0).all(), f"split '{name}': a training clip has no {split.by}")


def validation_lies_in_train(case: DatasetCase) -> None:
    """Validation and fit are disjoint, together the training part, and share no subject."""
    for name, split in case.splits():
        outside = sorted(split.validation - split.train) if split.by == "subject" else []
        expect(not outside, f"split '{name}': validation subject {outside[:3]} is not in its training part")
    held = [(name, split) for name, split in case.splits() if split.holds_out(case.dataset)]
    if not held:
        raise Skip("no split has a validation part")
    for name, split in held:
        train, fit, validation = (case.part(split, part) for part in ("train", "fit", "validation"))
        expect(np.array_equal(np.sort(np.r_[fit, validation]), train), f"split '{name}': fit + validation is not train")
        subjects = case.dataset.subjects
        shared = np.intersect1d(subjects[fit], subjects[validation])
        expect(not shared.size, f"split '{name}': subject {shared[:3].tolist()} is in fit and in validation")


def every_class_is_in_train(case: DatasetCase) -> None:
    """Every class that the test part asks for has training clips, in every split."""
    labels, classes = case.dataset.labels, case.dataset.info.classes
    for name, split in case.splits():
        absent = np.setdiff1d(labels[case.part(split, "test")], labels[case.part(split, "train")])
        absent = absent[absent >= 0]
        expect(not absent.size, f"split '{name}': no training clip of class {[classes[i] for i in absent[:3]]}")


def fingerprint_recomputes(case: DatasetCase) -> None:
    """Every stored file is what its manifest says, and opening it again gives the same fingerprint."""
    path = case.dataset.path
    if not path.is_dir():
        raise Skip(f"the dataset is not stored in a folder ({path})")
    verify_dataset(path)
    again = open_dataset(path).fingerprint
    expect(again == case.dataset.fingerprint, f"the fingerprint is {again}, not {case.dataset.fingerprint}")


DATASET_CHECKS = (
    shapes_and_types_fit,
    joints_are_finite,
    joints_move,
    labels_are_in_range,
    names_and_keys_differ,
    tracks_lie_in_their_clips,
    describes_the_benchmark,
    parts_are_disjoint,
    validation_lies_in_train,
    every_class_is_in_train,
    fingerprint_recomputes,
)
