"""IntelliRehabDS: every clip against the manifest, both tasks, patients left out, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_sets import (
    Rows,
    assert_incomplete_is_refused,
    assert_is_the_manifest,
    manifest,
    moving,
    opened,
    read,
    refused,
    shared_frames,
    zipped,
)

from sslskel.api.skeleton import NTU25
from sslskel.benchmarks.common.irds import EXECUTIONS, FILE_JOINTS, GESTURES, LAYOUT
from sslskel.benchmarks.irds import BENCHMARK as GESTURE
from sslskel.benchmarks.irds_correct import BENCHMARK as CORRECT
from sslskel.errors import SslskelError

CLIPS = {215: 73, 216: 54, 217: 61}
NAME = "216_18_3_6_2_stand.txt"


def lines(frames: int = 2, seed: int = 0, state: str = "Tracked") -> str:
    """A file of the sensor: its version, and a line of three times and 25 joints per frame."""
    made = ["Version0.1"]
    for number, frame in enumerate(moving(25, frames, seed)):
        joints = [f"({joint},{state},{x},{y},{z},1.5,2.5)" for joint, (x, y, z) in zip(FILE_JOINTS, frame, strict=True)]
        made.append(f"{8028 + number},5,{18432 + 33 * number},{','.join(joints)}")
    return "\n".join([*made, ""])


def files() -> dict[str, str]:
    """As many clips of each patient as there are; every fifth is incorrect, of every gesture."""
    made = {}
    for patient, count in CLIPS.items():
        posture = "wheelchair" if patient == 217 else "stand"
        for number in range(count):
            correct = 2 if number % 5 == 0 else 1
            made[f"{patient}_18_{number % 9}_{number // 9 + 1}_{correct}_{posture}.txt"] = lines(seed=number + patient)
    return made


@pytest.fixture(scope="module")
def rows(shared: Path) -> Rows:
    return manifest(shared, "irds_188", lambda file: file.removesuffix(".txt"))


def test_every_recorded_clip_is_the_manifest_s(shared: Path, rows: Rows, tmp_path: Path) -> None:
    dataset = opened(GESTURE, shared / "data/irds_188", tmp_path)
    assert_is_the_manifest(dataset, rows)
    assert int(dataset.lengths.sum()) == 14_142
    for clip, name in enumerate(dataset.names.tolist()):
        assert dataset.subjects[clip] == int(rows[name]["subject"])
        assert ("stand", "wheelchair")[dataset.setups[clip] - 1] == rows[name]["posture"]
    inferred = sum(int(row["inferred_joint_entries"]) for row in rows.values())
    assert dataset.report()["tally"] == {"joint positions that the sensor inferred": inferred}
    assert inferred == 5_904
    assert shared_frames(dataset) == {
        ("217_18_0_2_2_wheelchair", "217_18_1_1_1_wheelchair"): 7,
        ("215_18_6_1_1_stand", "215_18_6_9_2_stand"): 2,
        ("215_18_6_2_1_stand", "215_18_6_3_1_stand"): 1,
    }


def test_every_recorded_clip_is_as_correct_as_the_manifest_says(shared: Path, rows: Rows, tmp_path: Path) -> None:
    dataset = opened(CORRECT, shared / "data/irds_188", tmp_path)
    judged = {}
    for name, row in rows.items():
        number = row["correct_1ok_2incorrect"]
        judged[name] = {**row, "label_1based": number, "class": EXECUTIONS[int(number) - 1]}
    assert_is_the_manifest(dataset, judged)
    assert np.bincount(dataset.labels).tolist() == [148, 40]
    assert all("148 of the 188 clips are correct" in split.warning for split in CORRECT.splits.values())


def test_a_whole_source_leaves_each_patient_out_once(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "irds.zip", files())
    for benchmark in (GESTURE, CORRECT):
        dataset = opened(benchmark, archive, tmp_path / "root")
        assert benchmark.split().name == "loso217"
        for patient, held in ((215, 217), (216, 215), (217, 216)):
            split = benchmark.split(f"loso{patient}")
            test = split.part(dataset, "test")
            assert set(dataset.subjects[test].tolist()) == {patient}
            assert len(test) == CLIPS[patient]
            assert set(dataset.subjects[split.part(dataset, "validation")].tolist()) == {held}
    assert GESTURE.recordings == CORRECT.recordings


def test_a_clip_keeps_positions_and_counts_what_was_inferred(tmp_path: Path) -> None:
    for benchmark, title in ((GESTURE, "shoulder flexion right"), (CORRECT, "incorrect")):
        (clip,), report = read(benchmark, tmp_path, {NAME: lines(state="Inferred")})
        assert (clip.name, clip.subject, clip.setup, clip.length) == ("216_18_3_6_2_stand", 216, 1, 2)
        assert benchmark.info.classes[clip.label] == title
        assert np.array_equal(clip.tracks[0].joints, moving(25, 2).astype(np.float32))
        assert report.tally == {"joint positions that the sensor inferred": 50}
        assert not report.notes


def test_other_patients_are_passed_over_and_counted(tmp_path: Path) -> None:
    more = {"104_18_0_1_1_stand.txt": lines(), "215_18_0_1_3_stand.txt": lines(), "217_18_0_1_1_chair.txt": lines()}
    clips, report = read(GESTURE, tmp_path, {NAME: lines(), **more})
    assert [clip.name for clip in clips] == ["216_18_3_6_2_stand"]
    assert report.notes == ["3 clips that are not of these patients, or poorly executed, were passed over"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "does not begin with 'Version0.1'"),
        (lines().partition("\n")[2], "does not begin with 'Version0.1'"),
        ("Version0.1\n", "has no frame"),
        (lines()[:-20], "line 3 is no frame (three numbers and the 25 joints of a Kinect v2)"),
        (lines().replace("SpineMid", "Neck", 1), "line 2 is no frame"),
        (lines().replace("8028,5", "8028", 1), "line 2 is no frame"),
        (lines().replace("Neck,Tracked,", "Neck,Tracked,nan", 1), "line 2: joint Neck is not a position within 100 m"),
        (lines().replace("Head,Tracked,", "Head,Tracked,1000", 1), "line 2: joint Head is not a position within 100 m"),
        (b"Version0.1\n\xff", "no plain text"),
    ],
)
def test_damaged_files_are_refused_by_name_and_line(content: str | bytes, words: str, tmp_path: Path) -> None:
    message = refused(GESTURE, tmp_path, {NAME: content})
    assert NAME in message
    assert words in message


@pytest.mark.parametrize("foreign", ["216_18_9_1_1_stand", "216_18_0_1_4_stand", "216_18_0_1_1", "README"])
def test_foreign_names_are_refused(foreign: str, tmp_path: Path) -> None:
    message = refused(GESTURE, tmp_path, {f"{foreign}.txt": lines()})
    assert foreign in message
    assert "not named like a clip of IntelliRehabDS" in message


def test_missing_files_are_counted(tmp_path: Path) -> None:
    assert_incomplete_is_refused(GESTURE, tmp_path, {NAME: lines()})


def test_layout_and_classes() -> None:
    parents = (-1, 0, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 1, 7, 7, 11, 11)
    assert LAYOUT.parents == parents
    assert LAYOUT.joints == NTU25.joints
    assert FILE_JOINTS[:5] == ("SpineBase", "SpineMid", "Neck", "Head", "ShoulderLeft")
    assert FILE_JOINTS[20:] == ("SpineShoulder", "HandTipLeft", "ThumbLeft", "HandTipRight", "ThumbRight")
    assert len(LAYOUT.swaps) == 10
    assert len(GESTURES) == 9


def test_mutated_files_raise_nothing_but_their_own_error(tmp_path: Path) -> None:
    content, generator, faults = lines(3).encode(), np.random.default_rng(5), 0
    for _ in range(200):
        broken = bytearray(content)
        for _ in range(generator.integers(1, 5)):
            broken[generator.integers(len(broken))] = generator.integers(256)
        if generator.random() < 0.2:
            del broken[generator.integers(len(broken)) :]
        try:
            (clip,), _ = read(GESTURE, tmp_path, {NAME: bytes(broken)})
            assert np.isfinite(clip.tracks[0].joints).all()
        except SslskelError as fault:
            faults += NAME in str(fault)
    assert faults > 100
