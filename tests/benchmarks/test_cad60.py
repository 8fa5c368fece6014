"""CAD-60: every window against the manifest, both forms of lines, persons left out, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_sets import (
    Rows,
    assert_incomplete_is_refused,
    assert_is_the_manifest,
    joint_lines,
    manifest,
    moving,
    opened,
    read,
    refused,
    shared_frames,
    zipped,
)

from sslskel.benchmarks.cad60 import ACTIVITIES, BENCHMARK, LAYOUT, RECORDINGS

WINDOWS = {1: 223, 2: 210, 3: 223, 4: 249}
NAME = "a11_cooking_(chopping)_1_p2.txt"
GOOD = joint_lines(moving(15, unit=1000))


def name(recording: int, window: int, person: int) -> str:
    """As the files are called: recordings 17 and 18 are random1 and random2."""
    activity = ACTIVITIES[RECORDINGS[recording - 1]].replace(" ", "_")
    if recording > 16:
        activity += str(recording - 16)
    return f"a{recording:02}_{activity}_{window}_p{person}.txt"


def files() -> dict[str, str]:
    return {
        name(number % 18 + 1, number // 18 + 1, person): joint_lines(moving(15, 2, 1000 * person + number, unit=900))
        for person, count in WINDOWS.items()
        for number in range(count)
    }


def as_the_authors_write(text: str) -> str:
    """Orientations behind the positions, a counter in the first line of a frame, and two lines of no frame."""
    lines = text.splitlines()
    counted = [f"{line}{' 4' if at % 15 == 0 else ''} {' '.join(['0.5'] * 9)}" for at, line in enumerate(lines)]
    return "\n".join([*counted, *[" ".join(["7"] * 18)] * 2, ""])


@pytest.mark.long
def test_every_recorded_window_is_the_manifest_s(shared: Path, tmp_path: Path) -> None:
    rows: Rows = manifest(shared, "cad60_w90", lambda file: file.removesuffix(".txt"))
    dataset = opened(BENCHMARK, shared / "data/cad60_w90", tmp_path)
    assert_is_the_manifest(dataset, rows, unit=0.001)
    assert int(dataset.lengths.sum()) == 84_299
    for clip, title in enumerate(dataset.names.tolist()):
        assert dataset.subjects[clip] == int(rows[title]["subject"])
        assert dataset.setups[clip] == int(rows[title]["source_label"])
    assert shared_frames(dataset) == {}


def test_a_whole_source_leaves_each_person_out_once(tmp_path: Path) -> None:
    dataset = opened(BENCHMARK, zipped(tmp_path / "cad60.zip", files()), tmp_path / "root")
    for person, count in WINDOWS.items():
        split = BENCHMARK.split(f"loso{person}")
        test, held = split.part(dataset, "test"), split.part(dataset, "validation")
        assert set(dataset.subjects[test].tolist()) == {person}
        assert len(test) == count
        assert set(dataset.subjects[held].tolist()) == {person - 1 or 4}
        assert len(split.part(dataset, "train")) == 905 - count
    xsub = BENCHMARK.split()
    assert set(dataset.subjects[xsub.part(dataset, "train")].tolist()) == {1, 3}
    assert set(dataset.subjects[xsub.part(dataset, "test")].tolist()) == {2, 4}


def test_the_authors_lines_give_the_same_clip(tmp_path: Path) -> None:
    (clip,), _ = read(BENCHMARK, tmp_path / "copies", {NAME: GOOD})
    (other,), _ = read(BENCHMARK, tmp_path / "authors", {NAME: as_the_authors_write(GOOD)})
    assert replace(clip, tracks=()) == replace(other, tracks=())
    assert np.array_equal(clip.tracks[0].joints, other.tracks[0].joints)
    assert (clip.name, clip.subject, clip.setup) == ("a11_cooking_(chopping)_1_p2", 2, 11)
    assert ACTIVITIES[clip.label] == "cooking (chopping)"
    np.testing.assert_allclose(clip.tracks[0].joints, moving(15, unit=1000) / 1000, rtol=1e-6)


def test_recordings_of_one_activity_share_a_label(tmp_path: Path) -> None:
    names = [name(number, 1, 1) for number in (7, 8, 13, 14, 15, 17, 18)]
    assert names[-2:] == ["a17_random1_1_p1.txt", "a18_random2_1_p1.txt"]
    clips, _ = read(BENCHMARK, tmp_path, dict.fromkeys(names, GOOD))
    assert [ACTIVITIES[clip.label] for clip in clips] == [
        *["wearing contact lenses"] * 2,
        *["opening pill container"] * 3,
        *["random"] * 2,
    ]


@pytest.mark.parametrize(
    "foreign", ["a19_still_1_p1", "a01_still_1_p5", "a02_still_1_p1", "a01_s01_e01", "a03_random1_2_p1", "README"]
)
def test_foreign_names_are_refused(foreign: str, tmp_path: Path) -> None:
    message = refused(BENCHMARK, tmp_path, {f"{foreign}.txt": GOOD})
    assert f"{foreign}.txt" in message
    assert "not named like a window of CAD-60" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        (" ".join(["7"] * 18), "is empty"),
        (GOOD + "1 2 3\n", "has 46 lines of numbers, not a multiple of the 15 joints of a frame"),
        (" ".join(["7"] * 18) + "\n" + GOOD, "line 1 has 18 numbers, not 3 (x y z of a joint)"),
        (GOOD + f"{' '.join(['7'] * 18)}\n" * 3, "line 46 has 18 numbers"),
        (GOOD.replace("\n", "\n100001 0 0\n", 1), "line 2, number 1 is no position within 100 m"),
    ],
)
def test_damaged_files_are_refused_by_name_and_line(content: str, words: str, tmp_path: Path) -> None:
    message = refused(BENCHMARK, tmp_path, {NAME: content})
    assert NAME in message
    assert words in message


def test_missing_files_are_counted(tmp_path: Path) -> None:
    assert_incomplete_is_refused(BENCHMARK, tmp_path, {NAME: GOOD})


def test_layout() -> None:
    assert LAYOUT.parents == (1, 2, -1, 1, 3, 1, 5, 2, 7, 2, 9, 4, 6, 8, 10)
    assert LAYOUT.swaps == ((3, 5), (4, 6), (7, 9), (8, 10), (11, 12), (13, 14))
    assert sorted(joint for part in LAYOUT.parts.values() for joint in part) == list(range(15))
    assert len(RECORDINGS) == 18
    assert set(RECORDINGS) == set(range(14))
