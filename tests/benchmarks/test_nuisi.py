"""NuiSI: every clip against the manifest, both persons, the authors' split, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from small_sets import (
    Rows,
    assert_incomplete_is_refused,
    assert_is_the_manifest,
    assert_parts,
    frame_lines,
    manifest,
    moving,
    opened,
    read,
    refused,
    shared_frames,
    zipped,
)

from sslskel.benchmarks.nuisi import BENCHMARK, INTERACTIONS, LAYOUT

NAME = "highfive_07.csv"
GOOD = frame_lines(moving(20), ",")
JUMPS = {"rocket_00", "clapfist_01", "wave_04"}


def files() -> dict[str, str]:
    return {
        f"{interaction}_{repetition:02}.csv": frame_lines(moving(20, 2, 100 * label + repetition), ",")
        for label, interaction in enumerate(INTERACTIONS)
        for repetition in range(19)
    }


def test_every_recorded_clip_is_the_manifest_s(shared: Path, tmp_path: Path) -> None:
    rows: Rows = manifest(shared, "nuisi_v1", lambda file: file.removesuffix(".csv"))
    dataset = opened(BENCHMARK, shared / "data/nuisi_v1", tmp_path)
    assert_is_the_manifest(dataset, rows)
    assert int(dataset.lengths.sum()) == 3_297
    assert dataset.track_slot.tolist() == [0, 1] * 114
    assert_parts(BENCHMARK, dataset, "xrep", rows, "split")
    assert shared_frames(dataset) == {}
    far = set()
    for clip, begin, length in zip(dataset.track_clip, dataset.track_offset, dataset.track_length, strict=True):
        joints = np.asarray(dataset.joints[begin : begin + length])
        if np.linalg.norm(np.diff(joints, axis=0), axis=-1).max() > 1:
            far.add(str(dataset.names[clip]))
    assert far == JUMPS


def test_a_whole_source_has_the_authors_split(tmp_path: Path) -> None:
    dataset = opened(BENCHMARK, zipped(tmp_path / "nuisi.zip", files()), tmp_path / "root")
    split = BENCHMARK.split()
    for part, repetitions in (("train", range(15)), ("validation", (12, 13, 14)), ("test", range(15, 19))):
        chosen = split.part(dataset, part)
        assert {int(name[-2:]) for name in dataset.names[chosen].tolist()} == set(repetitions)
        assert len(chosen) == 6 * len(repetitions)
    assert split.warning == "the same two persons are in both parts"


def test_both_persons_of_a_line_are_tracks(tmp_path: Path) -> None:
    (clip,), _ = read(BENCHMARK, tmp_path, {NAME: GOOD, "manifest.csv": "file\n"})
    assert (clip.name, clip.subject, clip.length) == ("highfive_07", 7, 3)
    assert INTERACTIONS[clip.label] == "highfive"
    assert [track.slot for track in clip.tracks] == [0, 1]
    both = np.concatenate([track.joints for track in clip.tracks], axis=1)
    assert np.array_equal(both, moving(20).astype(np.float32))


def test_foreign_names_are_refused(tmp_path: Path) -> None:
    message = refused(BENCHMARK, tmp_path, {"poke_03.csv": GOOD})
    assert "poke_03.csv" in message
    assert "not named like a clip of NuiSI" in message


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    assert_incomplete_is_refused(BENCHMARK, tmp_path, {NAME: GOOD})
    for content, words in (
        ("", "is empty"),
        (GOOD[: GOOD.rindex(",")], "line 3 has 59 numbers, not 60 (2 persons, 10 joints, x y z)"),
        (GOOD.replace(",", " "), "line 1 has 1 numbers, not 60"),
        (GOOD.replace(",", ",x", 1), "line 1, number 2 is no position within 100 m"),
    ):
        message = refused(BENCHMARK, tmp_path / "damaged", {NAME: content})
        assert NAME in message
        assert words in message


def test_layout() -> None:
    assert LAYOUT.parents == (1, 2, 3, -1, 1, 4, 5, 1, 7, 8)
    assert LAYOUT.swaps == ((4, 7), (5, 8), (6, 9))
    assert set(LAYOUT.parts) == {"torso", "left_arm", "right_arm"}
    assert sorted(joint for joints in LAYOUT.parts.values() for joint in joints) == list(range(10))
