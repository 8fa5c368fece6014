"""Ranks that ``--processes`` starts: lost, frozen, stopped or started by others, they end with one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from sslskel.engine import elastic
from sslskel.errors import Interrupted, RunError, UsageError

WORDS = ["pretrain", "--method", "mamp", "--benchmark", "tiny", "--device", "cpu", "train.epochs={epochs}", "--results"]


def failure(code: int, reported: str = "", at: int = 5) -> Any:
    message = {"message": reported, "extraInfo": {"timestamp": str(at)}} if reported else "no file"
    return SimpleNamespace(exitcode=code, message=message, timestamp=at)


def test_the_cause_is_named_and_not_its_victims() -> None:
    victim, killed = failure(1, f"{elastic.CONTACT} by process 0", 1), failure(-9, at=9)
    fault = elastic.first_fault({0: victim, 1: failure(75, "stopped", 2), 2: killed, 3: failure(-15, at=0)})
    assert isinstance(fault, RunError)
    assert "process 2 of the run was killed by SIGKILL" in str(fault)
    fault = elastic.first_fault({0: victim, 1: failure(2, "there is no device", 8)})
    assert (str(fault), fault.exit_code) == ("there is no device", 2)
    silent = failure(1, f"process 1 of the run {elastic.SILENT} for 25 s", 3)
    assert elastic.SILENT in str(elastic.first_fault({0: silent, 1: killed})), "elastic launch kills the one that hangs"
    assert "exit code 3" in str(elastic.first_fault({1: failure(3)}))


def test_numbers_that_mean_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--processes 0"):
        elastic.check_processes(0, 0)
    with pytest.raises(UsageError, match="--max-restarts -1"):
        elastic.check_processes(2, -1)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="already started 2 times"):
        elastic.check_processes(4, 0)


@pytest.mark.parametrize(("code", "starts"), [(1, 3), (2, 1), (75, 1)])
def test_only_what_may_end_better_is_started_again(monkeypatch: pytest.MonkeyPatch, code: int, starts: int) -> None:
    seen = []

    def attempt(words: Any, processes: int) -> RunError:
        seen.append(processes)
        fault = RunError("lost")
        fault.exit_code = code
        return fault

    monkeypatch.setattr(elastic, "start_once", attempt)
    with pytest.raises(RunError, match="lost"):
        elastic.run_processes([], 2, max_restarts=2)
    assert len(seen) == starts


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_outside_the_loop_ends_the_command_with_75(number: int) -> None:
    from sslskel.engine.signals import stop_at_once

    def wait() -> None:
        with stop_at_once():
            os.kill(os.getpid(), number)
            time.sleep(5)

    with pytest.raises(Interrupted) as caught:
        wait()
    assert caught.value.exit_code == 75


class Run:
    """A pretraining in ranks, started as a person would, that can be hurt."""

    def __init__(self, folder: Path, env: dict[str, str], *more: str, epochs: int = 3000) -> None:
        self.folder = folder
        words = [word.format(epochs=epochs) for word in WORDS]
        command = [sys.executable, "-m", "sslskel", *words, str(folder), *more]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def rank(self, number: int) -> int:
        """Process id of a rank, once the run has a checkpoint."""
        until = time.monotonic() + 120
        while not self.steps():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until
            time.sleep(0.1)
        return next(pid for pid in children(self.process.pid) if f"RANK={number}" in environment(pid))

    def steps(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("pretrain/*/step-*") if path.name[5:].isdigit())

    def end(self, timeout: float = 120) -> tuple[int, str, float]:
        """Exit code, last line of stderr, seconds that ending took."""
        start = time.monotonic()
        _, error = self.process.communicate(timeout=timeout)
        return self.process.returncode, error.strip().splitlines()[-1], time.monotonic() - start


def children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def environment(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")


@pytest.fixture
def start(tmp_path: Path, command_env: dict[str, str]) -> Iterator[Any]:
    """Starts runs, and leaves none behind."""
    runs: list[Run] = []

    def one(*more: str, epochs: int = 3000, **env: str) -> Run:
        runs.append(Run(tmp_path / "run", {**command_env, **env}, *more, epochs=epochs))
        return runs[-1]

    yield one
    for run in runs:
        if run.process.poll() is None:
            for pid in children(run.process.pid):
                os.kill(pid, signal.SIGKILL)
            run.process.kill()


@pytest.mark.long
@pytest.mark.parametrize("number", [0, 1])
def test_a_killed_rank_ends_all_within_a_minute_by_name(start: Any, number: int) -> None:
    run = start("--processes", "3")
    os.kill(run.rank(number), signal.SIGKILL)
    code, line, seconds = run.end()
    assert code == 1
    assert f"process {number} of the run was killed by SIGKILL" in line
    assert seconds < 60
    assert run.steps()


@pytest.mark.long
def test_a_frozen_rank_ends_all_within_a_minute_by_name(start: Any) -> None:
    run = start("--processes", "2")
    os.kill(run.rank(1), signal.SIGSTOP)
    code, line, seconds = run.end()
    assert code == 1
    assert "process 1 of the run has sent no heartbeat" in line
    assert seconds < 75, "25 s to notice, and 30 s that elastic launch gives a process before it kills it"


@pytest.mark.long
def test_a_lost_rank_is_started_again_and_ends_with_the_same_weights(
    start: Any, tmp_path: Path, command_env: dict[str, str]
) -> None:
    run = start("--processes", "2", "--max-restarts", "1", "--precision", "fp64", epochs=40)
    os.kill(run.rank(1), signal.SIGKILL)
    code, line, _ = run.end()
    assert code == 0, line
    whole = Run(tmp_path / "whole", command_env, "--precision", "fp64", epochs=40)
    assert whole.end()[0] == 0
    one, other = (load_file(each.steps()[-1] / "model.safetensors") for each in (whole, run))
    for name, value in one.items():
        assert float((other[name] - value).abs().max()) < 1e-9, name


@pytest.mark.long
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_scheduler_s_signal_saves_the_step_and_asks_to_be_queued_again(
    start: Any, number: int, expected: int, processes: str
) -> None:
    run = start("--processes", processes)
    run.rank(0) if processes == "2" else wait_for(run)
    before = {path.name for path in run.steps()}
    run.process.send_signal(number)
    code, line, seconds = run.end()
    assert code == expected, line
    assert "is saved in" in line
    assert seconds < 30
    assert {path.name for path in run.steps()} - before


def wait_for(run: Run) -> None:
    while not run.steps():
        assert run.process.poll() is None, run.process.communicate()
        time.sleep(0.1)


@pytest.mark.long
@pytest.mark.parametrize(
    "launcher",
    [
        ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
        ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"],
    ],
    ids=["torchrun", "accelerate"],
)
def test_other_launchers_make_the_same_weights(
    tmp_path: Path, command_env: dict[str, str], launcher: list[str]
) -> None:
    """All verbs run under them too; features and records are written once, by the first process."""

    def many(*words: str) -> None:
        command = [sys.executable, "-m", *launcher, "-m", "sslskel", *words]
        done = subprocess.run(command, env=command_env, capture_output=True, text=True, cwd=tmp_path, timeout=300)
        assert done.returncode == 0, done.stderr

    grid = ["bench", "--method", "mamp", "--benchmark", "tiny", "--protocol", "knn", "--device", "cpu", "--results"]
    many(*grid, "theirs")
    ours = [sys.executable, "-m", "sslskel", *grid, "ours", "--processes", "2"]
    subprocess.run(ours, env=command_env, check=True, capture_output=True, cwd=tmp_path)
    checkpoints = [max(tmp_path.glob(f"{name}/pretrain/*/step-*/model.safetensors")) for name in ("ours", "theirs")]
    one, other = (load_file(path) for path in checkpoints)
    # Launchers set threads and libraries up differently, so the last bits may differ.
    assert all(float((other[name] - value).abs().max()) < 1e-5 for name, value in one.items())
    encoder = str(checkpoints[1].parent.relative_to(tmp_path))
    many("evaluate", "--checkpoint", encoder, "--protocol", "linear", "--results", "theirs", "--device", "cpu")
    assert len(list(tmp_path.glob("theirs/records/*.json"))) == 2
    many("embed", "--checkpoint", encoder, "--output", "features.npz", "--device", "cpu")
    with np.load(tmp_path / "features.npz") as features:
        assert len(set(features["keys"].tolist())) == len(features["features"]) == 24
