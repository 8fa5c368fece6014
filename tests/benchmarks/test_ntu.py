"""NTU RGB+D 60 and 120: golden equality of recipe ``ctrgcn``, splits, counts and names of files."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ntu_tables import table
from recorded import Recorded

from sslskel.benchmarks.common.ntu import CLASSES, NTU60, NTU120, RECIPES
from sslskel.benchmarks.common.ntu.importing import Place, missing_names
from sslskel.data.card import import_lines
from sslskel.data.motion.skeleton_file import read_skeleton
from sslskel.data.prepare import open_benchmark, prepare
from sslskel.data.store.store import StoredDataset, open_dataset
from sslskel.errors import DataError
from sslskel.plugins.registry import BENCHMARKS

EDITIONS = {"ntu60": "ntu60", "ntu120_copied": "ntu120"}
"""Benchmark -> prefix of its golden files."""


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "ntu_golden"


@pytest.fixture(scope="module")
def prepared(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredDataset]:
    root = tmp_path_factory.mktemp("ntu")
    datasets = {}
    for name in (*EDITIONS, "ntu120"):
        prepare(BENCHMARKS.get(name), [golden / "raw/ntu"], root, workers=1)
        datasets[name] = open_benchmark(BENCHMARKS.get(name), root)
    return datasets


def dense(dataset: StoredDataset, clip: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(frames, 150), as the released code lays it out."""
    rows = np.zeros((int(dataset.lengths[clip]), 2, 75), np.float32)
    for track in np.flatnonzero(dataset.track_clip == clip):
        begin, length, offset = (
            int(field[track]) for field in (dataset.track_begin, dataset.track_length, dataset.track_offset)
        )
        slot = int(dataset.track_slot[track])
        rows[begin : begin + length, slot] = dataset.joints[offset : offset + length].reshape(-1, 75)
    return rows.reshape(-1, 150)


@pytest.mark.parametrize("name", EDITIONS)
def test_every_clip_is_the_released_one(golden: Path, prepared: dict[str, StoredDataset], name: str) -> None:
    dataset, index = prepared[name], table(golden, f"{EDITIONS[name]}_index.csv")
    expected = Recorded(golden / "expected" / f"{EDITIONS[name]}_translated.npz")
    before = Recorded(golden / "expected" / f"{EDITIONS[name]}_denoised.npz")
    row_of = {clip: row for row, clip in enumerate(dataset.names.tolist())}
    assert len(index) >= 31
    for entry in index:
        row = row_of[entry["name"]]
        assert np.array_equal(dense(dataset, row), expected[entry["name"]]), entry
        # The last step moves a clip as a whole; missing actors stay zeros.
        still = before[entry["name"]][:, :75]
        present = still.sum(1) != 0
        shift = (dense(dataset, row)[:, :75] - still)[present].reshape(-1, 3)
        assert np.ptp(shift, axis=0).max() < 1e-5, entry
        fields = (dataset.labels, dataset.subjects, dataset.cameras, dataset.setups)
        known = [int(entry[field]) for field in ("label", "subject", "camera", "setup")]
        assert [int(field[row]) for field in fields] == known
    if name == "ntu60":
        assert sorted(row_of) == sorted(entry["name"] for entry in index)


@pytest.mark.parametrize(("name", "other"), [("ntu60", "xview"), ("ntu120_copied", "xset")])
def test_splits_are_the_released_ones(golden: Path, prepared: dict[str, StoredDataset], name: str, other: str) -> None:
    dataset, index = prepared[name], table(golden, f"{EDITIONS[name]}_index.csv")
    for split in ("xsub", other):
        parts = {
            part: set(dataset.names[BENCHMARKS.get(name).split(split).part(dataset, part)].tolist())
            for part in ("train", "test")
        }
        assert not parts["train"] & parts["test"]
        for entry in index:
            assert entry["name"] in parts[entry[split]]


