"""Runs the pieces of an import on all cores, and gives the results back in order, few of them at a time.

An importer decides what a piece is made of; the journal keeps what is done.
"""

from __future__ import annotations

import hashlib
import importlib.util
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from sslskel.data.sources.archives import SourceFile
from sslskel.data.sources.pieces import Made, Piece
from sslskel.errors import DataError, RunError
from sslskel.plugins.local import install

TASK_BYTES = 4 << 20
"""Bytes of source that are handed to a process at once, unless one piece alone has more."""
TASK_PIECES = 64
AHEAD = 2
"""Tasks per process that may be under way or waiting to be written; bounds the memory."""


class PieceResult(NamedTuple):
    """What became of a piece: what it made, or the sentence that says why not; and the sha256 of its files."""

    made: Made
    fault: str
    digests: tuple[bytes, ...]


def tasks_of(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Consecutive pieces, bundled so that handing them over costs little."""
    tasks: list[list[Piece]] = []
    room = 0
    for piece in pieces:
        if not tasks or piece.size > room or len(tasks[-1]) >= TASK_PIECES:
            tasks.append([])
            room = TASK_BYTES
        tasks[-1].append(piece)
        room -= piece.size
    return tasks


def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def outcomes(tasks: Sequence[Sequence[Piece]], workers: int) -> Iterator[list[PieceResult]]:
    """What each task gave, in order. ``workers=1`` does everything in this process.

    Raises ``RunError`` where a process dies.
    """
    workers = min(workers, len(tasks))
    if workers <= 1 or not all(_importable(piece.make) for piece in tasks[0]):
        yield from map(run, tasks)
        return
    # Not forked: threads that hash archives may hold locks, and a script may hold a GPU.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start)
    try:
        waiting: deque[Future[list[PieceResult]]] = deque()
        left = iter(tasks)
        for task in left:
            waiting.append(pool.submit(run, _shipped(task)))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as fault:
        raise RunError(
            "a process of the import died (killed, or out of memory); run the same command again, which continues,"
            " and call sslskel.prepare from a script only below `if __name__ == '__main__':`, or with workers=1"
        ) from fault
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def run(task: Iterable[Piece]) -> list[PieceResult]:
    """Make the clips of some pieces; a damaged file is an outcome like another."""
    return [_outcome(piece) for piece in task]


def _outcome(piece: Piece) -> PieceResult:
    read = [_Watched(file.load) for file in piece.files]
    watched = [replace(file, load=load, saw=None) for file, load in zip(piece.files, read, strict=True)]
    made, fault = Made(), ""
    try:
        made = piece.make(*watched)
    except DataError as damage:
        fault = str(damage)
    return PieceResult(made, fault, tuple(load.digest for load in read))


@dataclass
class _Watched:
    """Loads a file and remembers the sha256 of what came."""

    load: Callable[[], bytes]
    digest: bytes = b""

    def __call__(self) -> bytes:
        data = self.load()
        self.digest = hashlib.sha256(data).digest()
        return data


def _shipped(task: Iterable[Piece]) -> list[Piece]:
    """The same pieces as another process can read them."""
    return [replace(piece, files=tuple(map(_portable, piece.files))) for piece in task]


def _portable(file: SourceFile) -> SourceFile:
    if file.portable:
        return replace(file, saw=None)
    return replace(file, load=partial(bytes, file.load()), saw=None)


def _importable(make: Callable[..., Any]) -> bool:
    """Whether a fresh process finds the function: not one of a script, nor of a plugin that was loaded by its path."""
    while isinstance(make, partial):
        make = make.func
    module = getattr(make, "__module__", "__main__")
    try:
        return module != "__main__" and importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _start() -> None:
    """In a new process: find local plugins, leave Ctrl-C to the parent, and end when it ends, however it does."""
    install()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
