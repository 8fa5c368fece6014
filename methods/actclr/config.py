"""Options of ActCLR."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sslskel import Stream, require
from sslskel.contrastive import ContrastConfig, require_shear, require_temperature


class Release(Enum):
    """Which state of the released code is followed: one with actionlets, or the last one, where they are empty."""

    released = "released"
    head = "head"


@dataclass
class ActCLRConfig(ContrastConfig):
    """Defaults are those of the released NTU-60 scripts."""

    queue: int = 65536
    temperature: float = 0.1
    """Of the student's squared cosines."""
    teacher_temperature: float = 0.04
    """Of the teacher's similarities."""
    neighbours: int = 8192
    """Queue entries nearest to the teacher, over which both are compared; all of a shorter queue."""
    stream: Stream = Stream.joint
    shear: float = 0.5
    """Largest shear of one axis by another."""
    stage_epochs: list[int] = field(default_factory=lambda: [100, 200, 300])
    """Epochs from which fewer augmentations are drawn; from the last one on there are none, nor crop and shear."""
    narrow_epoch: int = 199
    """Epoch from which the second term's mixes are of 1 to 2 parts and 1 to 3 units, before of 2 to 3 and 3 to 5."""
    fidelity: Release = Release.released

    def __post_init__(self) -> None:
        super().__post_init__()
        require_shear(self.shear)
        require_temperature("teacher_temperature", self.teacher_temperature)
        require(self.neighbours >= 1, f"method.neighbours is {self.neighbours}; it must be at least 1")
        require(
            len(self.stage_epochs) == 3
            and sorted(self.stage_epochs) == self.stage_epochs
            and self.stage_epochs[0] >= 0,
            f"method.stage_epochs is {self.stage_epochs}; it must be three epochs from 0, in order",
        )
        require(self.narrow_epoch >= 0, f"method.narrow_epoch is {self.narrow_epoch}; it must be an epoch from 0")
