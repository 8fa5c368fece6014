"""Turns Ctrl-C and a scheduler's signals into a wish to stop after the current step."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from sslskel.errors import Interrupted

PREEMPTED = 75
"""Exit code that asks a scheduler to queue the job again (EX_TEMPFAIL)."""


class StopWish:
    """While active, the first signal is remembered; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.code = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopWish:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and self.code:
            raise KeyboardInterrupt
        self.code = 130 if number == signal.SIGINT else PREEMPTED

    def interrupted(self, where: str) -> Interrupted:
        """The error to raise once the state is safe on disk."""
        fault = Interrupted(f"stopped on request; {where}; the same command continues")
        fault.exit_code = self.code
        return fault
