"""Pretrainings side by side give the records of one after the other, and one that fails or is stopped loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from recorder import Recorder

from sslskel.errors import UsageError
from sslskel.grid.jobs import bench_in_jobs
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.results.store import ResultStore


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def request(benchmark: str, output: Path, *overrides: str) -> GridRequest:
    return GridRequest(
        methods=("mamp", "random_init"),
        protocols=("knn",),
        benchmarks=(benchmark,),
        output=output,
        overrides=overrides,
    )


@pytest.mark.long
def test_jobs_make_the_records_of_a_plain_run(tiny: str, tmp_path: Path) -> None:
    """Options that only one method of the grid has are given to that one alone."""
    options = ("method.tau=0.5", "train.epochs=1")
    plain = run_grid(request(tiny, tmp_path / "plain", *options))
    jobs = bench_in_jobs(request(tiny, tmp_path / "jobs", *options), 2)
    assert (jobs.ran, jobs.reused, jobs.failures) == (2, 0, [])
    assert [record.identity for record in jobs.records] == [record.identity for record in plain.records]
    for mine, theirs in zip(jobs.records, plain.records, strict=True):
        assert mine.scores == theirs.scores
        assert mine.weights_sha256 == theirs.weights_sha256
    assert [row.label for row in jobs.board.rows] == [row.label for row in plain.board.rows]
    again = bench_in_jobs(request(tiny, tmp_path / "jobs", *options), 2)
    assert (again.ran, again.reused) == (0, 2)


@pytest.mark.long
def test_splits_of_one_benchmark_are_jobs_of_their_own(tiny: str, tmp_path: Path) -> None:
    places = (tiny, f"{tiny}/xsub-validation")
    result = bench_in_jobs(replace(request(tiny, tmp_path, "train.epochs=1"), benchmarks=places), 2)
    assert (result.ran, result.failures) == (4, [])
    assert [column.split for column in result.board.columns] == ["xsub", "xsub-validation"]


@pytest.mark.long
def test_a_job_that_fails_is_named_and_the_others_go_on(tiny: str, tmp_path: Path) -> None:
    recorder = Recorder()
    result = bench_in_jobs(request(tiny, tmp_path / "runs", "train.lr=1e30"), 1, recorder)
    [failure] = result.failures
    assert failure.startswith(f"mamp on {tiny}/xsub, seed 0, knn: ")
    assert "finite" in failure
    assert [record.method["name"] for record in result.records] == ["random_init"]
    assert (result.ran, result.reused) == (1, 0)
    assert failure in " ".join(recorder.lines)


@pytest.mark.long
def test_a_stopped_grid_continues(command_env: dict[str, str], tmp_path: Path) -> None:
    """SIGTERM reaches every job, which writes its checkpoint; exit code 75 asks a scheduler to queue again."""
    command = [sys.executable, "-m", "sslskel", "bench", "--method", "mamp,skeletonmae", "--protocol", "knn"]
    command += ["--benchmark", "tiny", "--results", "runs", "--jobs", "2", "train.epochs=2000"]
    with subprocess.Popen(command, cwd=tmp_path, env=command_env, stderr=subprocess.PIPE, text=True) as run:
        deadline = time.monotonic() + 120
        while len(list(tmp_path.glob("runs/pretrain/*/metrics.jsonl"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(run.pid, signal.SIGTERM)
        _, text = run.communicate(timeout=90)
    assert run.returncode == 75, text
    assert "the same command continues" in text
    assert len({step.parent for step in tmp_path.glob("runs/pretrain/*/step-*")}) == 2
    assert ResultStore(tmp_path / "runs").read_all() == ([], [])


def test_no_jobs_is_a_usage_error(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--jobs is 0"):
        bench_in_jobs(request(tiny, tmp_path / "runs"), 0)
    assert not (tmp_path / "runs").exists()
