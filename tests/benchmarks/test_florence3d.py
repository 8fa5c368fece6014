"""Florence 3D Actions: every clip against the manifest, splits, and what is refused."""

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
    manifest,
    moving,
    opened,
    read,
    refused,
    shared_frames,
    zipped,
)

from sslskel.benchmarks.florence3d import ACTIONS, BENCHMARK, LAYOUT

CLIPS = (29, 18, 21, 19, 20, 22, 19, 24, 20, 23)
"""Of each actor."""
NAME = "a04_s10_id215.txt"
GOOD = joint_lines(moving(15, unit=1000)).replace("\n", " \n")


def files() -> dict[str, str]:
    owners = [actor for actor, count in enumerate(CLIPS, start=1) for _ in range(count)]
    return {
        f"a{video % 9 + 1:02}_s{actor}_id{video}.txt": joint_lines(moving(15, 2, seed=video, unit=900))
        for video, actor in enumerate(owners, start=1)
    }


def test_every_recorded_clip_is_the_manifest_s(shared: Path, tmp_path: Path) -> None:
    rows: Rows = manifest(shared, "florence3d", lambda file: file.removesuffix(".txt"))
    dataset = opened(BENCHMARK, shared / "data/florence3d", tmp_path)
    assert_is_the_manifest(dataset, rows, unit=0.001)
    assert int(dataset.lengths.sum()) == 3_802
    assert_parts(BENCHMARK, dataset, "half", rows, "half")
    assert np.bincount(dataset.subjects)[1:].tolist() == list(CLIPS)
    short = dataset.labels[dataset.lengths < 10]
    assert [ACTIONS[label] for label in short] == ["clap"] * 8
    assert shared_frames(dataset) == {}


def test_a_whole_source_has_the_stated_splits(tmp_path: Path) -> None:
    dataset = opened(BENCHMARK, zipped(tmp_path / "florence.zip", files()), tmp_path / "root")
    half = BENCHMARK.split()
    for part, actors in (("train", {1, 2, 3, 4, 5}), ("validation", {5}), ("test", {6, 7, 8, 9, 10})):
        assert set(dataset.subjects[half.part(dataset, part)].tolist()) == actors
    for actor, count in enumerate(CLIPS, start=1):
        assert len(BENCHMARK.split(f"loso{actor}").part(dataset, "test")) == count


def test_millimetres_become_metres(tmp_path: Path) -> None:
    (clip,), _ = read(BENCHMARK, tmp_path, {NAME: GOOD})
    assert (clip.name, clip.subject, ACTIONS[clip.label]) == ("a04_s10_id215", 10, "clap")
    np.testing.assert_allclose(clip.tracks[0].joints, moving(15, unit=1000) / 1000, rtol=1e-6)


@pytest.mark.parametrize("foreign", ["a10_s1_id1", "a01_s11_id1", "a01_s1_id0", "a01_s01_id1", "a01_s1_e1"])
def test_foreign_names_are_refused(foreign: str, tmp_path: Path) -> None:
    message = refused(BENCHMARK, tmp_path, {f"{foreign}.txt": GOOD})
    assert foreign in message
    assert "not named like a clip of Florence 3D" in message


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    assert_incomplete_is_refused(BENCHMARK, tmp_path, {NAME: GOOD})
    cut = GOOD[: GOOD.rstrip().rindex(" ")]
    for content, words in ((cut, "line 45 has 2 numbers"), (GOOD + "1 2 3\n", "46 lines"), ("", "is empty")):
        message = refused(BENCHMARK, tmp_path / "damaged", {NAME: content})
        assert NAME in message
        assert words in message


def test_layout() -> None:
    assert LAYOUT.parents == (1, 2, -1, 1, 3, 4, 1, 6, 7, 2, 9, 10, 2, 12, 13)
    assert LAYOUT.swaps == ((3, 6), (4, 7), (5, 8), (9, 12), (10, 13), (11, 14))
    assert sorted(joint for part in LAYOUT.parts.values() for joint in part) == list(range(15))
    assert len(ACTIONS) == 9
