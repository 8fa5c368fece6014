"""The linear protocol: a frozen encoder and one linear layer, by the released MAMP recipe.

Other recipes are files ``configs/protocol/linear_*.yaml``. How heads are trained is in
``_linear_training``, the head itself in ``_head``, features in ``_features``, scores in ``_metrics``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from sslskel.api.backbone import Encoder
from sslskel.api.protocol import ClipSet, EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.config.groups import Optimiser, Schedule, require
from sslskel.evaluation.features import evaluating
from sslskel.evaluation.linear_training import Chosen, LinearTraining, mean_logits
from sslskel.evaluation.metrics import aligned, logit_scores
from sslskel.evaluation.recipes import recipe_label
from sslskel.evaluation.selection import Report, Selection, learnable, training_parts

__all__ = ["Linear", "LinearConfig", "Report", "Selection"]


@dataclass
class LinearConfig:
    """Defaults are the released MAMP linear probe for NTU (Mao et al., ICCV 2023), 256 clips on its two GPUs."""

    recipe: str = "mamp"
    """Name under which the record says how the head was trained; changed fields are added to it."""
    epochs: int = 100
    batch_size: int = 256
    """Clips of a step; the whole training part where it is smaller."""
    lr: float = 0.1
    """At the first step."""
    rates: list[float] = field(default_factory=list)
    """Learning rates to train a head at each, on the same features, instead of ``lr``. The one that is
    best on the validation part is reported, by its head that was trained on the whole training part."""
    schedule: Schedule = Schedule.cosine
    """Half a cosine to 0 at the end without warm-up, steps at milestones, or constant."""
    milestones: list[int] = field(default_factory=list)
    """Epochs, from 0, at which ``schedule=step`` multiplies the rate by ``decay``."""
    decay: float = 0.1
    optimiser: Optimiser = Optimiser.sgd
    """``sgd``, or ``adam`` as PSTL has it."""
    momentum: float = 0.9
    """Of SGD; with Adam its first beta, the second is 0.999."""
    weight_decay: float = 0.0
    norm: bool = True
    """Normalise features by BatchNorm without scale and shift before the layer."""
    init_std: float = 0.01
    """Standard deviation of the layer's initial weights; its bias starts at 0."""
    augment: bool = True
    """Train on the encoder's training view; otherwise on its test view, encoded once."""
    views: int = 0
    """Augmented views to encode and go round; 0 for a fresh one every epoch, as released."""
    selection: Selection = Selection.last
    report: Report = Report.selected
    """``best_test_epoch`` records that number too, marked as chosen on test; it never ranks."""
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "encode_batch"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.batch_size >= 2, "protocol.batch_size is 1; the head's batch statistics need at least 2 clips")
        require(0 < self.lr < math.inf, f"protocol.lr is {self.lr}; it must be positive")
        for rate in self.rates:
            require(0 < rate < math.inf, f"protocol.rates has {rate}; a learning rate must be positive")
        require(len(set(self.rates)) == len(self.rates), f"protocol.rates names a rate twice: {self.rates}")
        require(0 <= self.momentum < 1, f"protocol.momentum is {self.momentum}; it must be in [0, 1)")
        for name in ("weight_decay", "views"):
            require(getattr(self, name) >= 0, f"protocol.{name} is {getattr(self, name)}; it must not be negative")
        for name in ("decay", "init_std"):
            require(0 < getattr(self, name) <= 1, f"protocol.{name} is {getattr(self, name)}; it must be in (0, 1]")
        require(
            self.schedule is not Schedule.step or bool(self.milestones),
            "protocol.schedule=step needs protocol.milestones, for instance protocol.milestones=[80]",
        )
        require(
            self.optimiser in (Optimiser.sgd, Optimiser.adam),
            f"protocol.optimiser is {self.optimiser.value}; linear heads are trained with sgd or adam",
        )
        require(bool(self.recipe.strip()), "protocol.recipe is empty; give the recipe a name")

    def label(self) -> str:
        """The recipe's name and every field that differs from it, for records."""
        unsaid = {"selection", "report", "encode_batch"} | (set() if self.augment else {"views"})
        return recipe_label("linear", self, unsaid)


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


def chosen_facts(config: LinearConfig, chosen: Chosen) -> dict[str, Any]:
    """What the record says of the heads that training ended with."""
    facts: dict[str, Any] = {"epoch": chosen.epoch}
    if config.rates:
        facts["rate"] = chosen.rate
    if chosen.accuracy is not None:
        facts["validation_top1"] = chosen.accuracy
    return facts
