"""Options that contrastive methods share, and what they ask of every batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from sslskel.config.groups import EmptyBodies, Stream, require

EMPTY_BODIES_COUNT: Mapping[str, str] = {
    "missing_persons_do_not_matter": "as released, zeros of missing persons take part in batch statistics and means;"
    " method.empty_bodies=present leaves them out"
}
"""``expected_failed_checks`` of methods that feed every person slot."""


@dataclass
class ContrastConfig:
    """Momentum contrast as most released codes set it."""

    dim: int = 128
    """Numbers of an embedding."""
    queue: int = 16384
    """Past keys that a query is compared with; at least the clips of a step."""
    momentum: float = 0.999
    """Share of its own weights that a key encoder keeps in a step."""
    temperature: float = 0.07
    """Similarities of a query to its key and to the queue are divided by it."""
    empty_bodies: EmptyBodies = EmptyBodies.reference

    def __post_init__(self) -> None:
        for name in ("dim", "queue"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(0 <= self.momentum <= 1, f"method.momentum is {self.momentum}; it must be in [0, 1]")
        require_temperature("temperature", self.temperature)


def require_temperature(name: str, value: float) -> None:
    """Raise ``UsageError`` unless the option is a temperature."""
    require(0 < value < math.inf, f"method.{name} is {value}; it must be a positive number")


def require_distillation(teacher_temperature: float, student_temperature: float, weight: float) -> None:
    """Raise ``UsageError`` unless these options can weigh and soften what a student learns from a teacher."""
    require_temperature("teacher_temperature", teacher_temperature)
    require_temperature("student_temperature", student_temperature)
    require_weight("distil_weight", weight)


def require_weight(name: str, value: float) -> None:
    """Raise ``UsageError`` unless the option can weigh a term of the loss."""
    require(0 <= value < math.inf, f"method.{name} is {value}; it must be a number from 0")


def require_shear(value: float) -> None:
    """Raise ``UsageError`` unless the option is the amplitude of a shear."""
    require(0 <= value < math.inf, f"method.shear is {value}; it must be a number from 0")


def require_mining(value: float) -> None:
    """Raise ``UsageError`` unless the option is an epoch from which neighbours are mined."""
    require(0 <= value < math.inf, f"method.mining_epoch is {value}; it must be an epoch from 0")


def require_queue(queue: int, clips: int) -> None:
    """Raise ``UsageError`` where a step brings more keys than the queue holds."""
    require(
        clips <= queue,
        f"method.queue={queue} is shorter than the {clips} clips of a step; use a longer queue or a smaller"
        " train.batch_size",
    )


def require_streams(streams: list[Stream], most: int) -> None:
    """Raise ``UsageError`` unless 1 to ``most`` different streams are named."""
    names = ", ".join(stream.value for stream in streams) or "none"
    require(
        1 <= len(streams) <= most and len(set(streams)) == len(streams),
        f"method.streams names {names}; it must name 1 to {most} of joint, motion and bone, each once",
    )


def decay_all(method: nn.Module) -> list[dict[str, Any]]:
    """One optimiser group of everything trained: released contrastive codes decay biases and gains too."""
    return [{"params": [p for p in method.parameters() if p.requires_grad]}]
