"""How much work a board of many records is: in calls and opened files, which no other load of the machine changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from board_records import made

from sslskel.leaderboard.build import build_board
from sslskel.results.record import Record
from sslskel.results.store import ResultStore


def of_seeds(count: int) -> list[Record]:
    """Of two methods that were trained on a split that holds some of the test clips."""
    [seen] = made().seen
    leaks = [{**seen, "split": "elsewhere"}]
    return [made(name, seed / 1000, seed, seen=leaks) for name in ("mamp", "skeletonmae") for seed in range(count)]


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


def test_a_record_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ResultStore(tmp_path)
    (tmp_path / "records").mkdir()
    for record in of_seeds(3):
        store.path(record.identity).write_text(record.to_json(), encoding="utf-8")
    opened, system = [], os.open
    monkeypatch.setattr(os, "open", lambda path, *more: opened.append(path) or system(path, *more))
    records, problems = store.read_all()
    assert (len(records), problems) == (6, [])
    assert sorted(map(os.fspath, opened)) == sorted(os.fspath(store.path(record.identity)) for record in records)
