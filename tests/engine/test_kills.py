"""Kill -9 at any moment of a run: the same command continues, and ends with the same bytes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import toy_engine
from safetensors.torch import load_file

OPTIONS = {"slow": 0.01, "method": {"terms": 2}, "train": {"epochs": 8}}


def same_model(one: Path, other: Path) -> bool:
    a, b = (load_file(path / "model.safetensors") for path in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def kill_toy(tmp_path: Path, kills: int) -> None:
    script = [sys.executable, toy_engine.__file__, str(tmp_path / "cut"), json.dumps(OPTIONS), str(kills), "11"]
    whole = toy_engine.run(tmp_path / "whole", **OPTIONS)
    done = subprocess.run(script, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    reached = json.loads(done.stdout)
    assert len(reached) == kills
    assert reached == sorted(reached), "a sound checkpoint was lost"
    assert any(step < whole.steps for step in reached), "every run ended before it was killed; nothing was tested"
    assert same_model(whole.checkpoint, tmp_path / "cut" / whole.checkpoint.name)
    assert [line["step"] for line in toy_engine.lines(tmp_path / "cut")] == list(range(1, whole.steps + 1))
    assert not list((tmp_path / "cut").glob("*.tmp-*"))


@pytest.mark.long
def test_five_kills_lose_nothing(tmp_path: Path) -> None:
    kill_toy(tmp_path, 5)


@pytest.mark.long
def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    kill_toy(tmp_path, 50)


@pytest.mark.long
def test_the_command_itself_survives_ten_kills(tmp_path: Path, command_env: dict[str, str]) -> None:
    def command(folder: Path) -> list[str]:
        words = "pretrain --method mamp --benchmark tiny --device cpu train.epochs=12 train.batch_size=6 --results"
        return [sys.executable, "-m", "sslskel", *words.split(), str(folder)]

    start = time.perf_counter()
    subprocess.run(command(tmp_path / "whole"), env=command_env, check=True, capture_output=True)
    length, chance, survived = time.perf_counter() - start, random.Random(5), 0
    for _ in range(10):
        process = subprocess.Popen(
            command(tmp_path / "cut"), env=command_env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0.5, 1.0) * length)
        survived += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert survived > 0, "every run ended before it was killed; nothing was tested"
    last = subprocess.run(command(tmp_path / "cut"), env=command_env, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    one, other = (max((tmp_path / name).glob("pretrain/*/step-*")) for name in ("whole", "cut"))
    assert one.name == other.name
    assert same_model(one, other)
