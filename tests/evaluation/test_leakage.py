"""The leakage guard: clips of the test part that pretraining saw are counted, whatever they are called, and marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslskel.api.benchmark import Benchmark, Split
from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.prepare import open_benchmark, prepare
from sslskel.data.store.store import StoredDataset, open_dataset, write_dataset
from sslskel.engine.checkpoint import read_meta, resolve
from sslskel.errors import CheckpointError
from sslskel.evaluation.leakage import judged_seen, seen_part
from sslskel.grid.request import GridRequest
from sslskel.grid.run import evaluate, pretrain
from sslskel.leaderboard.folder import board_of
from sslskel.leaderboard.formats import render
from sslskel.plugins.registry import BENCHMARKS
from sslskel.results.record import parse_record

LAYOUT = SkeletonLayout("pair", ("a", "b"), (-1, 0), 0)
XSUB = Split("xsub", "subject", train=frozenset({1}), validation=frozenset())
XVIEW = Split("xview", "camera", train=frozenset({2, 3}), validation=frozenset())


def frames(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=(3, 2, 3)).astype(np.float32)


def made(folder: Path, name: str, clips: Sequence[tuple[str, int, int, Any]], **more: Any) -> tuple[Any, StoredDataset]:
    """A benchmark and its dataset out of (clip name, subject, camera, joints)."""
    info = DatasetInfo(name, 1, LAYOUT, ("sit",), 30.0)
    benchmark = Benchmark(name, 1, "", info, lambda *_: iter(()), {"xsub": XSUB, "xview": XVIEW}, "xsub", "", "")
    write_dataset(
        folder / name,
        info,
        [
            Clip(clip, 0, 3, (Track(0, 0, joints, np.ones(3, np.bool_)),), subject=subject, camera=camera)
            for clip, subject, camera, joints in clips
        ],
    )
    return replace(benchmark, **more), open_dataset(folder / name)


def overlap(trained: tuple[Any, StoredDataset], split: str, judged: tuple[Any, StoredDataset], test: str) -> int:
    [entry] = judged_seen([seen_part(*trained, split, "train")], *judged, test)
    assert set(entry) == {"dataset", "fingerprint", "split", "part", "clips", "overlap", "sha256"}
    return int(entry["overlap"])


def grid(subjects: int, seed: int) -> list[tuple[str, int, int, Any]]:
    """One clip per subject and camera, named as NTU names them; ``seed`` stands for another preparation."""
    return [
        (f"S001C{camera:03}P{subject:03}R001A001", subject, camera, frames(seed + 10 * subject + camera))
        for subject in range(1, subjects + 1)
        for camera in (1, 2, 3)
    ]


def test_recordings_are_known_again_across_benchmarks_that_share_them(tmp_path: Path) -> None:
    sixty = made(tmp_path, "sixty", grid(2, 0), recordings="ntu")
    more = made(tmp_path, "more", grid(4, 1000), recordings="ntu")
    assert overlap(sixty, "xsub", sixty, "xsub") == 0
    assert overlap(sixty, "xview", sixty, "xview") == 0
    assert overlap(sixty, "xsub", sixty, "xview") == 1  # subject 1, camera 1
    assert overlap(sixty, "xview", more, "xsub") == 2  # subject 2, cameras 2 and 3
    assert overlap(more, "xview", sixty, "xsub") == 2
    assert overlap(sixty, "xsub", more, "xsub") == 0
    apart = made(tmp_path, "apart", grid(4, 1000))
    assert overlap(sixty, "xview", apart, "xsub") == 0


def test_copies_are_known_again_under_any_name(tmp_path: Path) -> None:
    ours = made(tmp_path, "ours", [("a", 1, 1, frames(1)), ("b", 2, 1, frames(2)), ("still", 1, 1, 0 * frames(1))])
    others = [("x", 2, 1, frames(1)), ("y", 2, 1, frames(3)), ("still", 2, 1, 0 * frames(1)), ("z", 1, 1, frames(9))]
    theirs = made(tmp_path, "theirs", others)
    assert overlap(ours, "xsub", theirs, "xsub") == 1
    other = made(tmp_path, "other", [(*clip[:3], 1.1 * clip[3] ** 3) for clip in others])
    assert overlap(ours, "xsub", other, "xsub") == 0


TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0].astype(np.float32)
CHANGES: dict[str, Callable[[Any], Any]] = {
    "millimetres": lambda joints: joints * np.float32(1000),
    "inches": lambda joints: joints / np.float32(0.0254),
    "whole millimetres": lambda joints: np.round(joints * 1000),
    "three decimals": lambda joints: np.round(joints, 3),
    "half precision": lambda joints: joints.astype(np.float16).astype(np.float32),
    "moved and turned": lambda joints: joints @ TURN + np.float32(2),
    "mirrored": lambda joints: joints * np.float32([-1, 1, 1]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_copies_are_known_again_in_other_units_and_places_and_rounded(change: str, tmp_path: Path) -> None:
    """Both ways: what was trained on may be the copy. Clips of a person at 3 m, who waves differently each time."""
    clips = [(f"c{number}", 1 + number % 2, 1, waving(number)) for number in range(40)]
    changed = [(f"d{number}", subject, camera, CHANGES[change](joints)) for number, subject, camera, joints in
               ((n, 3 - c[1], c[2], c[3]) for n, c in enumerate(clips))]  # fmt: skip
    ours, theirs = made(tmp_path, "ours", clips), made(tmp_path, "theirs", changed)
    assert overlap(ours, "xsub", theirs, "xsub") == 20
    assert overlap(theirs, "xsub", ours, "xsub") == 20
    assert overlap(ours, "xsub", ours, "xsub") == 0


def waving(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Two joints, three frames, in metres."""
    random = np.random.default_rng(seed)
    return (np.array([0, 0, 3]) + 0.4 * random.normal(size=(3, 2, 3))).astype(np.float32)


