"""How long work reports its progress: one interface for all that takes long. Imports neither torch nor rich."""

from __future__ import annotations

from typing import Final, Protocol


class Reporter(Protocol):
    """Gets progress; decides itself what it shows of that, and how often."""

    def line(self, text: str) -> None:
        """One sentence for a person."""
        ...

    def step(self, what: str, done: int, of: int, /, **detail: object) -> None:
        """``done`` of ``of`` steps of a piece of work, ``of`` 0 where the number is not known; details by name."""
        ...


class _Silent:
    """Shows nothing."""

    def line(self, text: str) -> None:
        """Show nothing."""

    def step(self, what: str, done: int, of: int, /, **detail: object) -> None:
        """Show nothing."""


SILENT: Final[Reporter] = _Silent()
