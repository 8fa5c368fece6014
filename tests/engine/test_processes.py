"""Two and three processes against one, in float64: same losses, same weights, also where some have no clip."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_engine
from safetensors.torch import load_file

CASES: list[dict[str, Any]] = [
    {"method": {"terms": 2}, "clips": 21, "train": {"epochs": 9}},
    {"method": {"terms": 1}, "clips": 21, "train": {"epochs": 3, "accumulate": 2}},
    {"method": {"terms": 2}, "clips": 21, "train": {"epochs": 3, "accumulate": 2, "optimiser": "sgd"}},
    {"kind": "Adversary", "clips": 21, "train": {"epochs": 3}},
]
"""21 clips in batches of 4: the last batch of an epoch holds one, so that other processes stand in."""


def started(folder: Path, world: int, cases: list[dict[str, Any]]) -> list[subprocess.Popen[str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, toy_engine.__file__, str(folder), json.dumps(cases)]
    processes = []
    for rank in range(world):
        env = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        every = {**os.environ, **{name: str(value) for name, value in env.items()}, "OMP_NUM_THREADS": "1"}
        processes.append(
            subprocess.Popen(command, env=every, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    return processes


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    return [(process.returncode, error) for process in processes for error in [process.communicate(timeout=180)[1]]]


@pytest.mark.parametrize("world", [2, pytest.param(3, marks=pytest.mark.long)])
def test_processes_train_as_one(tmp_path: Path, world: int) -> None:
    cases = [{"precision": "fp64", **case} for case in CASES]
    processes = started(tmp_path / "many", world, cases)
    alone = [toy_engine.run(tmp_path / "one" / str(number), **case) for number, case in enumerate(cases)]
    for code, error in ended(processes):
        assert code == 0, error
    for number, result in enumerate(alone):
        many, one = tmp_path / "many" / str(number), tmp_path / "one" / str(number)
        assert result.steps >= 18
        weights = load_file(result.checkpoint / "model.safetensors")
        others = load_file(many / result.checkpoint.name / "model.safetensors")
        for name, value in weights.items():
            torch.testing.assert_close(others[name], value, rtol=0, atol=1e-9, msg=f"{number}: {name}")
        assert [line["step"] for line in toy_engine.lines(many)] == list(range(1, result.steps + 1))
        for line, other in zip(toy_engine.lines(one), toy_engine.lines(many), strict=True):
            for name in ("loss", "gradient_norm", *(word for word in line if word.startswith("term/"))):
                assert other[name] == pytest.approx(line[name], abs=1e-9), (number, name, line["step"])
        assert any(line["gradient_norm"] > 0 for line in toy_engine.lines(one))


@pytest.mark.long
def test_a_run_continues_on_another_number_of_processes(tmp_path: Path) -> None:
    case = {"precision": "fp64", "method": {"terms": 2, "poisoned_step": 13}, "train": {"epochs": 4}}
    sound = {**case, "method": {"terms": 2}}
    for code, error in ended(started(tmp_path, 2, [case])):
        assert code == 1, error
        assert "step 14: the loss term 'rebuild' is nan; clips of the step: clip-" in error
    resumed = toy_engine.run(tmp_path / "0", **sound)
    whole = toy_engine.run(tmp_path / "whole", **sound)
    one, other = (load_file(result.checkpoint / "model.safetensors") for result in (whole, resumed))
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=0, atol=1e-9, msg=name)


@pytest.mark.long
def test_a_signal_to_one_process_stops_all_at_the_same_step(tmp_path: Path) -> None:
    processes = started(tmp_path, 2, [{"slow": 0.02, "train": {"epochs": 400}}])
    metrics = tmp_path / "0" / "metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size):
        assert all(process.poll() is None for process in processes), ended(processes)
    processes[1].terminate()
    results = ended(processes)
    assert [code for code, _ in results] == [75, 75], results
    assert all("the same command continues" in error for _, error in results)
    steps = {error.split("step ")[1].split(" of")[0] for _, error in results}
    assert len(steps) == 1
    assert len(list((tmp_path / "0").glob(f"step-{int(steps.pop()):08d}"))) == 1


def test_clips_that_see_each_other_need_one_in_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sslskel.errors import UsageError

    monkeypatch.setattr("sslskel.engine.misfits.world_size", lambda: 3)
    with pytest.raises(UsageError, match=r"smallest batch has 2 clips for 3 processes.*drop_last"):
        toy_engine.run(tmp_path, kind=toy_engine.Mixing)
