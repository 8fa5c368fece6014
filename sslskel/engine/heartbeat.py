"""Notices that another process of the run has stopped living, and ends this one so that the launcher ends all.

A process that dies is noticed by the connection it leaves; one that is frozen (stopped, swapped
out, on a machine that went away) keeps its connections open and would hold up all others
until the back end's own timeout, half an hour later.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator

import torch.distributed as dist

from sslskel.api.distributed import SharedStore, rank, shared_store, world_size
from sslskel.engine.elastic import CONTACT, SILENT, tell_launcher
from sslskel.errors import RunError

BEAT_SECONDS = 2.0
SILENT_SECONDS = float(os.environ.get("SSLSKEL_SILENT_SECONDS", "25"))
"""A process without a beat for this long counts as lost; ending the others takes up to half a minute more."""
LEAVE_SECONDS = 10.0
"""A process that ends waits this long for its last beat to come back."""
LEFT = 1 << 40
"""Added to the beats of a process that has ended as it should."""

_started = False


@contextlib.contextmanager
def contact() -> Iterator[None]:
    """Turn what a back end says when another process is gone into one sentence."""
    try:
        yield
    except RuntimeError as fault:
        message = str(fault)
        if world_size() == 1 or not (isinstance(fault, dist.DistError) or "gloo" in message or "NCCL" in message):
            raise
        raise RunError(
            f"{CONTACT} by process {rank()} ({' '.join(message.split())[:200]}); the same command continues from the"
            " newest checkpoint"
        ) from fault


def start_heartbeat() -> None:
    """Watch the next process of the ring from now on, once per process; nothing on one process."""
    global _started
    if _started or world_size() == 1:
        return
    _started = True
    store, leaving = shared_store("beats"), threading.Event()
    beats = threading.Thread(target=_beat, args=(store, rank(), world_size(), leaving), name="heartbeat", daemon=True)
    beats.start()
    atexit.register(_leave, store, rank(), leaving, beats)


def _beat(store: SharedStore, own: int, world: int, leaving: threading.Event) -> None:
    other, last, since = (own + 1) % world, -1, time.monotonic()
    while not leaving.is_set():
        try:
            store.add(str(own), 1)
            beats = store.add(str(other), 0)
        except RuntimeError:
            # The store went with the process or machine that held it; the connections tell the rest.
            return
        now = time.monotonic()
        if beats >= LEFT:
            return
        if beats != last:
            last, since = beats, now
        elif now - since > SILENT_SECONDS:
            _end(f"process {other} of the run {SILENT} for {now - since:.0f} s")
        leaving.wait(BEAT_SECONDS)


def _leave(store: SharedStore, own: int, leaving: threading.Event, beats: threading.Thread) -> None:
    # A thread that comes back from the store after the interpreter has closed aborts the process.
    leaving.set()
    beats.join(LEAVE_SECONDS)
    if beats.is_alive():
        return
    try:
        store.add(str(own), LEFT)
    except RuntimeError:
        return


def _end(reason: str) -> None:
    fault = RunError(f"{reason}; all others were stopped, and the same command continues from the newest checkpoint")
    if not tell_launcher(fault):
        print(f"sslskel: {fault}", file=sys.stderr, flush=True)
    # The main thread waits inside a collective that will not end.
    os._exit(1)
