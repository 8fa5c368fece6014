"""KARD: every clip against the manifest, splits, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_sets import (
    Rows,
    assert_incomplete_is_refused,
    assert_is_the_manifest,
    assert_parts,
    joint_lines,
    joints_of,
    manifest,
    moving,
    opened,
    read,
    refused,
    shared_frames,
    zipped,
)

from sslskel.benchmarks.kard import ACTIVITIES, BENCHMARK, LAYOUT

NAME = "a18_s10_e03_realworld.txt"
GOOD = joint_lines(moving(15, unit=1000))


def files() -> dict[str, str]:
    return {
        f"a{action:02}_s{subject:02}_e{take:02}_realworld.txt": joint_lines(
            moving(15, 2, seed=100 * action + 3 * subject + take, unit=900)
        )
        for action in range(1, 19)
        for subject in range(1, 11)
        for take in range(1, 4)
    }


@pytest.mark.long
def test_every_recorded_clip_is_the_manifest_s(shared: Path, tmp_path: Path) -> None:
    rows: Rows = manifest(shared, "kard", lambda file: file.removesuffix("_realworld.txt"))
    dataset = opened(BENCHMARK, shared / "data/kard", tmp_path)
    assert_is_the_manifest(dataset, rows, unit=0.001)
    assert int(dataset.lengths.sum()) == 63_630
    assert_parts(BENCHMARK, dataset, "xsub", rows, "xsub")
    assert shared_frames(dataset) == {}
    travel = np.ptp(joints_of(dataset, 0), axis=0).max(-1)
    assert travel[LAYOUT.joint("right_hand")] > 5 * travel[LAYOUT.joint("left_hand")]


def test_a_whole_source_has_the_stated_splits(tmp_path: Path) -> None:
    dataset = opened(BENCHMARK, zipped(tmp_path / "kard.zip", files()), tmp_path / "root")
    xsub = BENCHMARK.split()
    for part, subjects in (("train", {1, 3, 5, 7, 9}), ("validation", {9}), ("test", {2, 4, 6, 8, 10})):
        assert set(dataset.subjects[xsub.part(dataset, part)].tolist()) == subjects
    fold = BENCHMARK.split("loso10")
    assert set(dataset.subjects[fold.part(dataset, "test")].tolist()) == {10}
    assert len(fold.part(dataset, "train")) == 486
    assert set(dataset.subjects[fold.part(dataset, "validation")].tolist()) == {9}


def test_millimetres_become_metres(tmp_path: Path) -> None:
    (clip,), _ = read(BENCHMARK, tmp_path, {NAME: GOOD, "a18_s10_e03_screen.txt": "not read"})
    assert (clip.name, clip.subject, ACTIVITIES[clip.label]) == ("a18_s10_e03", 10, "stand up")
    np.testing.assert_allclose(clip.tracks[0].joints, moving(15, unit=1000) / 1000, rtol=1e-6)


@pytest.mark.parametrize("foreign", ["a19_s01_e01", "a01_s11_e01", "a01_s01_e04", "a1_s1_e1"])
def test_foreign_names_are_refused(foreign: str, tmp_path: Path) -> None:
    message = refused(BENCHMARK, tmp_path, {f"{foreign}_realworld.txt": GOOD})
    assert foreign in message
    assert "not named like a clip of KARD" in message


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    assert_incomplete_is_refused(BENCHMARK, tmp_path, {NAME: GOOD})
    cut = GOOD[: GOOD.rindex(" ")]
    for content, words in ((cut, "line 45 has 2 numbers"), (GOOD + "1 2 3", "46 lines"), ("x 2 3", "line 1, number 1")):
        message = refused(BENCHMARK, tmp_path / "damaged", {NAME: content})
        assert NAME in message
        assert words in message
    assert "'_realworld.txt'" in refused(BENCHMARK, tmp_path / "other", {"a01_s01_e01_screen.txt": GOOD})


def test_layout() -> None:
    assert LAYOUT.parents == (1, 8, 1, 2, 3, 1, 5, 6, -1, 8, 9, 10, 8, 12, 13)
    assert sorted(LAYOUT.swaps) == [(5, 2), (6, 3), (7, 4), (12, 9), (13, 10), (14, 11)]
    assert sorted(joint for part in LAYOUT.parts.values() for joint in part) == list(range(15))
    assert len(ACTIVITIES) == 18
