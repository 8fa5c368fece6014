"""Files that a method's weights or constants come from, as the method declares them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sslskel.errors import UsageError

Kind = Literal["file", "checkpoint"]


@dataclass(frozen=True)
class Origin:
    """A file or a checkpoint that a method reads in ``load_start``; raises ``UsageError`` for another kind.

    Its content is part of the pretraining's identity, its path is not.
    """

    path: Path
    """Relative to the working directory."""
    kind: Kind = "file"
    """``checkpoint``: a folder that sslskel wrote, a run's or one step's; what its weights saw, the new ones saw too.
    ``file``: anything else."""
    seen: str = ""
    """What a file was made from, as its owner declares: ``NAME/SPLIT`` of a benchmark, a comma list of them, or
    ``none``; empty where it is unknown. A checkpoint states it."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UsageError(
                f"the kind of origin {self.path} is '{self.kind}'; it must be {' or '.join(get_args(Kind))}"
            )
        if self.seen and self.kind == "checkpoint":
            raise UsageError(f"checkpoint {self.path} says itself what it saw; leave out seen='{self.seen}'")


__all__ = ["Origin"]
