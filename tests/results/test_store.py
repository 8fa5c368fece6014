"""The results folder under many writers, kills, damage and a full disk."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from together import PROCESSES, run_together

from sslskel.errors import RunError, UsageError
from sslskel.files import publish
from sslskel.results.record import NewerSchema, Record, RecordError, parse_record
from sslskel.results.store import ResultStore

STORED = parse_record(Path(__file__).with_name("record_v1.json").read_text(encoding="utf-8"))


def record_of(number: int, score: float = 0.5) -> Record:
    return replace(STORED, identity=f"{number:032x}", seed=number, scores={"top1": score}, predictions=None)


def arrays_of(number: int) -> dict[str, Any]:
    return {"keys": np.arange(40) + number, "value_logits": np.full((40, 3), number, np.float32)}


def write_many(barrier: Barrier, writer: int, folder: Path) -> None:
    barrier.wait()
    for number in range(50):
        ResultStore(folder).write(record_of(1000 * writer + number), arrays_of(number))


def write_the_same(barrier: Barrier, writer: int, folder: Path) -> None:
    store = ResultStore(folder)
    for number in range(20):
        barrier.wait()
        kept = store.write(record_of(number, score=writer / 10), arrays_of(writer))
        (folder / f"seen-{writer}-{number}").write_text(repr(kept.scores["top1"]), encoding="utf-8")


def test_a_record_and_its_predictions_come_back(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    assert not store.has(record_of(1).identity)
    kept = store.write(record_of(1), arrays_of(1))
    assert store.has(kept.identity)
    assert store.read(kept.identity) == kept
    assert kept.predictions is not None
    assert kept.predictions["file"].startswith(f"predictions/{kept.identity}")
    back = store.predictions(kept)
    assert sorted(back) == ["keys", "value_logits"]
    assert np.array_equal(back["keys"], np.arange(40) + 1)


@pytest.mark.long
def test_eight_writers_in_one_folder(tmp_path: Path) -> None:
    run_together(write_many, 8, tmp_path)
    store = ResultStore(tmp_path)
    records, problems = store.read_all()
    assert problems == []
    assert len(records) == 400
    assert [record.identity for record in records] == sorted(record.identity for record in records)
    assert all(len(store.predictions(record)) == 2 for record in records)
    assert [path for path in tmp_path.rglob("*") if ".tmp-" in path.name] == []


def test_the_same_identity_by_eight_writers_is_written_once(tmp_path: Path) -> None:
    run_together(write_the_same, 8, tmp_path)
    store = ResultStore(tmp_path)
    records, problems = store.read_all()
    assert problems == []
    assert len(records) == 20
    for number, record in enumerate(records):
        winner = record.scores["top1"]
        assert {(tmp_path / f"seen-{w}-{number}").read_text(encoding="utf-8") for w in range(8)} == {repr(winner)}
        assert np.array_equal(store.predictions(record)["keys"], np.arange(40) + round(10 * winner))
    assert len(list((tmp_path / "predictions").iterdir())) == 20


def test_the_first_writer_wins(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.write(record_of(1, 0.5), arrays_of(1))
    before = store.path(record_of(1).identity).read_bytes()
    assert store.write(record_of(1, 0.9), arrays_of(2)).scores["top1"] == 0.5
    assert store.path(record_of(1).identity).read_bytes() == before
    assert len(list((tmp_path / "predictions").iterdir())) == 1


def test_broken_and_foreign_files_are_named_and_left_out(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    good = store.write(record_of(1))
    text, folder = good.to_json(), tmp_path / "records"
    bad = {
        "0a" * 16 + ".json": text.encode()[:300],
        "0b" * 16 + ".json": b"",
        "0c" * 16 + ".json": b"\xff\xfe\x00",
        "0d" * 16 + ".json": text.encode(),
        "0e" * 16 + ".json": text.replace('"schema": 1', '"schema": 2').replace(good.identity, "0e" * 16).encode(),
        "notes.txt": b"hello",
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    (folder / ("0f" * 16 + ".json")).mkdir()
    (folder / ".half.json.tmp-host-1-2").write_bytes(b"{")
    records, problems = store.read_all()
    assert records == [good]
    assert sorted(path.name for path, _ in problems) == sorted([*bad, "0f" * 16 + ".json"])
    reasons = {path.name: reason for path, reason in problems}
    assert "field 'identity'" in reasons["0d" * 16 + ".json"]
    assert "update" in reasons["0e" * 16 + ".json"]
    assert "not UTF-8" in reasons["0c" * 16 + ".json"]


def test_a_damaged_record_is_due_and_replaced(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.write(record_of(1))
    path = store.path(record_of(1).identity)
    path.write_bytes(path.read_bytes()[:100])
    assert not store.has(record_of(1).identity)
    with pytest.raises(RecordError, match=path.name):
        store.read(record_of(1).identity)
    assert store.write(record_of(1, 0.7)).scores["top1"] == 0.7
    assert store.has(record_of(1).identity)


def test_the_record_of_a_later_version_is_never_replaced(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    path = store.path(store.write(record_of(1)).identity)
    path.write_text(path.read_text(encoding="utf-8").replace('"schema": 1', '"schema": 2'), encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(NewerSchema):
        store.has(record_of(1).identity)
    with pytest.raises(NewerSchema):
        store.write(record_of(1, 0.9))
    assert path.read_bytes() == before


def test_a_missing_record_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no record"):
        ResultStore(tmp_path).read("00" * 16)


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    with pytest.raises(RecordError, match=r"scores\.top1"):
        store.write(record_of(1, 58.1), arrays_of(1))
    with pytest.raises(RecordError, match="value_x hold Python objects"):
        store.write(record_of(1), {"value_x": np.array([{}], dtype=object)})
    assert list(tmp_path.rglob("*.*")) == []


def test_changed_or_missing_predictions_are_noticed(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    kept = store.write(record_of(1), arrays_of(1))
    assert kept.predictions is not None
    file = tmp_path / kept.predictions["file"]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(RecordError, match="sha256 differs"):
        store.predictions(kept)
    file.unlink()
    with pytest.raises(RecordError, match="cannot be read"):
        store.predictions(kept)


def fill_the_disk(folder: Path, limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        ResultStore(folder).write(record_of(1), arrays_of(1))
    except RunError as fault:
        sys.exit(7 if "no space left" in str(fault) else 8)


@pytest.mark.parametrize("limit", [0, 100, 1000])
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, limit: int) -> None:
    worker = PROCESSES.Process(target=fill_the_disk, args=(tmp_path, limit))
    worker.start()
    worker.join(30)
    assert worker.exitcode == 7
    store = ResultStore(tmp_path)
    assert store.read_all() == ([], [])
    assert [path for path in tmp_path.rglob("*") if ".tmp-" in path.name] == []
    kept = store.write(record_of(1), arrays_of(1))
    assert len(store.predictions(kept)) == 2


def test_without_hard_links_the_first_writer_still_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert publish(tmp_path / "a", b"one")
    assert not publish(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_every_failure_is_kept_with_its_cause(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    first = store.fail("ab" * 16, RunError("loss is nan at step 3"), "sslskel bench")
    second = store.fail("ab" * 16, RunError("again"))
    assert (first.name, second.name) == ("ab" * 16 + "-1.json", "ab" * 16 + "-2.json")
    content = json.loads(first.read_text(encoding="utf-8"))
    assert content["error"] == "RunError"
    assert content["message"] == "loss is nan at step 3"
    assert content["command"] == "sslskel bench"
    assert not store.has("ab" * 16)


def fail_together(barrier: Barrier, number: int, folder: Path) -> None:
    barrier.wait()
    ResultStore(folder).fail("ab" * 16, RunError(f"writer {number}"))


def test_failures_of_several_processes_do_not_cover_each_other(tmp_path: Path) -> None:
    run_together(fail_together, 8, tmp_path)
    messages = {json.loads(path.read_text(encoding="utf-8"))["message"] for path in (tmp_path / "failures").iterdir()}
    assert messages == {f"writer {number}" for number in range(8)}