def test_checkpoints_from_before_movements_still_tell_copies(tmp_path: Path) -> None:
    ours = made(tmp_path, "ours", [("a", 1, 1, frames(1)), ("b", 2, 1, frames(2))])
    rounded = made(tmp_path, "rounded", [("x", 2, 1, np.round(frames(1), 3)), ("y", 1, 1, frames(5))])
    copied = made(tmp_path, "copied", [("x", 2, 1, frames(1)), ("y", 1, 1, frames(5))])
    seen = seen_part(*ours, "xsub", "train")
    del seen["movements"]
    assert [judged_seen([seen], *theirs, "xsub")[0]["overlap"] for theirs in (rounded, copied)] == [0, 1]


def test_the_list_of_clips_has_a_digest_of_its_own(tmp_path: Path) -> None:
    one, other = made(tmp_path, "one", grid(2, 0)), made(tmp_path, "other", grid(3, 0), recordings="one")
    digests = [judged_seen([seen_part(*b, s, "train")], *one, "xsub")[0]["sha256"] for b, s in
               ((one, "xsub"), (other, "xsub"), (one, "xview"))]  # fmt: skip
    assert digests[0] == digests[1] != digests[2]


def test_what_is_not_known_is_left_open_and_what_is_damaged_refused(tmp_path: Path) -> None:
    one = made(tmp_path, "one", grid(2, 0))
    old = {name: value for name, value in seen_part(*one, "xsub", "train").items() if name not in
           ("recordings", "frames", "movements")}  # fmt: skip
    assert judged_seen([old], *one, "xsub") == (old,)
    assert judged_seen([], *one, "xsub") == ()
    new = seen_part(*one, "xview", "train")
    assert [entry.get("overlap") for entry in judged_seen([old, new], *one, "xsub")] == [None, 2]
    for damaged in ("!", "AAAA", 7, None):
        with pytest.raises(CheckpointError, match="list of clips of 'one' is damaged"):
            judged_seen([new | {"frames": damaged}], *one, "xsub")


def test_ntu_120_is_known_to_contain_ntu_60(shared: Path, tmp_path: Path) -> None:
    """On recorded files in the true format: each edition's split divides the same recordings otherwise."""
    raw = sorted((shared / "ntu_golden/raw/ntu/nturgb+d_skeletons").iterdir())[:24]
    (tmp_path / "raw").mkdir()
    for file in raw:
        (tmp_path / "raw" / file.name).symlink_to(file)
    sixty, more, clean = (
        (benchmark, open_benchmark(benchmark, prepare(benchmark, [tmp_path / "raw"], tmp_path, workers=1).parent))
        for benchmark in map(BENCHMARKS.get, ("ntu60", "ntu120", "ntu60_clean"))
    )

    def names(made: tuple[Any, StoredDataset], split: str, part: str) -> set[str]:
        return set(made[1].names[made[0].split(split).part(made[1], part)])

    for trained, split, judged, test in (
        (more, "xset", sixty, "xsub"),
        (more, "xset", sixty, "xview"),
        (sixty, "xview", more, "xset"),
        (clean, "xview", more, "xset"),
        (clean, "xsub", sixty, "xsub"),
    ):
        shares = names(trained, split, "train") & names(judged, test, "test")
        assert overlap(trained, split, judged, test) == len(shares)
        assert bool(shares) == (split != "xsub")


def test_a_board_marks_what_an_encoder_of_a_contained_benchmark_saw(tiny: str, tmp_path: Path) -> None:
    """The whole way: pretrain on ``tiny``, judge on it and on ``tiny_more``, whose test part holds clips of it."""
    folder, _ = pretrain(
        GridRequest(
            methods=("mamp",), benchmarks=(tiny,), preset="tiny", output=tmp_path, overrides=("train.epochs=1",)
        )
    )
    [seen] = read_meta(resolve(folder))["seen"]
    assert (seen["clips"], len(seen["recordings"])) == (18, 192)
    own, contained = (evaluate(folder, "knn", benchmark=name, output=tmp_path) for name in (tiny, "tiny_more"))
    assert [own.seen[0]["overlap"], contained.seen[0]["overlap"]] == [0, 9]
    assert parse_record(contained.to_json()) == contained
    board = board_of(tmp_path)
    assert [column.benchmark for column in board.columns] == [tiny, "tiny_more"]
    cells = [[cell for row in board.rows if (cell := row.cells[column])] for column in (0, 1)]
    assert [[cell.leak for cell in row_cells] for row_cells in cells] == [[False], [True]]
    [warning] = [text for text in board.warnings if "†" in text]
    assert warning.startswith("tiny_more/xsub knn")
    assert "(9 of 18 test clips)" in warning
    assert "†" in render(board, "markdown")
