"""Processes that are forked, killed and waited for, and small disks, for the fault harness."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import toy_engine
from safetensors.torch import load_file

from sslskel.engine import heartbeat
from sslskel.engine.checkpoint import load_weights
from sslskel.errors import SslskelError


def forked_ranks(folder: Path, options: dict[str, Any], world: int, silent: float = 25.0) -> list[int]:
    """Process ids of a run's ranks, forked from here."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ids = []
    for rank in range(world):
        child = os.fork()
        if child == 0:
            heartbeat.SILENT_SECONDS = silent
            if world > 1:
                place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_PORT": port}
                os.environ.update({name: str(value) for name, value in place.items()}, MASTER_ADDR="127.0.0.1")
            become(folder, options)
        ids.append(child)
    return ids


def become(folder: Path, options: dict[str, Any]) -> None:
    """End this process as a run of its own would."""
    status = 9
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        toy_engine.run(folder, **options)
        status = 0
    except SslskelError as fault:
        status = fault.exit_code
    finally:
        os._exit(status)


def ended(ids: list[int], seconds: float) -> list[int | None]:
    """Exit code of each; None where one had to be killed."""
    codes: list[int | None] = []
    until = time.monotonic() + seconds
    for child in ids:
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                codes.append(os.waitstatus_to_exitcode(status))
                break
            if time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                codes.append(None)
                break
            time.sleep(0.01)
    return codes


def killed_after(work: Callable[[], None], seconds: float) -> None:
    """Fork, do the work there, and kill it after so many seconds."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def steps_written(folder: Path) -> int:
    """Last step in a run's metrics; 0 where there is none."""
    try:
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        return int(json.loads(lines[-1])["step"])
    except (OSError, ValueError, IndexError):
        return 0


def apart(one: Path, other: Path) -> float:
    """Largest difference of a weight between two checkpoints."""
    a, b = (load_file(path / "model.safetensors") for path in (one, other))
    assert load_weights(other).keys() == a.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


def killed_while_writing(work: Callable[[], object]) -> None:
    """Fork and do the work there until its first bytes are on their way to the disk; that moment it is killed."""
    child = os.fork()
    if child == 0:
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it ended without writing through to the disk"


def failing_sync(number: int, after: int = 0) -> Callable[[int], None]:
    """An ``os.fsync`` that fails with this error number from a certain call on."""
    sync, calls = os.fsync, [0]

    def fail(handle: int) -> None:
        calls[0] += 1
        if calls[0] > after:
            raise OSError(number, os.strerror(number))
        sync(handle)

    return fail


@contextmanager
def small_disk(place: Path, kibibytes: int) -> Iterator[Path]:
    """A tmpfs of that size; ``PermissionError`` where mounting is not allowed."""
    place.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
        raise PermissionError("mounting a tmpfs is not permitted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
