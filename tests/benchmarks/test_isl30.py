"""ISL-30: every clip against the manifest, both forms of names, the three splits, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
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

from sslskel.benchmarks.isl30 import BENCHMARK, LAYOUT, SIGNS
from sslskel.data.card import card
from sslskel.data.store.store import StoredDataset

FIRST_NAMES = ("ann", "Bob", "cid", "dan", "eve", "fay", "gus", "hal", "ivy", "joe")
GOOD = frame_lines(moving(20))


def files(
    signs: Iterable[str] = SIGNS, repetitions: Iterable[int] = range(1, 10), own_names: bool = False
) -> dict[str, str]:
    """Clips of all signers: as copies name them, or as the authors do."""
    made = {}
    for sign in signs:
        for signer, name in enumerate(FIRST_NAMES, start=1):
            for repetition in repetitions:
                content = frame_lines(moving(20, 2, seed=10 * signer + repetition))
                lines = "_" if name != "cid" else "__"
                plain = f"{sign}_s{signer:02}_r{repetition}.txt"
                made[f"{sign}{lines}{name}_{repetition}.txt" if own_names else plain] = content
    return made


@pytest.fixture(scope="module")
def rows(shared: Path) -> Rows:
    return manifest(shared, "isl30_kinect", lambda file: file.removesuffix(".txt"))


@pytest.fixture(scope="module")
def recorded(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> StoredDataset:
    return opened(BENCHMARK, shared / "data/isl30_kinect/isl30_kinect.raw.tar.xz", tmp_path_factory.mktemp("isl30"))


@pytest.mark.long
def test_every_recorded_clip_is_the_manifest_s(recorded: StoredDataset, rows: Rows) -> None:
    assert_is_the_manifest(recorded, rows)
    assert len(recorded) == 2700
    assert int(recorded.lengths.sum()) == 201_054
    views = ("v00", "v45", "v60")
    for clip, name in enumerate(recorded.names.tolist()):
        assert recorded.subjects[clip] == int(rows[name]["subject"])
        assert views[recorded.cameras[clip] - 1] == rows[name]["view"]
    for split in ("xsub", "xview"):
        assert_parts(BENCHMARK, recorded, split, rows, split)


@pytest.mark.long
def test_the_near_duplicate_is_on_one_side_of_every_split(recorded: StoredDataset) -> None:
    names = recorded.names.tolist()
    one, two = names.index("bye_s05_r7"), names.index("bye_s05_r9")
    assert shared_frames(recorded) == {("bye_s05_r7", "bye_s05_r9"): 83}
    for split in BENCHMARK.splits.values():
        for part in split.masks(recorded):
            assert part[one] == part[two]


@pytest.mark.long
def test_a_whole_source_has_the_stated_splits(tmp_path: Path) -> None:
    dataset = opened(BENCHMARK, zipped(tmp_path / "isl30.zip", files()), tmp_path / "root")
    split = BENCHMARK.split()
    assert split.name == "xsub_xview"
    parts = {part: split.part(dataset, part) for part in ("train", "test", "validation", "fit")}
    assert {part: len(rows) for part, rows in parts.items()} == {
        "train": 900,
        "test": 450,
        "validation": 180,
        "fit": 720,
    }
    assert set(dataset.subjects[parts["train"]].tolist()) == {1, 3, 5, 7, 9}
    assert set(dataset.cameras[parts["train"]].tolist()) == {1, 2}
    assert set(dataset.subjects[parts["test"]].tolist()) == {2, 4, 6, 8, 10}
    assert set(dataset.cameras[parts["test"]].tolist()) == {3}
    assert set(dataset.subjects[parts["validation"]].tolist()) == {9}
    repetitions = [int(name[-1]) for name in dataset.names]
    assert dataset.cameras.tolist() == [1 + (repetition > 3) + (repetition > 6) for repetition in repetitions]
    chosen = BENCHMARK.split("xsub_xview-validation")
    assert [len(chosen.part(dataset, part)) for part in ("train", "test")] == [720, 180]
    assert "| subject 1, 3, 5, 7, 9 and camera 1, 2 |" in card(BENCHMARK, dataset)
    assert set(dataset.subjects[BENCHMARK.split("loso4").part(dataset, "test")].tolist()) == {4}


def test_the_authors_names_give_the_same_clips(tmp_path: Path) -> None:
    signs, repetitions = ("wind", "baby"), (1, 9)
    clips, _ = read(BENCHMARK, tmp_path / "copies", files(signs, repetitions))
    others, _ = read(BENCHMARK, tmp_path / "authors", files(signs, repetitions, own_names=True))
    assert [clip.name for clip in clips[:3]] == ["baby_s01_r1", "baby_s01_r9", "baby_s02_r1"]
    assert len(clips) == len(others) == 40
    for clip, other in zip(clips, others, strict=True):
        assert replace(clip, tracks=()) == replace(other, tracks=())
        assert np.array_equal(clip.tracks[0].joints, other.tracks[0].joints)


def test_positions_are_rounded_to_a_tenth_of_a_millimetre(tmp_path: Path) -> None:
    exact = " ".join(["0.12344", "-1.00006", "2.5"] * 20)
    (clip,), _ = read(BENCHMARK, tmp_path, {"go_s02_r4.txt": exact})
    assert (clip.label, clip.subject, clip.camera, clip.length) == (SIGNS.index("go"), 2, 2, 1)
    assert clip.tracks[0].joints[0, 7].tolist() == np.float32([0.1234, -1.0001, 2.5]).tolist()


@pytest.mark.parametrize(
    "name", ["tea_s01_r1.txt", "go_s11_r1.txt", "go_s01_r0.txt", "go_s01_r10.txt", "README.txt", "go_1.txt"]
)
def test_foreign_names_are_refused(name: str, tmp_path: Path) -> None:
    message = refused(BENCHMARK, tmp_path, {name: GOOD})
    assert name in message
    assert "not named like a clip of ISL-30" in message


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    assert_incomplete_is_refused(BENCHMARK, tmp_path, files(("go",), (1, 2)))
    assert "line 3 has 59 numbers, not 60 (20 joints, x y z)" in refused(
        BENCHMARK, tmp_path / "short", {"go_s01_r1.txt": GOOD[: GOOD.rstrip().rindex(" ")]}
    )
    assert "go_s01_r1.txt" in refused(BENCHMARK, tmp_path / "empty", {"go_s01_r1.txt": ""})
    few = {f"go_{name}_1.txt": GOOD for name in FIRST_NAMES[:9]}
    assert "of 9 signers (ann, bob" in refused(BENCHMARK, tmp_path / "few", few)
    mixed = {**few, "go_s01_r1.txt": GOOD}
    assert "of 10 signers" in refused(BENCHMARK, tmp_path / "mixed", mixed)


def test_layout_and_classes() -> None:
    assert LAYOUT.parents == (1, 10, 1, 1, 2, 3, 4, 5, 6, 7, 11, -1, 11, 11, 12, 13, 14, 15, 16, 17)
    assert LAYOUT.swaps == tuple((left, left + 1) for left in (2, 4, 6, 8, 12, 14, 16, 18))
    assert sorted(joint for part in LAYOUT.parts.values() for joint in part) == list(range(20))
    assert LAYOUT.joints[LAYOUT.centre] == "spine_base"
    assert len(set(SIGNS)) == 30
