"""The fine-tuning protocol: encoder and head trained together, by the released MAMP recipe.

``scratch``, its floor, is the same from weights that were never trained:
``configs/protocol/scratch.yaml``. Options, and how it is trained, are in
``sslskel.evaluation.finetune_training``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sslskel.api.encoder import Encoder
from sslskel.api.protocol import ClipSet, EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.evaluation.finetune_training import UNSAID, FineTuneConfig, fine_tune, starting_point
from sslskel.evaluation.metrics import aligned, logit_scores
from sslskel.evaluation.recipes import recipe_label
from sslskel.evaluation.selection import Selection, training_parts


class FineTune(EvaluationProtocol):
    """Train the whole encoder with a new head; streams are trained apart and vote by the mean of their logits."""

    Config = FineTuneConfig
    needs = frozenset({"tokens"})
    trains = "all"
    short: ClassVar[Mapping[str, Any]] = {
        "epochs": 12,
        "batch_size": 16,
        "lr": 2e-2,
        "warmup_epochs": 1.0,
        "hidden": 64,
    }
    config: FineTuneConfig

    def passes(self, train: int, test: int) -> float:
        """Every training clip forward and backward in every epoch."""
        return 3.0 * train * self.config.epochs + test

    def check(self, parts: Parts) -> None:
        """Refuse a training part that no head can learn from, or a validation part that is asked for and not there."""
        self._clips(parts)

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Logits (R, num_classes) of the test clips; the encoders given stay as they were.

        Raises ``UsageError`` where a validation part is asked for and there is none, or new
        weights and nobody knows how to build them; ``DataError`` for a training part that no
        head can learn from.
        """
        config = self.config
        clips, held = self._clips(parts)
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

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``top1``, ``macro`` (mean recall of the classes) and, with more than 5 classes, ``top5``."""
        return logit_scores(outcome.values["logits"], aligned(outcome, truth))

    def _clips(self, parts: Parts) -> tuple[ClipSet, ClipSet | None]:
        """Clips to train on, and those to choose the epoch by."""
        held_out = self.config.selection is Selection.validation
        return training_parts(parts, held_out, "protocol.selection=validation")
