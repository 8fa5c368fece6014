"""Splits of two rules: a clip is in a part of the split where it is in that part of both rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sslskel.api.benchmark import Split, leave_one_out
from sslskel.checks.fixtures import dataset_info, make_dataset
from sslskel.data.memory import MemoryDataset

XSUB = Split("xsub", "subject", frozenset({0, 1, 2}), frozenset({2}))
XVIEW = Split("xview", "camera", frozenset({1}), frozenset({0}), test=frozenset({3}))


def data() -> MemoryDataset:
    """30 clips of subjects 0 to 4 in cameras 1 to 3."""
    dataset = make_dataset(dataset_info(), 30)
    dataset.subjects = np.arange(30) % 5
    dataset.cameras = np.arange(30) // 5 % 3 + 1
    return dataset


def test_clips_meet_both_rules_or_are_in_neither_part() -> None:
    dataset, both = data(), replace(XSUB, also=XVIEW)
    parts = {part: both.part(dataset, part).tolist() for part in ("train", "test", "validation", "fit")}
    assert parts["train"] == [0, 1, 2, 15, 16, 17]
    assert parts["test"] == [13, 14, 28, 29]
    assert (parts["validation"], parts["fit"]) == ([2, 17], [0, 1, 15, 16])
    assert XSUB.part(dataset, "test").tolist() == [row for row in range(30) if row % 5 > 2]
    chosen = both.for_choosing()
    assert chosen.part(dataset, "train").tolist() == parts["fit"]
    assert chosen.part(dataset, "test").tolist() == parts["validation"]
    assert both.holds_out(dataset)


def test_names_left_out_by_the_second_rule_are_left_out() -> None:
    dataset = data()
    less = replace(XSUB, also=replace(XVIEW, without=frozenset({str(dataset.names[13])})))
    assert less.part(dataset, "test").tolist() == [14, 28, 29]


def test_subjects_of_clips_in_neither_part_are_not_held_out() -> None:
    dataset = data()
    dataset.cameras[dataset.subjects == 2] = 2
    assert XSUB.holds_out(dataset)
    assert not replace(XSUB, also=XVIEW).holds_out(dataset)


def test_each_subject_is_left_out_once() -> None:
    splits = leave_one_out([4, 0, 2])
    assert list(splits) == ["loso0", "loso2", "loso4"]
    parts = {name: (set(split.train), set(split.validation), split.test) for name, split in splits.items()}
    assert parts == {
        "loso0": ({2, 4}, {4}, {0}),
        "loso2": ({0, 4}, {0}, {2}),
        "loso4": ({0, 2}, {2}, {4}),
    }
    assert all(split.by == "subject" and split.name == name for name, split in splits.items())


def test_a_second_rule_may_take_the_same_cameras_in_both_parts() -> None:
    dataset = data()
    near = Split("near", "camera", frozenset({1, 2}), frozenset(), test=frozenset({1, 2}))
    both = replace(XSUB, also=near)
    assert both.part(dataset, "train").tolist() == [row for row in range(30) if row % 5 < 3 and row // 5 % 3 < 2]
    assert both.part(dataset, "test").tolist() == [row for row in range(30) if row % 5 > 2 and row // 5 % 3 < 2]
