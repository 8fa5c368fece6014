"""Inputs that earlier versions read wrongly or refused: each has the outcome that its page calls right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_cases import Case, dense
from own_sets import opened

Start = Callable[[str], Case]


@pytest.fixture
def case(
    root: Path, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Start:
    """Write the input of a case into an empty folder, which is then the working directory."""
    if not (shared / "cases").is_dir():
        pytest.skip("no folder 'cases' in 'shared': the inputs are not part of a clone")

    def start(name: str) -> Case:
        (tmp_path / "work").mkdir()
        monkeypatch.chdir(tmp_path / "work")
        return Case(shared / "cases" / name, capsys)

    return start


def test_persons_in_the_last_axis_are_no_joints(case: Start) -> None:
    made = case("ctvm_read_as_persons")
    assert "(3, 60, 25, 2)" in (text := made.refused("--layout", "ntu25", "--clips", "clips.csv"))
    assert "axes: CTVM" in text
    made.run("--layout", "ntu25", "--clips", "clips.csv", "axes=CTVM")
    _, dataset = opened()
    assert (dataset.info.persons, dataset.info.coordinates, set(dataset.lengths.tolist())) == (1, 3, {50})
    expected = made.made["data"][:, :, :50, :, 0].transpose(0, 2, 3, 1)
    assert all(np.array_equal(dense(dataset, row)[0], clip) for row, clip in enumerate(expected))


def test_begin_and_end_count_the_frames_of_the_file(case: Start) -> None:
    made = case("frame_column_offset")
    out = made.run("--layout", "coco17", "--clips", "clips.csv")
    assert "120 of 160 frames lie outside begin and end" in out
    _, dataset = opened()
    assert dataset.lengths.tolist() == [10] * 4
    assert np.array_equal(dense(dataset, 0)[0], made.made["body"](0)[10:20].astype(np.float32))
    assert "frames 100 to 139" in made.refused("--layout", "coco17", "--clips", "clips_wrong.csv")


def test_two_rows_of_a_frame_are_named_by_their_lines(case: Start) -> None:
    text = case("message_counts_from_zero").refused("--layout", "coco17", "--clips", "clips.csv")
    assert "'r.csv', lines 2 and 3: frame 190 of person 0 has two rows" in text


def test_empty_fields_are_missing_values(case: Start) -> None:
    made = case("csv_missing_value")
    made.run("--layout", "coco17", "--clips", "e.csv")
    _, dataset = opened()
    assert dataset.valid[:40].tolist() == [True] * 3 + [False] + [True] * 36
    body = made.made["body"](0)
    for table in ("r.csv", "n.csv"):
        assert "missing: nan" in made.refused("--layout", "coco17", "--clips", table)
        assert "4 of 2,720 joints" in made.run("--layout", "coco17", "--clips", table, "missing=nan")
        stored = dense(opened()[1], 0)[0]
        expected = body.copy()
        expected[3, 1] = (body[2, 1] + body[4, 1]) / 2
        assert np.allclose(stored, expected, atol=1e-6)


def test_tables_of_public_tools(case: Start) -> None:
    made = case("csv_extra_columns")
    for table in ("m.csv", "u.csv"):
        out = made.run("--layout", "coco17", "--clips", table)
        assert ("'timestamp', confidences (*_visibility)" in out) == (table == "m.csv")
        _, dataset = opened()
        assert dataset.info.fps == 30
        for row in range(4):
            assert np.array_equal(dense(dataset, row)[0], made.made["body"](row).astype(np.float32))


def test_crowds(case: Start) -> None:
    made = case("crowd_clip")
    assert "persons: 2" in made.refused("--layout", "coco17", "--clips", "clips.csv")
    out = made.run("--layout", "coco17", "--clips", "clips.csv", "persons=3")
    assert "36 persons of 4 clips were left out" in out
    _, dataset = opened()
    assert np.array_equal(dense(dataset, 0), np.load("r0.npy")[:3].astype(np.float32))


def test_joints_that_were_not_detected_are_no_positions(case: Start) -> None:
    made = case("undetected_joints_at_zero")
    out = made.run("--layout", "layout.yaml", "--clips", "lost.csv")
    assert "24,504 of 97,920 joints (25.0 %)" in out
    lost = [dense(opened()[1], row)[0] for row in range(96)]
    made.run("--layout", "layout.yaml", "--clips", "full.csv")
    full = [dense(opened()[1], row)[0] for row in range(96)]
    # Single frames may lie far off where a hand moves fast; pictures are 640 wide.
    assert np.mean([np.abs(one - other).mean() for one, other in zip(lost, full, strict=True)]) < 3
    assert min(one.min() for one in lost) > 1


@pytest.mark.parametrize("table", ["perjoint", "perframe"])
def test_text_of_kinect_data_sets(case: Start, table: str) -> None:
    made = case("text_tables")
    coordinates = {"perjoint": "xyzc", "perframe": "xyz"}[table]
    made.run("--layout", "layout.yaml", "--clips", f"{table}.csv", f"coordinates={coordinates}")
    _, dataset = opened()
    assert dataset.lengths.tolist() == [30] * 4
    for row in range(4):
        expected = np.round(np.random.default_rng(row).normal(0, 0.4, (30, 20, 3)), 4)
        assert np.array_equal(dense(dataset, row)[0], expected.astype(np.float32))


def test_the_first_cause_is_named(case: Start) -> None:
    made = case("hidden_cause_no_test_clip")
    text = made.refused("--clips", "clips.csv", "--unit", "cm")
    assert "its 2 clips cannot be read" in text
    assert "'gone1.bvh' does not exist" in text
    text = made.refused("--pyskl", "poses.pkl", "--layout", "coco17")
    assert "8 names of split 'train'/'val', 'v0' for one, have no annotation" in text
    assert "'/data/v0'" in text


def test_numbers_in_names_of_subjects_count_as_numbers(case: Start) -> None:
    out = case("subjects_out_of_order").run("--layout", "coco17", "--clips", "clips.csv")
    assert "subjects are numbered: s1 1, s2 2, s3 3, s4 4, s5 5, s6 6, s7 7, s8 8, s9 9, s10 10" in out
    benchmark, _ = opened()
    assert benchmark.split().train == {1, 3, 5, 7, 9}


def test_a_folder_of_openpose(case: Start) -> None:
    made = case("openpose_folder")
    for layout in ("layout.yaml", "body_25"):
        made.run("--layout", layout, "--clips", "clips.csv")
        _, dataset = opened()
        assert dataset.lengths.tolist() == [27] * 4
        assert (dataset.info.persons, dataset.info.layout.num_joints, dataset.info.coordinates) == (2, 25, 2)
        numbers = np.random.default_rng(0).random(75) * 300
        assert np.allclose(dense(dataset, 0)[0, 0], np.round(numbers, 2).reshape(25, 3)[:, :2], atol=1e-3)


def test_names_of_rigs_hold_blanks(case: Start) -> None:
    made = case("bvh_names_with_blanks")
    made.run("--clips", "clips.csv", "--unit", "cm")
    _, dataset = opened()
    body, named = dataset.info.layout, dense(dataset, 0)
    assert body.joints[:2] == ("Bip01 Hips", "Bip01 Spine")
    assert (body.num_joints, len(body.swaps)) == (13, 4)
    made.made["bvh"]("biped.bvh")
    made.run("--clips", "clips.csv", "--unit", "cm")
    assert np.array_equal(dense(opened()[1], 0), named)


def test_channels_in_any_case_and_named_end_sites(case: Start) -> None:
    made = case("bvh_spelling")
    stored = []
    for table in ("case", "end", "plain"):
        if table == "plain":
            made.made["table"]("plain.csv", "file,name,label,split", [["plain.bvh", n, "x", p] for n, p in PARTS])
        made.run("--clips", f"{table}.csv", "--unit", "cm")
        stored.append(dense(opened()[1], 0))
    assert np.array_equal(stored[0], stored[2])
    assert np.array_equal(stored[1], stored[2])


PARTS = (("a", "train"), ("b", "test"))
