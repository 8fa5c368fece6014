"""Linear heads on the parts of a split: the clips that they may see, and what the record says of them.

The protocols that train linear heads on clips share it; the training is in ``linear_training``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sslskel.api.encoder import Encoder
from sslskel.api.protocol import ClipSet, Parts, ProtocolRun
from sslskel.encoders.level import at_level
from sslskel.evaluation.linear_training import Chosen, LinearConfig, LinearTraining, mean_logits
from sslskel.evaluation.selection import Report, Selection, learnable, training_parts


class LinearResult(NamedTuple):
    """Heads that were trained, on one level where there are several, and what they say of the test part."""

    chosen: Chosen
    logits: Tensor
    """(n, num_classes)."""
    level: str
    labels: int
    """Labelled clips that were used, those to choose by included."""


class LinearSetup(NamedTuple):
    """Heads that are ready to be trained, and the clips that have labels."""

    training: LinearTraining
    held: ClipSet | None
    """Clips to choose a rate or an epoch by."""
    labels: int
    """Labelled clips that are used, those to choose by included."""


def linear_passes(config: LinearConfig, train: int, test: int) -> float:
    """Clips through an encoder: the training part once per view that is encoded."""
    views = (config.views or config.epochs) if config.augment else 1
    return (train * min(views, config.epochs) + test) * max(1, len(config.levels))


def linear_clips(config: LinearConfig, parts: Parts) -> tuple[ClipSet, ClipSet | None]:
    """Clips to train on, and those to choose by; raises what ``training_parts`` raises."""
    why = "protocol.rates" if config.rates else "protocol.selection=validation"
    return training_parts(parts, bool(config.rates) or config.selection is Selection.validation, why)


def linear_setup(config: LinearConfig, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> LinearSetup:
    """Heads for the encoders on the labelled clips of the training part, or of its share without the held-out ones.

    Raises ``UsageError`` where a validation part is asked for and there is none,
    ``DataError`` for a training part that no head can learn from.
    """
    clips, held = linear_clips(config, parts)
    fit, labels = None, len(clips) + (0 if held is None else len(held))
    if config.rates:
        whole = learnable(parts.train, len(parts.classes))
        clips, fit = whole, torch.isin(whole.keys, clips.keys).nonzero()[:, 0]
    return LinearSetup(LinearTraining(config, encoders, clips, len(parts.classes), run, fit), held, labels)


def linear_results(
    config: LinearConfig, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun
) -> list[LinearResult]:
    """Train the heads of every level; raises what ``linear_setup`` raises, and ``Diverged``."""
    results = []
    for level in config.levels or [""]:
        training, held, labels = linear_setup(config, at_level(encoders, level), parts, run)
        test = training.encode(parts.test, "test", 0, "encode test")
        chosen = training.run(held, None if config.report is Report.selected else test)
        results.append(LinearResult(chosen, mean_logits(chosen.heads, test), level, labels))
    return results


def best_result(results: Sequence[LinearResult]) -> LinearResult:
    """The one that is best on held-out clips, the first of equals."""
    return max(results, key=lambda one: one.chosen.accuracy or 0.0)


def predictions_by_head(results: Sequence[LinearResult]) -> dict[str, npt.NDArray[np.int64]]:
    """(n,) predicted classes by the names of all heads, where a report asks for them."""
    return {
        f"{one.level or 'feature'} at {rate:g}": predicted
        for one in results
        for rate, predicted in one.chosen.by_rate.items()
    }


def linear_facts(config: LinearConfig, labels: int, chosen: Chosen) -> dict[str, object]:
    """What the record says of the heads that training ended with."""
    facts: dict[str, object] = {
        "recipe": config.label(),
        "selection": config.selection.value,
        "labels": labels,
        "epoch": chosen.epoch,
        "train_top1": chosen.train_accuracy,
        "steps": chosen.steps,
        "converged": chosen.converged,
    }
    if config.rates:
        facts["rate"] = chosen.rate
    if chosen.accuracy is not None:
        facts["validation_top1"] = chosen.accuracy
    return facts
