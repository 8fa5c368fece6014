"""Values that change over training, as functions of progress, without state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from sslskel.api.method import Progress


class StepSchedule(Protocol):
    """A value for every step."""

    def at(self, progress: Progress) -> float:
        """Its value in this step."""
        ...


@dataclass(frozen=True)
class ConstantSchedule:
    """The same number in all steps."""

    value: float

    def at(self, progress: Progress) -> float:
        """The value."""
        return self.value


@dataclass(frozen=True)
class LinearSchedule:
    """From ``start`` to ``end`` along a line, step by step; constant before and after."""

    start: float
    end: float
    first_epoch: float = 0.0
    last_epoch: float = 0.0
    """Epoch at which ``end`` is reached; 0 for the end of training."""

    def at(self, progress: Progress) -> float:
        """Its value in this step."""
        return self.start + (self.end - self.start) * _share(progress, self.first_epoch, self.last_epoch)


@dataclass(frozen=True)
class CosineSchedule:
    """From ``start`` to ``end`` along half a cosine, step by step; constant before and after."""

    start: float
    end: float
    first_epoch: float = 0.0
    last_epoch: float = 0.0
    """Epoch at which ``end`` is reached; 0 for the end of training."""

    def at(self, progress: Progress) -> float:
        """Its value in this step."""
        turn = math.cos(math.pi * _share(progress, self.first_epoch, self.last_epoch))
        return self.end + (self.start - self.end) * 0.5 * (1 + turn)


def _share(progress: Progress, first: float, last: float) -> float:
    """Fraction of the way from epoch ``first`` to ``last``, 0 to 1."""
    span = (last or progress.epochs) - first
    return min(max((progress.epoch - first) / span, 0.0), 1.0) if span > 0 else float(progress.epoch >= first)
