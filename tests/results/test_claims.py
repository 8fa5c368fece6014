"""Claims of cells: of the living, of killed and reused processes, of other hosts, and of many takers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from recorder import Recorder
from together import run_together

from sslskel.errors import RunError
from sslskel.grid.claim import claimed
from sslskel.results import claims
from sslskel.results.store import ResultStore


def test_a_claim_holds_until_it_is_given_back(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    claim = store.claim("ab" * 16)
    assert claim is not None
    with claim:
        assert store.claim("ab" * 16) is None
        other = store.claim("cd" * 16)
        assert other is not None
        with other:
            pass
    again = store.claim("ab" * 16)
    assert again is not None
    with again:
        pass
    assert list((tmp_path / "claims").glob("*.json")) == []


def test_a_claim_is_given_back_after_an_error(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    claim = store.claim("ab" * 16)
    assert claim is not None
    with pytest.raises(RuntimeError), claim:
        raise RuntimeError
    assert store.claim("ab" * 16) is not None


HOLD = """
import sys, time
from sslskel.results.store import ResultStore
with ResultStore(sys.argv[1]).claim("ab" * 16):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_claim_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert ResultStore(tmp_path).claim("ab" * 16) is None
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()  # type: ignore[union-attr]
    claim = ResultStore(tmp_path).claim("ab" * 16)
    assert claim is not None
    with claim:
        assert ResultStore(tmp_path).claim("ab" * 16) is None


def forge(folder: Path, **changes: Any) -> Path:
    """A claim of this process, with some of its facts changed."""
    store = ResultStore(folder)
    assert store.claim("ab" * 16) is not None
    path = folder / "claims" / f"{'ab' * 16}.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    return path


def test_a_reused_process_number_is_not_taken_for_the_holder(tmp_path: Path) -> None:
    forge(tmp_path, started="1")
    assert ResultStore(tmp_path).claim("ab" * 16) is not None


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"space": "pid:[1]"}])
def test_a_claim_from_elsewhere_is_respected_while_it_gives_signs_of_life(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    path = forge(tmp_path, pid=999_999_999, **changes)
    assert ResultStore(tmp_path).claim("ab" * 16) is None
    long_ago = time.time() - claims.SILENT_SECONDS - 60
    os.utime(path, (long_ago, long_ago))
    assert ResultStore(tmp_path).claim("ab" * 16) is not None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_an_unreadable_claim_is_old_or_respected(tmp_path: Path, content: str) -> None:
    path = forge(tmp_path)
    path.write_text(content, encoding="utf-8")
    assert ResultStore(tmp_path).claim("ab" * 16) is None
    os.utime(path, (1, 1))
    assert ResultStore(tmp_path).claim("ab" * 16) is not None


def test_a_held_claim_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.01)
    claim = ResultStore(tmp_path).claim("ab" * 16)
    path = tmp_path / "claims" / f"{'ab' * 16}.json"
    os.utime(path, (1, 1))
    assert claim is not None
    with claim:
        deadline = time.monotonic() + 10
        while path.stat().st_mtime < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 2


def test_leaving_does_not_drop_the_claim_of_a_successor(tmp_path: Path) -> None:
    claim = ResultStore(tmp_path).claim("ab" * 16)
    path = tmp_path / "claims" / f"{'ab' * 16}.json"
    assert claim is not None
    with claim:
        path.write_text(path.read_text(encoding="utf-8").replace('"token": "', '"token": "x'), encoding="utf-8")
    assert path.exists()


@pytest.mark.parametrize("kind", ["dangling link", "link", "pipe"])
def test_a_claim_that_is_no_file_is_taken_over(kind: str, tmp_path: Path) -> None:
    path = forge(tmp_path)
    whole = path.rename(tmp_path / "whole.json")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(whole if kind == "link" else tmp_path / "gone")
    assert ResultStore(tmp_path).claim("ab" * 16) is not None
    assert whole.exists()


