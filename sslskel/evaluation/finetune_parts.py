"""Fine-tuning on the parts of a split, from the clips that it may see to the outcome.

The protocols that fine-tune on all labelled clips share it; the training is in ``finetune_training``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslskel.api.encoder import Encoder
from sslskel.api.protocol import ClipSet, Outcome, Parts, ProtocolRun
from sslskel.evaluation.finetune_config import UNSAID, FineTuneConfig
from sslskel.evaluation.finetune_training import fine_tune, starting_point
from sslskel.evaluation.recipes import recipe_label
from sslskel.evaluation.selection import Selection, training_parts

CHECK_CONFIG: Mapping[str, Any] = {"epochs": 12, "batch_size": 16, "lr": 2e-2, "warmup_epochs": 1.0, "hidden": 64}
"""Options with which a contract check takes seconds."""


def fine_tune_passes(config: FineTuneConfig, train: int, test: int) -> float:
    """Clips through an encoder: every training clip forward and backward in every epoch."""
    return 3.0 * train * config.epochs + test


def fine_tune_clips(config: FineTuneConfig, parts: Parts) -> tuple[ClipSet, ClipSet | None]:
    """Clips to train on, and those to choose the epoch by; raises what ``training_parts`` raises."""
    return training_parts(parts, config.selection is Selection.validation, "protocol.selection=validation")


def fine_tune_on(config: FineTuneConfig, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
    """Logits (R, num_classes) of the test clips; the encoders given stay as they were.

    Raises ``UsageError`` where a validation part is asked for and there is none, or new
    weights and it is not known how to build them; ``DataError`` for a training part that no
    head can learn from.
    """
    clips, held = fine_tune_clips(config, parts)
    chosen = starting_point(config, encoders, run)
    tuned = fine_tune(config, chosen, clips, held, parts.test, len(parts.classes), run)
    info: dict[str, Any] = {
        "recipe": recipe_label("finetune", config, UNSAID),
        "selection": config.selection.value,
        "epoch": tuned.epoch,
        "labels": len(clips) + (0 if held is None else len(held)),
        **tuned.facts,
    }
    if tuned.accuracy is not None:
        info["validation_top1"] = tuned.accuracy
    return Outcome(parts.test.keys.cpu().numpy(), {"logits": tuned.logits}, info=info, by_epoch=tuned.by_epoch)
