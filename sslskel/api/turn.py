"""One of several optimisers that take turns in a step, as a method declares it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sslskel.errors import UsageError


@dataclass(frozen=True)
class Turn:
    """Parameters that are updated together, and how. In every step the turns are taken in order, on the same views
    and noise. Each has its own forward pass, which reads ``progress.turn`` and returns the terms of that turn; the
    parameters of other turns are constant, and gradients pass through them.
    """

    name: str
    groups: Sequence[Mapping[str, Any]]
    """Optimiser groups as of ``PretextMethod.parameter_groups``: ``params``, and where a group differs from the
    others ``weight_decay``, ``lr_scale`` (a factor of the rate) and ``clip_norm`` (it is then clipped alone, or
    together with the groups that have the same name as ``clip_part``)."""
    every: int = 1
    """Taken every so many steps: with 5, at the 5th, 10th ..."""
    recipe: Mapping[str, object] = field(default_factory=dict)
    """Values of the ``train`` group for this optimiser alone, such as ``optimiser``, ``lr`` or ``clip_norm``."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"turn '{self.name}' is taken every {self.every} steps; it must be at least 1")
        if "/" in self.name:
            raise UsageError(f"the name of turn '{self.name}' must not hold a '/'")


__all__ = ["Turn"]
