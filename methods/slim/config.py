"""Options of SLiM."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sslskel import Fidelity, require
from sslskel.contrastive import require_temperature, require_weight


class Centring(Enum):
    """What keeps a teacher from giving all clips the same prototypes."""

    balanced = "balanced"
    """Shares that are even over the batch (Sinkhorn and Knopp)."""
    mean = "mean"
    """The running mean of its scores is subtracted."""


@dataclass
class SlimConfig:
    """Defaults are those of the released scripts."""

    hidden: int = 2048
    """Width of the hidden layers of both heads."""
    bottleneck: int = 256
    """Numbers of an embedding that is compared with prototypes."""
    prototypes: int = 65536
    """Of the head for whole views."""
    token_prototypes: int = 65536
    """Of the head for hidden tokens."""
    centring: Centring = Centring.balanced
    temperature: float = 0.1
    """Of the student's scores."""
    teacher_temperature: float = 0.07
    """Of the teacher's scores, behind ``temperature_epochs``."""
    first_temperature: float = 0.04
    """The teacher's at the start, which rises along a line."""
    temperature_epochs: float = 30.0
    """Epochs in which the teacher's temperature rises."""
    momentum: float = 0.994
    """Share of its own weights that the teacher keeps in a step, at the start."""
    last_momentum: float = 1.0
    """The same at the end, along half a cosine."""
    token_weight: float = 1.0
    """Weight of the hidden tokens."""
    spread_weight: float = 0.1
    """Weight of the term that keeps features of different clips apart."""
    frozen_epochs: float = 1.0
    """Epochs in which the prototypes stay as they are."""
    embed_rate: float = 0.2
    """Factor of the rate of what makes tokens of joints."""
    clip_norm: float = 3.0
    """Largest norm of the gradient of each of the three networks; 0 for no clipping."""
    least_hidden: float = 0.5
    """Smallest share of a view's tokens that is hidden."""
    most_hidden: float = 0.9
    """Shares of a view's tokens that are hidden, spread evenly over the views of a step."""
    mirrored: int = 150
    """Clips with fewer frames are read back and forth until they have as many."""
    fidelity: Fidelity = Fidelity.released

    def __post_init__(self) -> None:
        for name in ("hidden", "bottleneck", "prototypes", "token_prototypes"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("temperature", "teacher_temperature", "first_temperature"):
            require_temperature(name, getattr(self, name))
        for name in ("token_weight", "spread_weight", "embed_rate", "clip_norm", "frozen_epochs", "temperature_epochs"):
            require_weight(name, getattr(self, name))
        for name in ("momentum", "last_momentum"):
            require(0 <= getattr(self, name) <= 1, f"method.{name} is {getattr(self, name)}; it must be in [0, 1]")
        require(
            0 < self.least_hidden <= self.most_hidden < 1,
            f"method.least_hidden={self.least_hidden}, method.most_hidden={self.most_hidden}: must be 0 < least_hidden"
            " <= most_hidden < 1",
        )
        require(self.mirrored >= 0, f"method.mirrored is {self.mirrored}; it must not be negative")