def test_what_became_of_bodies_and_frames_is_counted(golden: Path, prepared: dict[str, StoredDataset]) -> None:
    fates = Counter(entry["fate"] for entry in table(golden, "ntu60_bodies.csv"))
    index = table(golden, "ntu60_index.csv")
    report = prepared["ntu60"].report()
    assert report["tally"] == {
        "bodies deleted, shorter than 12 frames": fates["deleted_length"],
        "bodies deleted, too wide": fates["deleted_spread"],
        "bodies discarded, overlapping two actors": fates["discarded_overlap"],
        "frames without a body, removed": sum(int(row["raw_frames"]) - int(row["valid_frames"]) for row in index),
        "frames whose bodies were deleted, removed": sum(
            int(row["valid_frames"]) - int(row["out_frames"]) for row in index
        ),
        "files with lines behind their last frame, which are not read": 1,
    }
    excluded = {row["name"] for row in table(golden, "ntu_excluded.csv")}
    assert set(report["dropped"]) == {name for name in excluded if int(name[1:4]) <= 17}
    lines = import_lines(report)
    assert lines[0] == "77 clips kept, 2 left out, 0 files damaged"
    assert any("found 77 clips, expected 56578" in line for line in lines)


def test_single_persons_are_copied_only_where_asked(prepared: dict[str, StoredDataset]) -> None:
    plain, copied = prepared["ntu120"], prepared["ntu120_copied"]
    assert plain.info.recipe == "ctrgcn"
    assert copied.info.recipe == "ctrgcn-copied"
    assert len(plain) == len(copied)
    singles = 0
    for clip in range(len(plain)):
        one, two = dense(plain, clip), dense(copied, clip)
        if not np.array_equal(one, two):
            singles += 1
            assert not one[:, 75:].any()
            assert np.array_equal(one[:, :75], two[:, 75:])
    assert singles > 10


def test_the_published_list_gives_the_published_counts() -> None:
    missing = missing_names()
    first = {name for name in missing if int(name[1:4]) <= 17}
    assert (len(missing), len(first)) == (535, 302)
    counts = BENCHMARKS.get("ntu60").expected
    xsub, xview = (BENCHMARKS.get("ntu60").split(split) for split in ("xsub", "xview"))
    # 56,880 recordings: 40,320 of training subjects, 18,960 of each camera.
    assert counts["clips"] == 56_880 - len(first)
    assert counts["xsub/train"] == 40_320 - sum(int(name[9:12]) in xsub.train for name in first)
    assert counts["xview/test"] == 18_960 - sum(int(name[5:8]) not in xview.train for name in first)
    for name in ("ntu60", "ntu120"):
        benchmark = BENCHMARKS.get(name)
        for split in benchmark.splits:
            both = benchmark.expected[f"{split}/train"] + benchmark.expected[f"{split}/test"]
            assert both == benchmark.expected["clips"]
            assert benchmark.splits[split].validation <= benchmark.splits["xsub"].train
    assert len(BENCHMARKS.get("ntu120").split("xsub").train) == 53
    assert len(set(CLASSES)) == 120


def test_names_say_which_edition_a_file_belongs_to() -> None:
    assert Place(17, 3, 40, 2, 60).fits(NTU60)
    assert not Place(18, 1, 1, 1, 61).fits(NTU60)
    assert Place(32, 3, 106, 2, 120).fits(NTU120)
    assert not Place(1, 4, 1, 1, 1).fits(NTU120)
    assert not Place(0, 1, 1, 1, 1).fits(NTU120)


def test_zips_give_what_folders_give(golden: Path, prepared: dict[str, StoredDataset], tmp_path: Path) -> None:
    zips = []
    for folder in sorted((golden / "raw/ntu").iterdir()):
        zips.append(tmp_path / f"{folder.name}.zip")
        with zipfile.ZipFile(zips[-1], "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in folder.iterdir():
                archive.write(file, f"{folder.name}/{file.name}")
    packed = open_dataset(prepare(BENCHMARKS.get("ntu120"), zips, tmp_path / "data", workers=1))
    assert packed.fingerprint == prepared["ntu120"].fingerprint
    assert set(packed.info.source) == {file.name for file in zips}


def test_all_bodies_short_has_a_rule_in_recipe_clean(golden: Path) -> None:
    name = "S017C002P015R001A033.skeleton"
    recording = read_skeleton((golden / "malformed/ntu" / name).read_bytes(), name)
    with pytest.raises(DataError, match="recipe clean keeps the longest"):
        RECIPES["ctrgcn"](recording, name)
    assert RECIPES["clean"](recording, name).valid.sum() == 9
