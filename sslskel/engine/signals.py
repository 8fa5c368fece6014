"""Turns Ctrl-C and a scheduler's signals into a request to stop after the current step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

from sslskel.errors import Interrupted

INTERRUPTED = 130
PREEMPTED = 75
"""Exit code that asks a scheduler to queue the job again (EX_TEMPFAIL)."""
CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: PREEMPTED, signal.SIGUSR1: PREEMPTED}


class StopRequest:
    """While active in the main thread, a signal is remembered; a second Ctrl-C interrupts at once.

    Leaving it puts the former handlers back.
    """

    def __init__(self) -> None:
        self.code = 0
        """Exit code asked for; 0 while nothing was."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in CODES:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and self.code == INTERRUPTED:
            raise KeyboardInterrupt
        self.code = max(self.code, CODES[signal.Signals(number)])

    @property
    def flags(self) -> tuple[float, float]:
        """(Ctrl-C, scheduler) as numbers that processes can add up."""
        return float(self.code == INTERRUPTED), float(self.code == PREEMPTED)


@contextlib.contextmanager
def stop_at_once() -> Iterator[None]:
    """Outside the training loop a scheduler's signal ends the command with its exit code, and nothing is half-done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        fault = Interrupted(f"stopped by {signal.Signals(number).name}; the same command continues")
        fault.exit_code = PREEMPTED
        raise fault

    before = {number: signal.signal(number, stop) for number, code in CODES.items() if code == PREEMPTED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupted(code: int, where: str) -> Interrupted:
    """The error to raise once the state is safe on disk; its ``exit_code`` is 130 or 75."""
    fault = Interrupted(f"stopped on request; {where}; the same command continues")
    fault.exit_code = code
    return fault
