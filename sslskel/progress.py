"""How long-running work reports progress: one interface for all of it. Imports neither torch nor rich."""

from __future__ import annotations

from typing import Final, Protocol


class Reporter(Protocol):
    """Receives progress, and decides what to show of it and how often."""

    def line(self, text: str) -> None:
        """One sentence for a person."""
        ...

    def step(self, what: str, done: int, of: int, /, **detail: object) -> None:
        """``done`` of ``of`` steps of a piece of work, ``of`` 0 where the total is unknown; details by name."""
        ...


class _Silent:
    """Shows nothing."""

    def line(self, text: str) -> None:
        """Show nothing."""

    def step(self, what: str, done: int, of: int, /, **detail: object) -> None:
        """Show nothing."""


SILENT: Final[Reporter] = _Silent()
