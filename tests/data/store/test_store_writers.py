"""Writing a dataset ends whole or not at all: bad clips, full disks, leftovers, and several writers at once."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_clips import clip, described, track

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip, Track
from sslskel.data.store import store
from sslskel.data.store.store import open_dataset, verify_dataset, write_dataset
from sslskel.errors import DataError, RunError


def spoiled(value: float, frame: int = 2, joint: int = 1) -> Track:
    made = track(1, 1, 3)
    made.joints[frame, joint, 0] = value
    return made


BAD_CLIPS = {
    "NaN": (clip("bad", spoiled(float("nan"))), r"clip 'bad', person 1 .*nan in frame 3, joint 'j1'"),
    "infinite": (clip("bad", spoiled(float("inf"), 0, 2)), r"clip 'bad'.* inf in frame 1, joint 'j2'"),
    "no frames": (clip("bad", length=0), "'bad' has no frames"),
    "negative length": (clip("bad", length=-1), "'bad' has no frames"),
    "huge length": (clip("bad", length=1 << 63), "'bad' has length"),
    "label": (clip("bad", label=2), "'bad' has label 2"),
    "label below": (clip("bad", label=-2), "'bad' has label=-2"),
    "label type": (clip("bad", label=0.5), "'bad' has label=0.5"),  # type: ignore[arg-type]
    "label bool": (clip("bad", label=True), "'bad' has label=True"),
    "twice": (clip("a"), "'a' occurs twice"),
    "no name": (clip(""), "named ''"),
    "zero byte": (clip("a\0b"), "named"),
    "line break": (clip("a\nb"), "named"),
    "lone surrogate": (clip("a\ud800"), "named"),
    "slot": (clip("bad", track(2)), "'bad', person 2"),
    "slot below": (clip("bad", track(-1)), "'bad', person -1"),
    "slot twice": (clip("bad", track(0), track(0)), "'bad' has two tracks"),
    "interval": (clip("bad", track(0, 1, 4)), "'bad', person 0 is seen in frames 1 to 4"),
    "begin": (clip("bad", track(0, -1, 4)), "'bad', person 0 is seen in frames -1"),
    "joints": (clip("bad", track(joints=4)), r"'bad', person 0 has joints of shape \(4, 4, 3\)"),
    "coordinates": (clip("bad", track(coordinates=2)), r"'bad', person 0 has joints of shape \(4, 3, 2\)"),
    "flat": (clip("bad", Track(0, 0, np.zeros((4, 9), np.float32), np.ones(4, np.bool_))), r"shape \(4, 9\)"),
    "list": (clip("bad", Track(0, 0, [[[0.0]]], np.ones(1, np.bool_))), "shape list"),  # type: ignore[arg-type]
    "dtype": (clip("bad", Track(0, 0, np.zeros((4, 3, 3), np.int64), np.ones(4, np.bool_))), "type int64"),  # type: ignore[arg-type]
    "objects": (clip("bad", Track(0, 0, np.zeros((4, 3, 3), object), np.ones(4, np.bool_))), "type object"),
    "valid": (clip("bad", Track(0, 0, track().joints, np.ones(3, np.bool_))), "valid flags"),
    "valid type": (clip("bad", Track(0, 0, track().joints, np.ones(4))), "valid flags of type float64"),  # type: ignore[arg-type]
    "never seen": (clip("bad", Track(0, 0, track().joints, np.zeros(4, np.bool_))), "seen in no frame"),
    "empty track": (clip("bad", track(frames=0)), "seen in no frame"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "message"), BAD_CLIPS.values(), ids=BAD_CLIPS)
def test_a_bad_clip_is_named_and_leaves_nothing(tmp_path: Path, bad: Clip, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_dataset(tmp_path / "toy", described(), [clip("a"), bad])
    assert list(tmp_path.iterdir()) == []


def test_a_value_beyond_float16_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"70000\.0 in frame 3, joint 'j1'; it does not fit float16"):
        write_dataset(tmp_path / "toy", described(), [clip("bad", spoiled(7e4))], float16=True)


@pytest.mark.parametrize(
    "change",
    [{"name": "../up"}, {"name": ""}, {"recipe": "a/b"}, {"fps": 0.0}, {"fps": float("nan")},
     {"coordinates": 4}, {"persons": 0}, {"classes": ("a", "a")}],
)  # fmt: skip
def test_a_senseless_description_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="described"):
        write_dataset(tmp_path / "toy", replace(described(), **change), [clip()])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("clips", [[], [Clip("a", 0, 3, ())]])
def test_an_empty_dataset_is_refused(tmp_path: Path, clips: list[Clip]) -> None:
    with pytest.raises(DataError, match="would be empty"):
        write_dataset(tmp_path / "toy", described(), clips)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_source_leaves_nothing(tmp_path: Path) -> None:
    for fault in (OSError("source"), KeyboardInterrupt()):

        def broken(fault: BaseException = fault) -> Any:
            yield clip()
            raise fault

        with pytest.raises(type(fault)):
            write_dataset(tmp_path / "toy", described(), broken())
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["store.write_array", "store.write_json", "grow.finish"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int) -> None:
    def full(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"sslskel.data.store.{where}", full)
    with pytest.raises(RunError, match=r"no space left for dataset 'toy'.*SSLSKEL_DATA"):
        write_dataset(tmp_path / "toy", described(), [clip()])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_rows_that_hit_a_full_disk_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if self.name == "joints.npy" and "w" in mode:
            return open("/dev/full", mode)
        return opened(self, mode, *args, **options)

    monkeypatch.setattr(Path, "open", full)
    many = (clip(f"c{i}", track(frames=400), length=400) for i in range(9))
    with pytest.raises(RunError, match="no space left"):
        write_dataset(tmp_path / "toy", described(), many)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="cannot be written"):
        write_dataset(tmp_path / "file" / "toy", described(), [clip()])


def test_a_failing_check_leaves_nothing_and_notes_are_kept(tmp_path: Path) -> None:
    def refuse(dataset: store.StoredDataset, report: ImportReport) -> None:
        raise DataError(f"{len(dataset)} clips")

    with pytest.raises(DataError, match="1 clips"):
        write_dataset(tmp_path / "toy", described(), [clip()], check=refuse)
    assert list(tmp_path.iterdir()) == []
    write_dataset(tmp_path / "toy", described(), [clip()], check=lambda dataset, report: report.notes.append("seen"))
    verify_dataset(tmp_path / "toy")
    assert open_dataset(tmp_path / "toy").report()["notes"] == ["seen"]


def test_writing_twice_keeps_the_first_and_replaces_another(tmp_path: Path) -> None:
    target = tmp_path / "toy"
    first = write_dataset(target, described(), [clip()])
    before = (target / "joints.npy").stat().st_ino
    assert write_dataset(target, described(), [clip()]) == first
    assert (target / "joints.npy").stat().st_ino == before
    held = open_dataset(target)
    second = write_dataset(target, described(), [clip("b")])
    assert second != first
    assert open_dataset(target).fingerprint == second
    assert np.array_equal(held.joints, track().joints)
    with (target / "joints.npy").open("r+b") as file:
        file.seek(200)
        file.write(b"\xa5\x5a\xa5")
    assert write_dataset(target, described(), [clip("b")]) == second
    verify_dataset(target)
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def test_a_foreign_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "thesis.tex").write_text("precious")
    with pytest.raises(DataError, match="move it away"):
        write_dataset(tmp_path / "toy", described(), [clip()])
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="move it away"):
        write_dataset(tmp_path / "file", described(), [clip()])
    assert (tmp_path / "toy" / "thesis.tex").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "toy"]


def test_leftovers_of_a_killed_writer_go_after_a_day(tmp_path: Path) -> None:
    old, young = tmp_path / ".toy.tmp-1-aa", tmp_path / ".toy.tmp-2-bb"
    for left in (old, young):
        left.mkdir()
        (left / "joints.npy").write_bytes(b"x")
    for path in (old / "joints.npy", old):
        os.utime(path, (time.time() - 2e5,) * 2)
    write_dataset(tmp_path / "toy", described(), [clip()])
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, "toy"]


def test_the_age_of_leftovers_is_of_the_file_systems_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".toy.tmp-1-aa").mkdir()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2e5)
    write_dataset(tmp_path / "toy", described(), [clip()])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".toy.tmp-1-aa", "toy"]


def _write(target: Path, seed: int, results: Any) -> None:
    clips = [clip(f"c{i}", track(seed=seed + i)) for i in range(30)]
    results.put(write_dataset(target, described(), clips))


@pytest.mark.parametrize("different", [False, True])
def test_two_writers_at_once(tmp_path: Path, different: bool) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(3):
        target, results = tmp_path / str(attempt) / "toy", context.Queue()
        writers = [context.Process(target=_write, args=(target, i * different, results)) for i in range(4)]
        for writer in writers:
            writer.start()
        digests = {results.get(timeout=60) for _ in writers}
        for writer in writers:
            writer.join(60)
            assert writer.exitcode == 0
        verify_dataset(target)
        assert open_dataset(target).fingerprint in digests
        assert len(digests) == (4 if different else 1)
        assert [path.name for path in target.parent.iterdir()] == ["toy"]


@pytest.mark.long
def test_writing_streams(tmp_path: Path) -> None:
    """Clips are taken one at a time: no earlier clip is still held when the next is asked for."""
    alive: list[weakref.ref[Any]] = []

    def stream() -> Any:
        for number in range(20):
            gc.collect()
            assert sum(ref() is not None for ref in alive) <= 2
            joints = np.zeros((4, 3, 3), np.float32)
            alive.append(weakref.ref(joints))
            yield Clip(f"c{number}", 0, 4, (Track(0, 0, joints, np.ones(4, np.bool_)),))
            del joints

    write_dataset(tmp_path / "toy", described(), stream())


def test_an_equal_writer_that_was_faster_is_not_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens the faster one's dataset must not find it gone while the slower one replaces it by the same."""
    target = tmp_path / "set"
    write_dataset(target, described(), [clip("a")])
    before = target.stat().st_ino
    look, tries = store.open_dataset, []

    def not_yet(path: Path) -> Any:
        tries.append(path)
        if len(tries) == 1:
            raise DataError("the faster writer is a moment from giving its dataset the name")
        return look(path)

    monkeypatch.setattr(store, "open_dataset", not_yet)
    write_dataset(target, described(), [clip("a")])
    assert len(tries) > 1
    assert target.stat().st_ino == before
