"""The linear protocol: a frozen encoder and one linear layer, by the released MAMP recipe.

Other recipes are files ``configs/protocol/linear_*.yaml``. Options, and how heads are trained, are
in ``sslskel.evaluation.linear_training``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from sslskel.api.encoder import Encoder
from sslskel.api.protocol import ClipSet, EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.evaluation.features import evaluating
from sslskel.evaluation.linear_training import LinearConfig, LinearTraining, chosen_facts, mean_logits
from sslskel.evaluation.metrics import aligned, logit_scores
from sslskel.evaluation.selection import Report, Selection, learnable, training_parts


class Linear(EvaluationProtocol):
    """Train one linear head per stream on frozen features; streams vote by the mean of their logits.

    Late fusion of separately trained heads is how the field reports several streams
    (CrosSCLR, CMD); one head over joined features would be another classifier.
    """

    Config = LinearConfig
    trains = "head"
    config: LinearConfig

    def passes(self, train: int, test: int) -> float:
        """The training part once per view that is encoded."""
        views = (self.config.views or self.config.epochs) if self.config.augment else 1
        return train * min(views, self.config.epochs) + test

    def check(self, parts: Parts) -> None:
        """Refuse a training part that no head can learn from, or a validation part that is asked for and not there."""
        self._clips(parts)

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Logits (R, num_classes) of the test clips.

        Raises ``UsageError`` where a validation part is asked for and there is none,
        ``DataError`` for a training part that no head can learn from.
        """
        with evaluating(encoders):
            training, held, info = self.training(encoders, parts, run)
            test = training.encode(parts.test, "test", 0, "encode test")
            chosen = training.run(held, test if self.config.report is Report.best_test_epoch else None)
            logits = mean_logits(chosen.heads, test)
        values = {"logits": logits.cpu().numpy()}
        info |= chosen_facts(self.config, chosen)
        return Outcome(parts.test.keys.cpu().numpy(), values, info=info, by_epoch=chosen.by_epoch)

    def training(
        self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun
    ) -> tuple[LinearTraining, ClipSet | None, dict[str, Any]]:
        """Heads that are ready to be trained, the clips to choose by, and what the record says of both."""
        config = self.config
        clips, held = self._clips(parts)
        fit, used = None, len(clips) + (0 if held is None else len(held))
        if config.rates:
            whole = learnable(parts.train, len(parts.classes))
            clips, fit = whole, torch.isin(whole.keys, clips.keys).nonzero()[:, 0]
        info = {"recipe": config.label(), "selection": config.selection.value, "labels": used}
        return LinearTraining(config, encoders, clips, len(parts.classes), run, fit), held, info

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``top1``, ``macro`` (mean recall of the classes) and, with more than 5 classes, ``top5``."""
        return logit_scores(outcome.values["logits"], aligned(outcome, truth))

    def _clips(self, parts: Parts) -> tuple[ClipSet, ClipSet | None]:
        """Clips to train on, and those to choose by."""
        why = "protocol.rates" if self.config.rates else "protocol.selection=validation"
        held_out = bool(self.config.rates) or self.config.selection is Selection.validation
        return training_parts(parts, held_out, why)
