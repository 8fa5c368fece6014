"""Each check of datasets can fail: a dataset with one fault fails the check that is there for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sound_method import failed

from sslskel.api.benchmark import Benchmark, Split
from sslskel.checks import check_dataset, dataset_checks
from sslskel.checks.fixtures import dataset_info, make_dataset
from sslskel.data.memory import MemoryDataset


def benchmark(**changes: Any) -> Benchmark:
    fields: dict[str, Any] = {
        "name": "checks",
        "version": 1,
        "title": "made for tests",
        "info": dataset_info(),
        "read": lambda sources, report: iter(()),
        "splits": {"subjects": Split("subjects", "subject", frozenset({0, 1, 2}), frozenset({2}))},
        "default_split": "subjects",
        "citation": "",
        "licence": "",
    }
    return Benchmark(**(fields | changes))


def split(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": "s",
        "by": "subject",
        "train": frozenset({0, 1, 2}),
        "validation": frozenset({2}),
    }
    return {"splits": {"s": Split(**(fields | changes))}, "default_split": "s"}


def data() -> MemoryDataset:
    return make_dataset(dataset_info(), 40)


def spoilt(**columns: Callable[[Any], Any]) -> MemoryDataset:
    dataset = data()
    for name, change in columns.items():
        column = getattr(dataset, name).copy()
        answer = change(column)
        setattr(dataset, name, column if answer is None else answer)
    return dataset


def put(at: Any, value: Any) -> Callable[[Any], None]:
    def change(column: Any) -> None:
        column[at] = value

    return change


DATASET_FAULTS: list[tuple[str, MemoryDataset, dict[str, Any], str]] = [
    ("shapes_and_types_fit", spoilt(labels=lambda c: c.astype(np.int32)), {}, "labels is int32"),
    ("shapes_and_types_fit", spoilt(lengths=lambda c: c[1:]), {}, "lengths has shape"),
    ("joints_are_finite", spoilt(joints=put((5, 3, 1), np.nan)), {}, "clip 000"),
    ("joints_are_finite", spoilt(valid=put(5, False)), {}, "not valid but not zero"),
    ("joints_move", spoilt(joints=lambda c: np.ones_like(c)), {}, "0.0%"),
    ("labels_are_in_range", spoilt(labels=put(3, 4)), {}, "to 4"),
    ("labels_are_in_range", spoilt(labels=lambda c: np.minimum(c, 2)), {}, "no clip of class action 3"),
    ("names_and_keys_differ", spoilt(names=put(3, "clip 002")), {}, "share a name"),
    ("names_and_keys_differ", spoilt(keys=put(3, 7)), {}, "not the stable id"),
    ("tracks_lie_in_their_clips", spoilt(track_slot=put(2, 0)), {}, "slot"),
    ("tracks_lie_in_their_clips", spoilt(lengths=put(4, 3)), {}, "clip 004"),
    ("tracks_lie_in_their_clips", spoilt(track_offset=put(4, 3)), {}, "overlap"),
    ("describes_the_benchmark", data(), {"info": dataset_info(persons=1)}, "persons"),
    ("describes_the_benchmark", data(), {"expected": {"clips": 41}}, "41 are expected"),
    ("describes_the_benchmark", data(), {"expected": {"subjects/test": 3}}, "3 are expected"),
    ("describes_the_benchmark", data(), {"default_split": "views"}, "no split 'views'"),
    ("parts_are_disjoint", data(), split(by="camera", train=frozenset({-1}), test=frozenset({-1})), "no clip"),
    ("parts_are_disjoint", data(), split(train=frozenset(range(5))), "no clip in its part 'test'"),
    (
        "validation_lies_in_train",
        data(),
        split(validation=frozenset({4})),
        "validation subject [4] is not in its training part",
    ),
]


@pytest.mark.parametrize(
    ("check", "dataset", "changes", "message"),
    DATASET_FAULTS,
    ids=[f"{i}-{fault[0]}" for i, fault in enumerate(DATASET_FAULTS)],
)
def test_a_faulty_dataset_fails_the_check_for_its_fault(
    check: str, dataset: MemoryDataset, changes: dict[str, Any], message: str
) -> None:
    failures = failed(check_dataset(benchmark(**changes), dataset=dataset, only=[check]))
    assert list(failures) == [check]
    assert message in failures[check]


def test_a_class_without_training_clips_is_found() -> None:
    dataset = data()
    dataset.labels[np.isin(dataset.subjects, [0, 1, 2]) & (dataset.labels == 3)] = 2
    failures = failed(check_dataset(benchmark(), dataset=dataset, only=["every_class_is_in_train"]))
    assert "action 3" in failures["every_class_is_in_train"]


def test_a_sound_dataset_in_memory_passes_but_for_its_files() -> None:
    results = check_dataset(benchmark(), dataset=data())
    assert [result.name for result in results] == list(dataset_checks())
    assert [result.name for result in results if not result.passed] == ["fingerprint_recomputes"]


def test_a_flipped_byte_on_disk_is_found(tmp_path: Path) -> None:
    from sslskel.api.dataset import Clip, Track
    from sslskel.data.store.store import open_dataset, write_dataset

    joints = np.random.default_rng(0).normal(size=(30, 25, 3)).astype(np.float32)
    track = Track(0, 0, joints, np.ones(30, np.bool_))
    clips = [Clip(f"clip {i}", i % 4, 30, (track,), subject=i % 5) for i in range(40)]
    write_dataset(tmp_path / "set", dataset_info(), clips)
    dataset = open_dataset(tmp_path / "set")
    assert not failed(check_dataset(benchmark(), dataset=dataset))
    content = bytearray((tmp_path / "set" / "joints.npy").read_bytes())
    content[-7] ^= 1
    (tmp_path / "set" / "joints.npy").write_bytes(content)
    assert "joints.npy" in failed(check_dataset(benchmark(), dataset=dataset))["fingerprint_recomputes"]
