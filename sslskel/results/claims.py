"""Claims: a file says that a live process is doing a piece of work, so that no other one starts it.

A claim never protects a result (records are written once whatever happens); it saves work.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sslskel.files import publish

BEAT_SECONDS = 30.0
SILENT_SECONDS = 1800.0
"""A claim of another machine that was not renewed for this long belongs to a dead process."""


class Claim:
    """A held piece of work; entering it keeps it alive, leaving it gives it back."""

    def __init__(self, path: Path, token: str) -> None:
        self._path, self._token = path, token
        self._left = threading.Event()

    def __enter__(self) -> Claim:
        threading.Thread(target=self._beat, name="claim", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        if _read(self._path).get("token") == self._token:
            self._path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._left.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(self._path)


def take(path: Path) -> Claim | None:
    """Claim the work that ``path`` stands for; None while another live process holds it.

    A claim of a process that died on this machine is taken over at once, one of another
    machine after half an hour without a renewal. Raises ``OSError``.
    """
    token = uuid.uuid4().hex
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "space": _pid_space(),
        "started": _start_time(os.getpid()),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "token": token,
    }
    content = (json.dumps(holder, indent=1) + "\n").encode()
    for _ in range(2):
        if publish(path, content):
            return Claim(path, token)
        if path.exists() and not _abandoned(path):
            return None
        with _alone(path.with_name(".takeover")):
            # Looked at again: while this process waited, another may have taken it over. A claim that is gone is
            # not abandoned: by the time it is removed, a living process may have put its own there.
            if _abandoned(path):
                path.unlink(missing_ok=True)
    return None


def _abandoned(path: Path) -> bool:
    """True where a claim exists whose process no longer runs."""
    holder = _read(path)
    if holder.get("host") != socket.gethostname() or holder.get("space") != _pid_space():
        return _silence(path) > SILENT_SECONDS
    return _start_time(holder["pid"]) != str(holder["started"])


def _read(path: Path) -> dict[str, Any]:
    """Who holds a claim; empty where the file is gone or says nothing usable."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return holder if isinstance(holder["pid"], int) and isinstance(holder["started"], str) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _silence(path: Path) -> float:
    """Seconds since a claim was renewed, by the clock of the file system; 0 where it is gone."""
    probe = path.with_name(f".clock-{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns()}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
    finally:
        probe.unlink(missing_ok=True)


def _pid_space() -> str:
    """Containers may share a host's name but not its process numbers; empty where that is unknown."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    """When a process started, so that a reused number is not taken for it; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    if os.name == "nt":
        return "unknown"
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return ""
    except PermissionError:
        pass
    return "alive"


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process of this machine at a time, where the system can tell; a dead one lets go by itself."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("a") as file:
        # A file system without locks: two takeovers may meet, and the work is then done twice, not wrongly.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
