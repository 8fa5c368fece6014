"""The linear protocol: a frozen encoder and one linear layer, by the released MAMP recipe.

Other recipes are files ``configs/protocol/linear_*.yaml``. Options, and how heads are trained, are
in ``sslskel.evaluation.linear_training``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sslskel.api.encoder import Encoder
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.evaluation.features import evaluating
from sslskel.evaluation.linear_parts import (
    best_result,
    linear_clips,
    linear_facts,
    linear_passes,
    linear_results,
    predictions_by_head,
)
from sslskel.evaluation.linear_training import LinearConfig
from sslskel.evaluation.metrics import aligned, logit_scores


class Linear(EvaluationProtocol[LinearConfig]):
    """Train one linear head per stream on frozen features; streams vote by the mean of their logits.

    Late fusion of separately trained heads is how the field reports several streams
    (CrosSCLR, CMD); one head over joined features would be another classifier.
    """

    Config = LinearConfig
    version = 2
    trains = "head"
    common = True
    check_config: ClassVar[Mapping[str, Any]] = {"epochs": 20, "min_steps": 0}
    slow_check_config: ClassVar[Mapping[str, Any]] = {"min_steps": 1000}

    def passes(self, train: int, test: int) -> float:
        """The training part once per view that is encoded."""
        return linear_passes(self.config, train, test)

    def check(self, parts: Parts) -> None:
        """Refuse a training part that no head can learn from, or a validation part that is asked for and not there."""
        linear_clips(self.config, parts)

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Logits (R, num_classes) of the test clips.

        Raises ``UsageError`` where a validation part is asked for and there is none,
        ``DataError`` for a training part that no head can learn from.
        """
        with evaluating(encoders):
            results = linear_results(self.config, encoders, parts, run)
        best = best_result(results)
        info = linear_facts(self.config, best.labels, best.chosen)
        if self.config.levels:
            info["level"] = best.level or "feature"
        return Outcome(
            parts.test.keys.cpu().numpy(),
            {"logits": best.logits.cpu().numpy()},
            info=info,
            by_epoch=best.chosen.by_epoch,
            by_head=predictions_by_head(results),
        )

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``top1``, ``macro`` (mean recall of the classes) and, with more than 5 classes, ``top5``."""
        return logit_scores(outcome.values["logits"], aligned(outcome, truth))