def test_a_folder_in_the_place_of_a_claim_is_named(tmp_path: Path) -> None:
    (tmp_path / "claims" / f"{'ab' * 16}.json" / "mine").mkdir(parents=True)
    with pytest.raises(RunError, match=f"{'ab' * 16}.json is a folder, where a claim was expected; remove it"):
        ResultStore(tmp_path).claim("ab" * 16)


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"space": "pid:[1]"}])
def test_a_claim_from_the_future_is_taken_over(tmp_path: Path, changes: dict[str, str]) -> None:
    path = forge(tmp_path, pid=1, **changes)
    later = time.time() + claims.FUTURE_SECONDS + 60
    os.utime(path, (later, later))
    assert ResultStore(tmp_path).claim("ab" * 16) is not None


def test_a_claim_of_a_living_process_that_does_not_renew_it_is_taken_over(tmp_path: Path) -> None:
    path = forge(tmp_path)
    assert ResultStore(tmp_path).claim("ab" * 16) is None
    long_ago = time.time() - claims.SILENT_SECONDS - 60
    os.utime(path, (long_ago, long_ago))
    assert ResultStore(tmp_path).claim("ab" * 16) is not None


def test_the_age_of_a_claim_is_of_the_file_systems_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = forge(tmp_path, host="elsewhere")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 10 * claims.SILENT_SECONDS)
    assert ResultStore(tmp_path).claim("ab" * 16) is None
    assert path.exists()


@pytest.mark.parametrize("content", ["[" * 10**5, "1" * 10**5, '{"pid": 1, "started": "1", "needs": 7}', "\xff"])
def test_no_claim_makes_a_process_fail(content: str, tmp_path: Path) -> None:
    forge(tmp_path).write_bytes(content.encode("latin-1"))
    assert ResultStore(tmp_path).claim("ab" * 16) is None
    [holder] = ResultStore(tmp_path).holders()
    assert holder.needs is None


def test_who_waits_says_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, recorder = ResultStore(tmp_path), Recorder()
    path = forge(tmp_path, host="elsewhere", pid=17, since="2026-01-01T00:00:00Z")
    monkeypatch.setattr("sslskel.grid.claim.POLL_SECONDS", 0.01)
    monkeypatch.setattr(Recorder, "line", lambda self, text: (self.lines.append(text), path.unlink())[0])
    with claimed(store, "ab" * 16, recorder, ()):
        pass
    assert recorder.lines == [
        f"  waiting for process 17 of elsewhere, which holds {path} since 2026-01-01T00:00:00Z; remove that file if"
        " no process is at work there"
    ]


def test_work_that_an_error_ended_leaves_a_note_until_it_is_done(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    claim = store.claim("ab" * 16, ["cd" * 16])
    assert claim is not None
    with pytest.raises(RuntimeError), claim:
        raise RuntimeError
    [note] = store.holders()
    assert (note.alive, note.needs) == (False, ("cd" * 16,))
    again = store.claim("ab" * 16, ["cd" * 16])
    assert again is not None
    with again:
        assert [holder.alive for holder in store.holders()] == [True, False]
    assert store.holders() == []


def take_over(barrier: Barrier, number: int, folder: Path) -> None:
    for turn in range(25):
        barrier.wait()
        claim = ResultStore(folder).claim(f"{turn:032x}")
        if claim is not None:
            (folder / f"won-{turn}-{number}").touch()
        barrier.wait()


def test_of_many_takers_of_a_dead_claim_one_gets_it(tmp_path: Path) -> None:
    text = forge(tmp_path, started="1").read_text(encoding="utf-8")
    for turn in range(25):
        (tmp_path / "claims" / f"{turn:032x}.json").write_text(text, encoding="utf-8")
    run_together(take_over, 8, tmp_path)
    winners = [len(list(tmp_path.glob(f"won-{turn}-*"))) for turn in range(25)]
    assert winners == [1] * 25
