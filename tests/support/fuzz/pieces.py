"""Many inputs in pieces, each in a process of its own: a crash is a fault like others, and counts are kept in files."""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fuzz.oracle import FAULT
from fuzz.specimens import Reader
from fuzz.trial import Fault, tried

PIECE = 50
"""Inputs of a piece."""
SILENT = 1800.0
"""Seconds after which a piece that never ends is ended, and is a fault."""


class Piece(NamedTuple):
    """A range of inputs of one reader."""

    reader: Reader
    begin: int
    end: int

    @property
    def name(self) -> str:
        """Of the file of its counts."""
        return f"{self.reader.name.replace(' ', '-').replace(',', '')}-{self.begin}-{self.end}.json"


class Ended(NamedTuple):
    """What came of the inputs of a piece."""

    piece: Piece
    counts: Counter[str]
    faults: list[Fault]


def pieces_of(readers: Sequence[Reader], inputs: int, seed: int, size: int = PIECE) -> list[Piece]:
    """As many inputs of all readers together, the same number of each; ``seed`` says which."""
    share, more = divmod(inputs, len(readers))
    made = []
    for place, reader in enumerate(readers):
        begin, end = seed * 10_000_000, seed * 10_000_000 + share + (place < more)
        made += [Piece(reader, at, min(at + size, end)) for at in range(begin, end, size)]
    return sorted(made, key=lambda piece: piece.begin)


def run(pieces: Sequence[Piece], folder: Path, place: Path, workers: int = 1) -> Iterator[Ended]:
    """Run pieces, some at a time, in ``place``; those whose counts are in ``folder`` are not run again."""
    waiting, running = list(reversed(pieces)), {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                piece = waiting.pop()
                if (ended := _kept(folder, piece)) is not None:
                    yield ended
                    continue
                at = mmap.mmap(-1, 8)
                running[_started(piece, folder, place / f"{len(waiting)}", at)] = piece, at, time.monotonic()
            for late in [pid for pid, (*_, began) in running.items() if time.monotonic() - began > SILENT]:
                os.kill(late, signal.SIGKILL)
            if not running:
                continue
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                time.sleep(0.02)
                continue
            piece, at, _ = running.pop(pid)
            if status:
                waiting += _after_a_crash(piece, struct.unpack("q", at[:8])[0], status, folder)
            elif (ended := _kept(folder, piece)) is not None:
                yield ended
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _started(piece: Piece, folder: Path, place: Path, at: mmap.mmap) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:

        def numbers() -> Iterator[int]:
            for number in range(piece.begin, piece.end):
                at[:8] = struct.pack("q", number)
                yield number

        counts, faults = tried(piece.reader, numbers(), place)
        _keep(folder, Ended(piece, counts, faults))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _after_a_crash(piece: Piece, number: int, status: int, folder: Path) -> list[Piece]:
    """What is left of a piece whose process ended at an input, which is kept as a fault."""
    ending = os.waitstatus_to_exitcode(status)
    why = f"ended the process ({signal.Signals(-ending).name if ending < 0 else ending})"
    fault = Fault(piece.reader.name, number, "", why)
    crashed = Piece(piece.reader, number, number + 1)
    _keep(folder, Ended(crashed, Counter({FAULT: 1}), [fault]))
    parts = [Piece(piece.reader, piece.begin, number), crashed, Piece(piece.reader, number + 1, piece.end)]
    return [part for part in parts if part.begin < part.end]


def _keep(folder: Path, ended: Ended) -> None:
    path = folder / ended.piece.name
    content = {"counts": dict(ended.counts), "faults": [list(fault) for fault in ended.faults]}
    path.with_suffix(".part").write_text(json.dumps(content), encoding="utf-8")
    path.with_suffix(".part").replace(path)


def _kept(folder: Path, piece: Piece) -> Ended | None:
    try:
        content = json.loads((folder / piece.name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Ended(piece, Counter(content["counts"]), [Fault(*fault) for fault in content["faults"]])
