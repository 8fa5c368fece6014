"""The fine-tuning protocol: encoder and head trained together, by the released MAMP recipe.

``scratch``, its floor, is the same from weights that were never trained:
``configs/protocol/scratch.yaml``. Options, and how it is trained, are in
``sslskel.evaluation.finetune_config`` and ``finetune_training``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sslskel.api.encoder import Encoder
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.evaluation.finetune_config import FineTuneConfig
from sslskel.evaluation.finetune_parts import CHECK_CONFIG, fine_tune_clips, fine_tune_on, fine_tune_passes
from sslskel.evaluation.metrics import aligned, logit_scores


class FineTune(EvaluationProtocol[FineTuneConfig]):
    """Train the whole encoder with a new head; streams are trained apart and vote by the mean of their logits."""

    Config = FineTuneConfig
    needs = frozenset({"tokens"})
    trains = "all"
    trains_classifiers = True
    check_config: ClassVar[Mapping[str, Any]] = CHECK_CONFIG

    def passes(self, train: int, test: int) -> float:
        """Every training clip forward and backward in every epoch."""
        return fine_tune_passes(self.config, train, test)

    def check(self, parts: Parts) -> None:
        """Refuse a training part that no head can learn from, or a validation part that is asked for and not there."""
        fine_tune_clips(self.config, parts)

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Logits (R, num_classes) of the test clips; raises what ``fine_tune_on`` raises."""
        return fine_tune_on(self.config, encoders, parts, run)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``top1``, ``macro`` (mean recall of the classes) and, with more than 5 classes, ``top5``."""
        return logit_scores(outcome.values["logits"], aligned(outcome, truth))
