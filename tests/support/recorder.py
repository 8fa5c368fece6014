"""A reporter that keeps what it is given, for tests."""

from __future__ import annotations


class Recorder:
    """Keeps all lines and steps."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[tuple[str, int, int]] = []
        self.details: list[dict[str, object]] = []

    def line(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)

    def step(self, what: str, done: int, of: int, /, **detail: object) -> None:
        """Keep a step."""
        self.steps.append((what, done, of))
        self.details.append(detail)


class Interrupter(Recorder):
    """Behaves as Ctrl-C after so many steps."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def step(self, what: str, done: int, of: int, /, **detail: object) -> None:
        """Keep a step, or raise ``KeyboardInterrupt``."""
        super().step(what, done, of, **detail)
        if done == self.after:
            raise KeyboardInterrupt
