"""Why cells failed: a note for each attempt, and the traceback of an error that nobody foresaw.

Notes hold nothing back: the cell stays due, and they go once it has a record.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslskel.files import publish, read_json, writing_in

FOLDER = "failures"
_NOTE = re.compile(r"([0-9a-f]{1,64})-(\d{1,9})\.json")


@dataclass(frozen=True)
class FailedCell:
    """A cell as its notes name it."""

    title: str
    """``METHOD on BENCHMARK/SPLIT, seed 0, PROTOCOL``."""
    benchmark: str
    """``NAME/SPLIT`` that it was to be judged on."""
    protocol: str
    """Empty for a pretraining alone."""
    method: str = ""
    """Empty in notes of early versions."""


@dataclass(frozen=True)
class Failure:
    """The last note of a cell."""

    identity: str
    cell: FailedCell
    message: str
    trace: str
    """File of the traceback, below the results folder; empty where there is none."""

    def words(self, folder: Path) -> str:
        """Why it failed, and where the traceback is; ``folder`` is the results folder."""
        return f"{self.message} (traceback in {folder / self.trace})" if self.trace else self.message


def note(
    folder: Path, identity: str, fault: BaseException, command: str, cell: FailedCell | None = None, *, trace: bool
) -> Path:
    """Note why a cell failed, with its traceback where ``trace``; returns the note's file.

    Raises ``RunError`` where the results folder takes no file.
    """
    content = {
        "identity": identity,
        "error": type(fault).__name__,
        "message": str(fault),
        "command": command,
        "host": socket.gethostname(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    if cell is not None:
        content |= {"cell": cell.title, "benchmark": cell.benchmark, "protocol": cell.protocol, "method": cell.method}
    with writing_in(folder, "a note of a failure"):
        if trace:
            text = "".join(traceback.format_exception(fault)).encode("utf-8", "backslashreplace")
            # Named by its content: attempts that end alike share a file, and none changes that of another.
            content["traceback"] = f"{identity}-{hashlib.sha256(text).hexdigest()[:12]}.txt"
            publish(folder / FOLDER / content["traceback"], text, replace_existing=True)
        encoded, attempt = (json.dumps(content, indent=1) + "\n").encode(), 1
        while not publish(path := folder / FOLDER / f"{identity}-{attempt}.json", encoded):
            attempt += 1
    return path


def attempts(folder: Path, identity: str) -> dict[int, Path]:
    """The notes of a cell by number."""
    named = re.compile(rf"{re.escape(identity)}-(\d{{1,9}})\.json")
    paths = (folder / FOLDER).glob(f"{identity}-*.json")
    return {int(match[1]): path for path in paths if (match := named.fullmatch(path.name))}


def last(folder: Path, identity: str) -> dict[str, Any]:
    """What the last note of a cell says; empty where there is none."""
    for _, path in sorted(attempts(folder, identity).items(), reverse=True):
        if content := _read(path):
            return content
    return {}


def forget(folder: Path, identity: str) -> None:
    """Remove all notes and tracebacks of a cell, which has succeeded."""
    traces = re.compile(rf"{re.escape(identity)}-[0-9a-f]{{12}}\.txt")
    own = [path for path in (folder / FOLDER).glob(f"{identity}-*.txt") if traces.fullmatch(path.name)]
    for path in (*attempts(folder, identity).values(), *own):
        # One that cannot be removed is passed over by boards, since its cell has a record.
        with contextlib.suppress(OSError):
            path.unlink()


def failures(folder: Path) -> list[Failure]:
    """The last failure of every cell that a note names, by title; notes of early versions name no cell."""
    matches = (_NOTE.fullmatch(path.name) for path in (folder / FOLDER).glob("*.json"))
    newest: dict[str, int] = {}
    for match in filter(None, matches):
        newest[match[1]] = max(int(match[2]), newest.get(match[1], 0))
    known = (failure_in(folder / FOLDER / f"{identity}-{number}.json") for identity, number in newest.items())
    return sorted((one for one in known if one), key=lambda one: (one.cell.title, one.identity))


def failure_in(path: Path) -> Failure | None:
    """What a note's file says; None where it names no cell."""
    match, content = _NOTE.fullmatch(path.name), _read(path)
    facts = [content.get(name) for name in ("cell", "benchmark", "protocol", "message")]
    if match is None or not all(isinstance(fact, str) for fact in facts):
        return None
    title, benchmark, protocol, message = map(str, facts)
    trace = content.get("traceback")
    own = isinstance(trace, str) and re.fullmatch(rf"{match[1]}-[0-9a-f]{{12}}\.txt", trace)
    method = content.get("method")
    cell = FailedCell(title, benchmark, protocol, method if isinstance(method, str) else "")
    return Failure(match[1], cell, message, f"{FOLDER}/{trace}" if own else "")


def _read(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        content = read_json(path)
        if isinstance(content, dict):
            return content
    return {}
