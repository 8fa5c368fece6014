"""The results folder: one file per record, written once, by any number of processes at a time.

Nothing is shared between records, so folders of several machines can be joined by copying.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.errors import RunError, UsageError
from sslskel.results.record import Record, RecordError, parse_record


class ResultStore:
    """``records/``, ``predictions/``, ``failures/`` and ``claims/`` below one folder."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def path(self, identity: str) -> Path:
        """Where a record lies, or would."""
        return self.folder / "records" / f"{identity}.json"

    def has(self, identity: str) -> bool:
        """True where a sound record exists; a damaged one counts as missing."""
        try:
            self.read(identity)
        except (RecordError, UsageError):
            return False
        return True

    def read(self, identity: str) -> Record:
        """One record. Raises ``UsageError`` where it is missing, ``RecordError`` where it is damaged."""
        try:
            return _parse(self.path(identity))
        except OSError as fault:
            raise UsageError(f"there is no record {self.path(identity)}") from fault

    def read_all(self) -> tuple[list[Record], list[tuple[Path, str]]]:
        """Every sound record by identity, and (file, reason) of each one that is not."""
        records, problems = [], []
        for path in sorted((self.folder / "records").glob("*.json")):
            try:
                record = _parse(path)
                if record.identity != path.stem:
                    raise RecordError(f"field 'identity' is {record.identity!r}, but the file is called {path.stem}")
                records.append(record)
            except (RecordError, OSError) as fault:
                problems.append((path, str(fault)))
        return records, problems

    def write(self, record: Record, predictions: Mapping[str, npt.NDArray[Any]] | None = None) -> Record:
        """Keep a record and its predictions; returns what is on disk, which may be an earlier writer's.

        Predictions come first, so a record never points to a file that is not there. Raises
        ``RunError`` on a full disk; nothing is left under a final name.
        """
        with self._disk():
            if predictions is not None:
                content = io.BytesIO()
                np.savez_compressed(content, **predictions)  # type: ignore[arg-type]
                name = f"predictions/{record.identity}.npz"
                _publish(self.folder / name, content.getvalue(), replace_existing=True)
                digest = hashlib.sha256(content.getvalue()).hexdigest()
                record = replace(record, predictions={"file": name, "sha256": digest})
            damaged = self.path(record.identity).exists() and not self.has(record.identity)
            _publish(self.path(record.identity), record.to_json().encode(), replace_existing=damaged)
        return self.read(record.identity)

    def fail(self, identity: str, fault: BaseException, command: str = "") -> Path:
        """Note why a cell failed; the cell stays due."""
        content = {
            "identity": identity,
            "error": type(fault).__name__,
            "message": str(fault),
            "command": command,
            "host": socket.gethostname(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        with self._disk():
            attempt = 1 + len(list((self.folder / "failures").glob(f"{identity}-*.json")))
            path = self.folder / "failures" / f"{identity}-{attempt}.json"
            _publish(path, (json.dumps(content, indent=1) + "\n").encode(), replace_existing=True)
        return path

    def claim(self, identity: str) -> Claim | None:
        """Take a piece of work for this process; None while a live process holds it.

        A claim of a process that died on this host is taken over.
        """
        path = self.folder / "claims" / f"{identity}.json"
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "started": _start_time(os.getpid())}
        with self._disk():
            for _ in range(2):
                if _publish(path, json.dumps(holder).encode(), replace_existing=False):
                    return Claim(path)
                if not _abandoned(path):
                    return None
                path.unlink(missing_ok=True)
        return None

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            if fault.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RunError(
                    f"no space left to write in {self.folder}: free some, for instance with `sslskel runs prune`,"
                    " and give the same command again"
                ) from fault
            raise RunError(f"{self.folder} cannot be written: {fault}; make it writable or choose --output") from fault


class Claim:
    """A held piece of work; leaving the context gives it back."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


def _parse(path: Path) -> Record:
    try:
        return parse_record(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as fault:
        raise RecordError(f"not UTF-8 text: {fault}") from fault


def _publish(path: Path, content: bytes, *, replace_existing: bool) -> bool:
    """Let a file appear whole under its name; False where it exists and may not be replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace_existing:
            temporary.replace(path)
            return True
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        return True
    finally:
        temporary.unlink(missing_ok=True)


def _abandoned(path: Path) -> bool:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        if holder["host"] != socket.gethostname():
            return False
        return _start_time(int(holder["pid"])) != str(holder["started"])
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError):
        return True


def _start_time(pid: int) -> str:
    """When a process started, so that a reused number is not taken for it; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"
