"""Seconds and bytes that reading one input may take; what goes beyond ends in an exception of its own."""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

SECONDS = 10.0
"""Of processor time."""
WAITED = 300.0
"""Of a clock on the wall: nothing may wait for what never comes."""
BYTES = 1 << 30


class TooMuch(BaseException):
    """Reading took longer than it may; no handler of the product catches it."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Inside, reading that takes too long raises ``TooMuch``, and memory beyond the limit ``MemoryError``."""

    def ring(number: int, frame: object) -> None:
        what = f"{SECONDS:g} s of work" if number == signal.SIGPROF else f"{WAITED:g} s of waiting"
        raise TooMuch(f"took more than {what}")

    before = {number: signal.signal(number, ring) for number in (signal.SIGPROF, signal.SIGALRM)}
    held = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES, held[1]))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAITED)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, held)
        for number, handler in before.items():
            signal.signal(number, handler)


def ran_out_of_memory(fault: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is that memory ran out."""
    while fault is not None:
        if isinstance(fault, MemoryError):
            return True
        fault = fault.__cause__ or fault.__context__
    return False
