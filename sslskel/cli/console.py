"""Progress for a person: live bars on a terminal, plain lines in files and logs. Imports no torch.

What is reported, and how often, the caller decides; how much of it is shown is decided here.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from sslskel.cli.streams import clean_streams
from sslskel.text import plain

PLAIN_SECONDS = (10.0, 300.0)
"""Shortest and longest time between plain lines of one task; it doubles with each line."""


class ConsoleReporter:
    """Shows lines and steps on stderr; use it as a context manager.

    On a terminal something always moves: a bar, or else how long it has been silent since the last line.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live, self._shows = self._console.is_terminal, os.environ.get("RANK", "0") == "0"
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            _OfSteps(BarColumn(bar_width=24)),
            _OfSteps(TextColumn("{task.completed}/{task.total}")),
            TextColumn("{task.fields[detail]}", markup=False),
            _OfSteps(TimeRemainingColumn(), TimeElapsedColumn()),
            console=self._console,
            transient=True,
        )
        self._task: _Task | None = None
        self._silence: TaskID | None = None
        self._held = ExitStack()

    def __enter__(self) -> ConsoleReporter:
        if self._live:
            self._bars.start()
            # Rich takes the streams for its own while bars are shown; nothing is drawn before they are clean again,
            # since Rich's own control characters would be shown as text.
            self._held.enter_context(clean_streams())
            if self._shows:
                self._silence = self._bars.add_task("working", total=None, detail="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()
        if self._live:
            self._bars.stop()

    def line(self, text: str) -> None:
        """One line; of several processes of one run only the first shows it."""
        if not self._shows:
            return
        if self._live:
            self._bars.console.print(plain(text), markup=False)
            self._wait()
        else:
            print(text, file=sys.stderr, flush=True)

    def step(self, what: str, done: int, of: int, /, **detail: object) -> None:
        """``done`` of ``of`` steps; details are shown as ``name value``."""
        what, text = plain(what), plain("  ".join(f"{name} {_short(value)}" for name, value in detail.items()))
        task = self._task
        if task is None or task.what != what or task.of != of or done < task.done:
            task = self._task = self._begin(what, done, of, text)
        task.done = done
        if task.bar is not None:
            self._bars.update(task.bar, completed=done, detail=text)
            if done >= of:
                self._wait()
        elif task.is_due():
            print(f"  {what} {done}/{of}  {text}  {task.left()}".rstrip(), file=sys.stderr, flush=True)

    def refresh(self) -> None:
        """Draw what is shown on a terminal now; it is drawn ten times a second by itself."""
        self._bars.refresh()

    def _begin(self, what: str, done: int, of: int, text: str) -> _Task:
        if not self._live:
            return _Task(what, done, of, None)
        self._remove_bar()
        if self._silence is not None:
            self._bars.update(self._silence, visible=False)
        return _Task(what, done, of, self._bars.add_task(what, total=of, completed=done, detail=text))

    def _wait(self) -> None:
        """Show how long it takes until the next line or step, in place of a bar that has ended."""
        if self._task is not None and self._task.done < self._task.of:
            return
        self._remove_bar()
        self._task = None
        if self._silence is not None:
            self._bars.reset(self._silence, total=None, visible=True)

    def _remove_bar(self) -> None:
        if self._task is not None and self._task.bar is not None:
            self._bars.remove_task(self._task.bar)


class _OfSteps(ProgressColumn):
    """A column of tasks whose steps are counted; others have another one, or nothing."""

    def __init__(self, counted: ProgressColumn, other: ProgressColumn | None = None) -> None:
        super().__init__()
        self._counted, self._other = counted, other

    def render(self, task: Task) -> RenderableType:
        """What the column of this kind of task shows."""
        column = self._other if task.total is None else self._counted
        return Text("") if column is None else column(task)


class _Task:
    """One thing that advances, and when it was last shown."""

    def __init__(self, what: str, done: int, of: int, bar: TaskID | None) -> None:
        self.what, self.done, self.of, self.bar = what, done, of, bar
        self._start, self._began = done, time.monotonic()
        self._shown, self._pause = self._began, PLAIN_SECONDS[0]

    def is_due(self) -> bool:
        """Whether a plain line is due now; asking counts as showing."""
        now = time.monotonic()
        if now - self._shown < self._pause:
            return False
        self._shown, self._pause = now, min(2 * self._pause, PLAIN_SECONDS[1])
        return True

    def left(self) -> str:
        """Time left at the speed so far, such as ``1:05:00 left``; empty where nothing is known."""
        if self.done <= self._start:
            return ""
        seconds = round((time.monotonic() - self._began) * (self.of - self.done) / (self.done - self._start))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} left"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
