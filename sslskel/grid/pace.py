"""How far a grid is and how long the rest will take, at the pace so far."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sslskel.results.record import Record
from sslskel.text import duration, percent


class Pace:
    """Times the cells of a grid; those that need a pretraining of their own are counted apart from the others.

    ``encoders`` name what each cell is of that is still to be run, in the order in which they run; cells of one
    name share a pretraining.
    """

    def __init__(self, encoders: Sequence[str]) -> None:
        self._due, self._known = list(encoders), set[str]()
        self._spent: dict[bool, list[float]] = {True: [], False: []}
        self._began = time.monotonic()

    def start(self) -> None:
        """A cell begins."""
        self._began = time.monotonic()

    def end(self, encoder: str) -> None:
        """A cell that was to be run has ended."""
        self._spent[encoder not in self._known].append(time.monotonic() - self._began)
        self._known.add(encoder)
        if encoder in self._due:
            self._due.remove(encoder)

    def left(self) -> str:
        """``, about 12 min left``; empty before the first cell has ended and after the last."""
        if not self._due or not any(self._spent.values()):
            return ""
        spent = [seconds for both in self._spent.values() for seconds in both]
        mean = {new: sum(own) / len(own) if own else sum(spent) / len(spent) for new, own in self._spent.items()}
        new = len({*self._due} - self._known)
        return f", about {duration(new * mean[True] + (len(self._due) - new) * mean[False])} left"


def scored(record: Record) -> str:
    """``top1 48.3 %``, the score that a board shows."""
    return f"{record.primary} {percent(record.scores[record.primary])} %"
