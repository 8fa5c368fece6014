"""What clusters do to checkpoints: flipped bytes, missing files, full disks, kill -9 at any moment."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sslskel.engine import checkpoint
from sslskel.engine.checkpoint import fault_of, latest, remove_leftovers, save_checkpoint
from sslskel.errors import RunError

TENSORS = {"w": torch.arange(300.0), "b": torch.ones(7)}


def two_checkpoints(folder: Path) -> tuple[Path, Path]:
    older = save_checkpoint(folder, 1, TENSORS, TENSORS, {"meta": {}}, keep=5)
    return older, save_checkpoint(folder, 2, TENSORS, TENSORS, {"meta": {}}, keep=5)


@pytest.mark.parametrize("name", ["model.safetensors", "optimiser.safetensors", "state.json", "manifest.json"])
def test_flipped_bit_is_noticed_and_the_one_before_is_used(tmp_path: Path, name: str) -> None:
    older, newer = two_checkpoints(tmp_path)
    content = bytearray((newer / name).read_bytes())
    generator = random.Random(name)
    for _ in range(20):
        flipped = bytearray(content)
        flipped[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        (newer / name).write_bytes(flipped)
        if name == "manifest.json" and fault_of(newer) is None:
            continue  # white space, or a field that no digest depends on
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert latest(tmp_path) == older
        assert len(told) == 1
        assert str(newer) in str(told[0].message)


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
def test_missing_or_cut_file_is_noticed(tmp_path: Path, name: str) -> None:
    older, newer = two_checkpoints(tmp_path)
    content = (newer / name).read_bytes()
    (newer / name).write_bytes(content[: len(content) // 2])
    with pytest.warns(UserWarning, match="damaged"):
        assert latest(tmp_path) == older
    (newer / name).unlink()
    with pytest.warns(UserWarning, match="damaged"):
        assert latest(tmp_path) == older


def test_full_disk_keeps_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older, newer = two_checkpoints(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(RunError, match=r"no space.*free some"):
        save_checkpoint(tmp_path, 3, TENSORS, TENSORS, {"meta": {}}, keep=1)
    assert latest(tmp_path) == newer
    assert sorted(p.name for p in tmp_path.iterdir()) == [older.name, newer.name]


def test_leftovers_of_dead_processes_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"step-00000001.tmp-{ended.pid}"
    left.mkdir()
    remove_leftovers(tmp_path)
    assert not left.exists()


def _command(folder: Path) -> list[str]:
    return [
        sys.executable, "-m", "sslskel", "pretrain", "--method", "mamp", "--benchmark", "tiny", "--device", "cpu",
        "--output", str(folder), "train.epochs=12", "train.batch_size=6",
    ]  # fmt: skip


def _kill_and_resume(tmp_path: Path, env: dict[str, str], kills: int) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    start = time.perf_counter()
    subprocess.run(_command(whole), env=env, check=True, capture_output=True)
    length = time.perf_counter() - start
    generator, survived = random.Random(5), 0
    for _ in range(kills):
        process = subprocess.Popen(_command(cut), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(generator.uniform(0.5, 1.0) * length)
        survived += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = subprocess.run(_command(cut), env=env, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    assert survived > 0, "every run ended before it was killed; nothing was tested"
    found = [
        load_file(p) for p in sorted(tmp_path.glob("*/pretrain/*/step-*/model.safetensors")) if "00000036" in str(p)
    ]
    assert len(found) == 2
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_five_kills_lose_nothing(tmp_path: Path, command_env: dict[str, str]) -> None:
    _kill_and_resume(tmp_path, command_env, 5)


@pytest.mark.long
def test_fifty_kills_lose_nothing(tmp_path: Path, command_env: dict[str, str]) -> None:
    _kill_and_resume(tmp_path, command_env, 50)


_WRITER = """
import sys, torch
from pathlib import Path
from sslskel.engine.checkpoint import save_checkpoint
tensors = {"w": torch.zeros(4_000_000)}
print("ready", flush=True)
for step in range(10**6):
    save_checkpoint(Path(sys.argv[1]), step, tensors, {}, {"meta": {}}, keep=2)
"""


def _kill_while_writing(folder: Path, kills: int) -> None:
    generator = random.Random(1)
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", _WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(generator.uniform(0.05, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = latest(folder)
        if found is not None:
            assert fault_of(found) is None


def test_kills_while_writing_leave_a_sound_newest(tmp_path: Path) -> None:
    _kill_while_writing(tmp_path, 3)


@pytest.mark.long
def test_two_hundred_kills_while_writing(tmp_path: Path) -> None:
    _kill_while_writing(tmp_path, 200)
