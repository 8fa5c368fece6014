"""A board warns where test clips hold frames of training clips, and a split without them has a column of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sslskel import bench
from sslskel.data.own.importing import import_dataset
from sslskel.leaderboard.folder import board_of
from sslskel.results.merge import merge
from sslskel.results.store import ResultStore

LAYOUT = "joints: {hip: null, neck: hip, left_hand: neck, right_hand: neck, head: neck}\nfps: 30\n"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Sixteen clips of four subjects; two of the test part are rounded clips of the training part."""
    monkeypatch.setenv("SSLSKEL_DATA", str(tmp_path / "data"))
    random, lines = np.random.default_rng(0), ["file,label,subject"]
    clips = [3 + 0.1 * random.normal(size=(24, 5, 3)).cumsum(0) for _ in range(16)]
    clips[1], clips[7] = np.round(clips[0], 3), np.round(clips[6], 3)
    for number, clip in enumerate(clips):
        np.save(tmp_path / f"c{number}.npy", clip)
        lines.append(f"c{number}.npy,{'ab'[number // 8]},{1 + number % 4}")
    (tmp_path / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "layout.yaml").write_text(LAYOUT, encoding="utf-8")
    import_dataset("mine", clips=tmp_path / "clips.csv", layout=tmp_path / "layout.yaml")
    return "mine"


def test_records_count_copies_and_boards_warn_of_them(mine: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for split in ("xsub", "xsub-clean"):
        assert not bench(["raw_features"], ["knn"], [mine], split=split, output=runs).failures
    records = {record.benchmark["split"]: record for record in ResultStore(runs).read_all()[0]}
    assert {split: record.copied_test_clips for split, record in records.items()} == {"xsub": 2, "xsub-clean": None}
    assert {split: record.counts["test"] for split, record in records.items()} == {"xsub": 8, "xsub-clean": 6}
    board = board_of(runs)
    assert [column.split for column in board.columns] == ["xsub", "xsub-clean"]
    [warning] = [text for text in board.warnings if "hold frames" in text]
    assert warning == (
        "mine/xsub: 2 of 8 test clips hold frames of training clips, so that scores are too high; --split xsub-clean"
        " leaves them out"
    )


def test_records_from_before_the_search_do_not_contradict_others(mine: str, tmp_path: Path) -> None:
    bench(["raw_features"], ["knn"], [mine], output=tmp_path / "new")
    [path] = (tmp_path / "new" / "records").iterdir()
    text = path.read_text(encoding="utf-8")
    assert ' "copied_test_clips": 2,\n' in text
    (tmp_path / "old" / "records").mkdir(parents=True)
    (tmp_path / "old" / "records" / path.name).write_text(text.replace(' "copied_test_clips": 2,\n', ""), "utf-8")
    joined = merge([tmp_path / "new", tmp_path / "old"], tmp_path / "all")
    assert joined.added == 1
    assert joined.conflicts == ()
