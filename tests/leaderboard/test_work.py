"""How much work a board of many records is: in calls and opened files, which no other load of the machine changes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from board_records import made

from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.folder import board_of
from sslskel.results.record import Record
from sslskel.results.store import ResultStore


def of_seeds(count: int) -> list[Record]:
    """Of two methods that were trained on a split that holds some of the test clips."""
    [seen] = made().seen
    leaks = [{**seen, "split": "elsewhere"}]
    return [made(name, seed / 1000, seed, seen=leaks) for name in ("mamp", "skeletonmae") for seed in range(count)]


def filled(folder: Path, records: list[Record]) -> ResultStore:
    """A results folder of these records."""
    store = ResultStore(folder)
    (folder / "records").mkdir()
    for record in records:
        store.path(record.identity).write_text(record.to_json(), encoding="utf-8")
    return store


def calls(work: Callable[[], object]) -> int:
    """How many functions some work calls; each step of a generator counts."""
    counted = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


def test_twice_the_records_are_twice_the_work() -> None:
    few, many = of_seeds(60), of_seeds(120)
    assert any("pretraining saw clips of the test part" in warning for warning in build_board(few).warnings)
    assert calls(lambda: build_board(many)) < 2.3 * calls(lambda: build_board(few))


def test_records_are_looked_through_for_garbage_once(tmp_path: Path) -> None:
    looked = list[str]()
    filled(tmp_path, of_seeds(40))
    assert gc.isenabled()
    gc.collect()
    gc.callbacks.append(lambda phase, _: looked.append(phase))
    try:
        assert len(board_of(tmp_path).records) == 80
    finally:
        gc.callbacks.pop()
    assert gc.isenabled()
    assert looked in ([], ["start", "stop"]), "when the board is made"


def test_a_record_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(tmp_path, of_seeds(3))
    opened, system = [], os.open
    monkeypatch.setattr(os, "open", lambda path, *more: opened.append(path) or system(path, *more))
    records, problems = store.read_all()
    assert (len(records), problems) == (6, [])
    assert sorted(map(os.fspath, opened)) == sorted(os.fspath(store.path(record.identity)) for record in records)
