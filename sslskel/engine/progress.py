"""Progress for a person: live bars on a terminal, plain lines elsewhere. Imports no torch."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PLAIN_SECONDS = 15.0


class Reporter:
    """Shows ``say`` lines and ``advance`` calls on stderr; use it as a context manager."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live = self._console.is_terminal
        self._bars = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task: tuple[str, TaskID] | None = None
        self._told = time.monotonic()

    def __enter__(self) -> Reporter:
        if self._live:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._bars.stop()

    def say(self, text: str) -> None:
        """One line."""
        if self._live:
            self._bars.console.print(text, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def advance(self, what: str, done: int, of: int, **detail: Any) -> None:
        """``done`` of ``of`` steps; details are shown as ``name value``."""
        text = "  ".join(f"{name} {_short(value)}" for name, value in detail.items())
        if self._live:
            if self._task is None or self._task[0] != what:
                if self._task is not None:
                    self._bars.remove_task(self._task[1])
                self._task = (what, self._bars.add_task(what, total=of, detail=text))
            self._bars.update(self._task[1], completed=done, total=of, detail=text)
        elif time.monotonic() - self._told > PLAIN_SECONDS:
            self._told = time.monotonic()
            print(f"  {what} {done}/{of}  {text}".rstrip(), file=sys.stderr, flush=True)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
