"""Claims: a file says that a live process is doing a piece of work, so that no other one starts it.

A claim never protects a result (records are written once whatever happens); it saves work.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sslskel.files import file_system_time, publish, read_json

BEAT_SECONDS = 30.0
SILENT_SECONDS = 1800.0
"""A claim that was not renewed for this long belongs to a process that is dead, or to none."""
FUTURE_SECONDS = 2 * BEAT_SECONDS
"""A claim of another machine that is this far ahead of the file system's clock was not renewed since that went back."""
NOTE = ".unfinished"
"""Suffix of what a claim is called once an error has ended the work."""


class Claim:
    """A held piece of work; entering it keeps it alive, leaving it gives it back.

    Where it is left by an error the work is still due: a note stays, which holds nothing and tells
    :func:`noted` what the same command will need.
    """

    def __init__(self, path: Path, token: str, note: Path | None = None) -> None:
        self._path, self._token, self._note = path, token, note
        self._left = threading.Event()

    def __enter__(self) -> Claim:
        threading.Thread(target=self._beat, name="claim", daemon=True).start()
        return self

    def __exit__(self, fault: type[BaseException] | None, *_: object) -> None:
        self._left.set()
        if _read(self._path).token != self._token:
            return
        if self._note is not None and fault is not None:
            # A new name for the old file, since a full disk takes no new file.
            with contextlib.suppress(OSError):
                self._path.replace(self._note)
                return
        self._path.unlink(missing_ok=True)
        if self._note is not None:
            self._note.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._left.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(self._path)


@dataclass(frozen=True)
class Holder:
    """Who holds or held a piece of work, as the claim's file says; all but ``path`` is empty where it says nothing."""

    path: Path
    pid: int = 0
    host: str = ""
    space: str = ""
    started: str = ""
    since: str = ""
    token: str = ""
    needs: tuple[str, ...] | None = None
    """Identities of the pretrainings that the work needs; None where that is not said."""
    alive: bool = False
    """Whether somebody may be at work behind it."""

    def __str__(self) -> str:
        if not self.host:
            return f"{self.path}, which does not say who made it"
        since = f" since {self.since}" if self.since else ""
        return f"process {self.pid} of {self.host}, which holds {self.path}{since}"


def take(path: Path, needs: Sequence[str] | None = None) -> Claim | None:
    """Claim the work that ``path`` stands for; None while another live process holds it.

    A claim of a process that died on this machine is taken over at once, one that was not renewed for half an
    hour whoever made it, and so is one from a time that is still to come, or what is no file. ``needs`` are the
    identities of pretrainings that must stay until the work is done. Raises ``OSError``.
    """
    token = uuid.uuid4().hex
    holder: dict[str, object] = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "space": _pid_space(),
        "started": _start_time(os.getpid()),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "token": token,
    }
    if needs is not None:
        holder["needs"] = list(needs)
    content = (json.dumps(holder, indent=1) + "\n").encode()
    for _ in range(2):
        if publish(path, content):
            return Claim(path, token, path.with_suffix(NOTE) if needs else None)
        if os.path.lexists(path) and not _abandoned(path):
            return None
        with _alone(path.with_name(".takeover")):
            # Looked at again: while this process waited, another may have taken it over. A claim that is gone is
            # not abandoned: by the time it is removed, a living process may have put its own there.
            if _abandoned(path):
                _remove(path)
    return None


def holder_of(path: Path) -> Holder:
    """Who holds the claim at ``path``."""
    return _read(path)


def noted(folder: Path) -> list[Holder]:
    """All claims in a folder, held or not, and notes of work that an error ended. Raises ``OSError``."""
    try:
        files = sorted(Path(entry.path) for entry in os.scandir(folder) if not entry.name.startswith("."))
    except FileNotFoundError:
        return []
    return [replace(_read(file), alive=_may_live(file)) for file in files if file.suffix in (".json", NOTE)]


def _may_live(path: Path) -> bool:
    """Whether a process may be at work behind a claim, asleep or stopped ones included."""
    if path.suffix == NOTE:
        return False
    try:
        return not _abandoned(path) or _runs_here(_read(path))
    except OSError:
        # Its age is unknown in a folder that cannot be written.
        return True


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as fault:
        if path.is_dir():
            raise OSError(fault.errno, f"{path.name} is a folder, where a claim was expected; remove it") from fault
        raise


def _abandoned(path: Path) -> bool:
    """True where a claim is there and nobody is at work behind it any more."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            # No process claims work with a link, a pipe or a folder.
            return True
    except FileNotFoundError:
        return False
    holder, silence = _read(path), _silence(path)
    if silence > SILENT_SECONDS:
        return True
    return not _runs_here(holder) if _is_from_here(holder) else silence < -FUTURE_SECONDS


def _is_from_here(holder: Holder) -> bool:
    return holder.host == socket.gethostname() and holder.space == _pid_space()


def _runs_here(holder: Holder) -> bool:
    return _is_from_here(holder) and _start_time(holder.pid) == holder.started


def _read(path: Path) -> Holder:
    """Who holds a claim; nobody where the file is gone or says nothing usable."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return Holder(path)
    if not isinstance(content, dict) or not isinstance(content.get("pid"), int):
        return Holder(path)
    texts = {name: content.get(name, "") for name in ("host", "space", "started", "since", "token")}
    if not all(isinstance(text, str) for text in texts.values()) or not texts["started"]:
        return Holder(path)
    needs = content.get("needs")
    if not isinstance(needs, list) or not all(isinstance(one, str) for one in needs):
        return Holder(path, content["pid"], **texts)
    return Holder(path, content["pid"], **texts, needs=tuple(needs))


def _silence(path: Path) -> float:
    """Seconds since a claim was renewed, by the clock of the file system; 0 where it is gone."""
    try:
        return file_system_time(path.parent) - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


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
    # Not waited for, should it be a pipe.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
    try:
        # A file system without locks: two takeovers may meet, and the work is then done twice, not wrongly.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
