"""Which epoch of a trained head a protocol reports, and what it reports beside it.

The options that protocols have in common; no head is trained here.
"""

from __future__ import annotations

from enum import Enum

from sslskel.api.protocol import ClipSet, Parts
from sslskel.config.groups import require
from sslskel.errors import DataError, UsageError
from sslskel.evaluation.features import labelled


class Selection(Enum):
    """Which epoch is reported: the last, or the best on clips held out of the training part."""

    last = "last"
    validation = "validation"


class Report(Enum):
    """What a record says besides the reported epoch's scores."""

    selected = "selected"
    """Nothing."""
    best_test_epoch = "best_test_epoch"
    """For comparison only, the best test accuracy over all epochs, as published code reports it."""
    best_test_head = "best_test_head"
    """For comparison only, the best test accuracy over all heads of a grid, as published code reports it."""
    best_test_checkpoint = "best_test_checkpoint"
    """For comparison only, the best test accuracy over all kept checkpoints of the pretraining, as published code
    reports it."""


def require_report(report: Report, *allowed: Report) -> None:
    """Raise ``UsageError`` for what a protocol cannot report; ``selected`` is always possible."""
    choices = (Report.selected, *allowed)
    require(
        report in choices,
        f"protocol.report={report.value} is of other protocols; this one takes"
        f" {' or '.join(one.value for one in choices)}",
    )


def training_parts(parts: Parts, held_out: bool, why: str) -> tuple[ClipSet, ClipSet | None]:
    """Labelled clips to train on, and those held out of them if they are needed.

    ``why`` is the option that asks for held-out clips. Raises ``UsageError`` where the
    split has none, ``DataError`` for a training part that no head can learn from.
    """
    clips, held = parts.train, None
    if held_out:
        if parts.fit is None or parts.validation is None:
            raise UsageError(
                f"{why} needs a validation part, but this split has none; use protocol.selection=last without a"
                " grid of rates, or another split"
            )
        clips, held = parts.fit, labelled(parts.validation, "validation")
    return learnable(clips, len(parts.classes)), held


def learnable(clips: ClipSet, classes: int) -> ClipSet:
    """The labelled ones of these training clips; ``DataError`` where no head can learn from them."""
    clips = labelled(clips, "training")
    if len(clips) < 2:
        raise DataError("the training part has one labelled clip; a head needs at least 2")
    largest = int(clips.labels.max())
    if largest >= classes:
        raise DataError(f"a training clip has label {largest}, but there are {classes} classes, 0 to {classes - 1}")
    return clips
