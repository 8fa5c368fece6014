"""What clusters do to checkpoints: flipped bytes, missing files, full disks, kill -9 while writing."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from sslskel.engine.checkpoint import (
    latest,
    load_weights,
    read_meta,
    read_state,
    remove_leftovers,
    save_checkpoint,
)
from sslskel.errors import CheckpointError, RunError

TENSORS = {"w": torch.arange(300.0), "b": torch.ones(7)}


def two_checkpoints(folder: Path) -> tuple[Path, Path]:
    older = save_checkpoint(folder, 1, TENSORS, TENSORS, {"meta": {}}, keep=5)
    return older, save_checkpoint(folder, 2, TENSORS, TENSORS, {"meta": {}}, keep=5)


@pytest.mark.parametrize("name", ["model.safetensors", "optimiser.safetensors", "state.json", "manifest.json"])
def test_flipped_bit_is_noticed_and_the_one_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    older, newer = two_checkpoints(tmp_path)
    content = bytearray((newer / name).read_bytes())
    generator = random.Random(name)
    for _ in range(20):
        flipped = bytearray(content)
        flipped[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        (newer / name).write_bytes(flipped)
        caplog.clear()
        assert latest(tmp_path) == older
        [line] = caplog.messages
        assert str(newer) in line
        # A changed digit of a digest in the manifest looks like a changed file.
        assert name in line or name == "manifest.json"
        assert "\n" not in line


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
def test_missing_or_cut_file_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    older, newer = two_checkpoints(tmp_path)
    content = (newer / name).read_bytes()
    (newer / name).write_bytes(content[: len(content) // 2])
    assert latest(tmp_path) == older
    (newer / name).unlink()
    assert latest(tmp_path) == older
    assert len(caplog.messages) == 2
    assert all(name in line for line in caplog.messages)


def test_full_disk_keeps_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older, newer = two_checkpoints(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"no space left for the checkpoint of step 3.*free some"):
        save_checkpoint(tmp_path, 3, TENSORS, TENSORS, {"meta": {}}, keep=1)
    assert latest(tmp_path) == newer
    assert sorted(p.name for p in tmp_path.iterdir()) == [older.name, newer.name]


@pytest.mark.parametrize("moment", range(8))
def test_disk_that_fills_at_any_write_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """Six flushes and a rename make a checkpoint; the last two cases fail after it is whole, or not at all."""
    _, newer = two_checkpoints(tmp_path)
    flushes, sync = [0], os.fsync

    def sometimes(handle: int) -> None:
        flushes[0] += 1
        if flushes[0] > moment:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", sometimes)
    if moment >= 6:
        save_checkpoint(tmp_path, 3, TENSORS, TENSORS, {"meta": {}}, keep=5)
        return
    with pytest.raises(RunError, match="no space"):
        save_checkpoint(tmp_path, 3, TENSORS, TENSORS, {"meta": {}}, keep=5)
    newest = latest(tmp_path)
    assert newest is not None
    assert newest == newer or (moment == 5 and newest.name == "step-00000003")
    assert not list(tmp_path.glob("*.tmp-*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunError, match="make the folder writable"):
            save_checkpoint(tmp_path, 1, TENSORS, {}, {"meta": {}}, keep=1)
    finally:
        tmp_path.chmod(0o700)


def test_a_file_in_place_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(RunError, match="make the folder writable"):
        save_checkpoint(tmp_path / "runs", 1, TENSORS, {}, {"meta": {}}, keep=1)


@pytest.mark.parametrize("name", ["model.safetensors", "state.json"])
def test_readers_of_a_named_damaged_checkpoint_say_so(tmp_path: Path, name: str) -> None:
    _, newer = two_checkpoints(tmp_path)
    (newer / name).write_bytes(b"not it")
    read = load_weights if name == "model.safetensors" else read_meta
    with pytest.raises(CheckpointError, match=f"damaged.*{name}"):
        read(newer)
    assert read(tmp_path) is not None, "the folder still has a sound one"


def test_readers_take_a_step_or_a_folder_and_refuse_nothing_at_all(tmp_path: Path) -> None:
    _, newer = two_checkpoints(tmp_path)
    for path in (newer, tmp_path):
        assert torch.equal(load_weights(path)["w"], TENSORS["w"])
        assert read_state(path)["step"] == 2
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        read_meta(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="no valid checkpoint"):
        read_meta(tmp_path / "empty")


def test_a_checkpoint_of_a_later_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = save_checkpoint(tmp_path, 1, TENSORS, {}, {"meta": {}, "format": 2}, keep=1)
    with pytest.raises(CheckpointError, match="format 2; this version reads format 1"):
        read_state(step)


def test_tensors_that_share_memory_are_kept_apart(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    step = save_checkpoint(tmp_path, 1, {"a": base[:3], "b": base[:3], "t": base.view(2, 3).T}, {}, {"meta": {}}, 1)
    kept = load_weights(step)
    assert torch.equal(kept["a"], kept["b"])
    assert torch.equal(kept["t"], base.view(2, 3).T)


def test_going_back_past_a_damaged_checkpoint_removes_it(tmp_path: Path) -> None:
    older, newer = two_checkpoints(tmp_path)
    (newer / "model.safetensors").write_bytes(b"")
    again = save_checkpoint(tmp_path, 2, TENSORS, {}, {"meta": {}}, keep=2)
    assert latest(tmp_path) == again
    (again / "model.safetensors").write_bytes(b"")
    between = save_checkpoint(tmp_path, 1, TENSORS, {}, {"meta": {}}, keep=2)
    assert list(tmp_path.iterdir()) == [between] == [older]


def test_leftovers_of_dead_processes_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"step-00000001.tmp-{ended.pid}"
    left.mkdir()
    remove_leftovers(tmp_path)
    assert not left.exists()


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
        names = sorted(path.name for path in folder.glob("step-*") if path.name[5:].isdigit())
        newest = latest(folder)
        assert (newest.name if newest else None) == (names[-1] if names else None), "the newest was left half written"


@pytest.mark.long
def test_kills_while_writing_leave_a_sound_newest(tmp_path: Path) -> None:
    _kill_while_writing(tmp_path, 3)


@pytest.mark.long
def test_two_hundred_kills_while_writing(tmp_path: Path) -> None:
    _kill_while_writing(tmp_path, 200)


@pytest.mark.long
def test_three_hundred_flipped_bits(tmp_path: Path) -> None:
    older, newer = two_checkpoints(tmp_path)
    files = sorted(path for path in newer.iterdir())
    generator = random.Random(2)
    for _ in range(300):
        file = generator.choice(files)
        content = file.read_bytes()
        flipped = bytearray(content)
        flipped[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        file.write_bytes(flipped)
        assert latest(tmp_path) == older
        file.write_bytes(content)
    assert latest(tmp_path) == newer
