"""Damaged, foreign and newer files in a results folder: each is named and left out, and nothing else suffers."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslskel.engine.checkpoint import latest, resolve
from sslskel.errors import CheckpointError, UsageError
from sslskel.grid.jobs import find_jobs
from sslskel.grid.request import GridRequest
from sslskel.grid.run import pretrain, run_grid
from sslskel.results.record import UnknownRecord
from sslskel.results.store import ResultStore
from sslskel.speed.estimate import plan

PLUGINS = Path(__file__).resolve().parents[1] / "support" / "plugins"
Command = Callable[..., Any]


def request(seeds: tuple[int, ...] = (0, 1), **changes: Any) -> GridRequest:
    asked: dict[str, Any] = {"methods": ("random_init",), "protocols": ("knn",), "benchmarks": ("tiny",)}
    return GridRequest(**{**asked, "seeds": seeds, "overrides": ("backbone.dim=8", "backbone.depth=1"), **changes})


@pytest.fixture(scope="module")
def made(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a record of each of two seeds."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSLSKEL_PLUGINS", str(PLUGINS))
        patch.setenv("SSLSKEL_DATA", str(data_folder))
        patch.chdir(place)
        run_grid(request())
    return place / "runs"


@pytest.fixture
def runs(made: Path, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it in the working folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(made, "runs"))


def record_of(seed: int) -> Path:
    [path] = [path for path in Path("runs/records").iterdir() if json.loads(path.read_text())["seed"] == seed]
    return path


def run_of(seed: int) -> Path:
    [path] = Path("runs/pretrain").glob(f"*-s{seed}-*")
    return path


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def newer(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 2}))


def huge_number(path: Path) -> None:
    path.write_text(path.read_text().replace('"labels": ', '"labels": 1' + "0" * 400))


def infinite_extra(path: Path) -> None:
    path.write_text(path.read_text().replace('"labels": ', '"later": 1e999, "labels": '))


def strange_count(path: Path) -> None:
    path.write_text(path.read_text().replace('"counts": {', '"counts": {"later": "many", '))


def deep(path: Path) -> None:
    path.write_text("[" * 10**5)


def large(path: Path) -> None:
    os.truncate(path, 2**31)


UNKNOWN = (pipe, folder, newer)
DAMAGED = (huge_number, infinite_extra, strange_count, deep)


@pytest.mark.parametrize("hurt", [*UNKNOWN, *DAMAGED, large])
def test_a_board_names_what_it_leaves_out(hurt: Callable[[Path], None], runs: Path, sslskel: Command) -> None:
    path = record_of(1)
    hurt(path)
    for form in ("table", "html", "json"):
        done = sslskel("leaderboard", "--results", "runs", "--format", form, "--output", "board")
        assert done.returncode == 0, done.stderr
        assert f"left out {path}" in done.stdout + done.stderr
    assert json.loads(Path("board").read_text())["columns"]


@pytest.mark.parametrize("hurt", UNKNOWN)
def test_a_cell_whose_record_cannot_be_read_fails_alone_and_keeps_it(
    hurt: Callable[[Path], None], runs: Path, sslskel: Command
) -> None:
    path = record_of(0)
    hurt(path)
    before = path.lstat()
    with pytest.raises(UnknownRecord):
        ResultStore(runs).has(path.stem)
    result = run_grid(request((0, 1, 2)))
    assert (result.ran, result.reused, len(result.failures)) == (1, 1, 1)
    assert str(path) in result.failures[0]
    assert path.lstat().st_ino == before.st_ino
    assert len(find_jobs(request()).jobs) == 1
    assert [one.done for one in plan(request())] == [False, True]
    assert sslskel("runs", "list").returncode == 0


@pytest.mark.parametrize("hurt", DAMAGED)
def test_a_damaged_record_is_made_again_and_kept_beside(hurt: Callable[[Path], None], runs: Path) -> None:
    path = record_of(0)
    hurt(path)
    damaged = path.read_bytes()
    result = run_grid(request())
    assert (result.ran, result.reused, result.failures) == (1, 1, [])
    assert [file.read_bytes() for file in Path("runs/outdated").iterdir()] == [damaged]


def later_format(step: Path) -> None:
    manifest = step / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 2'))


def test_a_checkpoint_of_a_later_version_is_neither_passed_over_nor_replaced(runs: Path) -> None:
    step = resolve(run_of(0))
    later_format(step)
    record_of(0).unlink()
    with pytest.raises(CheckpointError, match=r"a later version of sslskel wrote it \(format 2\); update to read it"):
        latest(run_of(0))
    result = run_grid(request((0, 1, 2)))
    assert (result.ran, result.reused) == (1, 1)
    assert "a later version of sslskel wrote it" in result.failures[0]
    assert step.is_dir()


def test_a_checkpoint_that_may_not_be_read_is_neither_passed_over_nor_replaced(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = resolve(run_of(0))
    record_of(0).unlink()
    opened = os.open

    def refuse(path: Any, *rest: Any, **options: Any) -> int:
        if str(path) == str(step / "model.safetensors"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        result = run_grid(request((0, 1, 2)))
    assert (result.ran, result.reused) == (1, 1)
    assert f"checkpoint {step} cannot be read: model.safetensors: Permission denied" in result.failures[0]
    assert run_grid(request()).failures == []


@pytest.mark.parametrize("name", ["manifest.json", "state.json", "model.safetensors"])
def test_a_pipe_in_a_checkpoint_is_not_waited_for(name: str, runs: Path) -> None:
    step = resolve(run_of(0))
    pipe(step / name)
    record_of(0).unlink()
    assert latest(run_of(0)) is None
    assert run_grid(request()).ran == 1


@pytest.mark.parametrize("name", ["step-x", "step-²", "step-1 ", "step-" + "9" * 30])
def test_folders_that_are_only_called_like_steps_are_passed_over(name: str, runs: Path) -> None:
    (run_of(0) / name).mkdir()
    record_of(0).unlink()
    assert run_grid(request()).failures == []


def test_pipes_anywhere_in_a_results_folder_block_nothing(runs: Path, sslskel: Command) -> None:
    identity, method = record_of(0).stem, json.loads(record_of(0).read_text())["sources"]["method"]
    for place in (
        f"sources/method-random_init-{method}.json",
        f"failures/{identity}-1.json",
        f"failures/{identity}-notes.json",
        "claims/pipe.json",
        "records/pipe.json",
        "pretrain/pipe",
        f"pretrain/{run_of(0).name}/metrics.jsonl",
    ):
        (runs / place).parent.mkdir(exist_ok=True)
        pipe(runs / place)
    for kept in [*runs.glob("features/*/*.features"), *runs.glob("predictions/*")]:
        pipe(kept)
    assert ResultStore(runs).last_failure(identity) == {}
    assert run_grid(request((0, 1, 2), protocols=("knn", "retrieval"))).failures == []
    for words in (("runs", "list"), ("runs", "prune"), ("leaderboard", "--format", "html", "--output", "b.html")):
        assert sslskel(*words).returncode == 0


def test_a_run_whose_seed_is_not_known_is_named(runs: Path) -> None:
    later_format(resolve(run_of(1)))
    with pytest.raises(UsageError, match=r"no run in it has seed 1 \(there are seeds 0\); not known is that of .*-s1-"):
        pretrain(request((1,), init=runs / "pretrain"))
