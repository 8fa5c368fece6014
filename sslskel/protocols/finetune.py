"""The fine-tuning protocol: encoder and head trained together, by the released MAMP recipe.

``scratch``, its floor, is the same from weights that were never trained:
``configs/protocol/scratch.yaml``. How it is trained is in ``_finetune_training``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from sslskel.api.backbone import Encoder
from sslskel.api.protocol import ClipSet, EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.config.groups import require
from sslskel.errors import UsageError
from sslskel.evaluation.finetune_training import fine_tune
from sslskel.evaluation.metrics import aligned, logit_scores
from sslskel.evaluation.recipes import recipe_label
from sslskel.evaluation.selection import Report, Selection, training_parts

__all__ = ["FineTune", "FineTuneConfig", "Start"]


class Start(Enum):
    """Weights that fine-tuning starts from: the encoder's own, or new ones for the same network."""

    pretrained = "pretrained"
    scratch = "scratch"


@dataclass
class FineTuneConfig:
    """Defaults are the released MAMP fine-tuning for NTU (Mao et al., ICCV 2023), 48 clips on its two GPUs."""

    recipe: str = "mamp"
    """Name under which the record says how it was trained; changed fields are added to it."""
    start: Start = Start.pretrained
    epochs: int = 100
    batch_size: int = 48
    """Clips of a step; the whole training part where it is smaller."""
    lr: float = 3e-4
    min_lr: float = 1e-5
    """What half a cosine comes down to, after ``warmup_epochs`` of rising from 0."""
    warmup_epochs: float = 5.0
    layer_decay: float = 0.8
    """The learning rate of a layer is this much of the next one's; 1 for the same rate everywhere."""
    weight_decay: float = 0.05
    """On tensors of more than one dimension."""
    beta1: float = 0.9
    beta2: float = 0.999
    label_smoothing: float = 0.1
    drop_path: float = 0.3
    """Chance of skipping the last block's branches in training, rising to it linearly from 0."""
    dropout: float = 0.3
    """Share of token values that the head drops in training."""
    hidden: int = 2048
    """Width of the head's hidden layer."""
    augment: bool = True
    """Train on the encoder's training view; otherwise on its test view."""
    selection: Selection = Selection.last
    report: Report = Report.selected
    """``best_test_epoch`` records that number too, marked as chosen on test; it never ranks."""
    encode_batch: int = 128
    """Clips of an evaluation pass; a matter of memory and speed only."""

    def __post_init__(self) -> None:
        for name in ("epochs", "hidden", "encode_batch"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.batch_size >= 2, f"protocol.batch_size is {self.batch_size}; batch statistics need 2 clips")
        require(0 < self.lr < math.inf, f"protocol.lr is {self.lr}; it must be positive")
        require(0 <= self.min_lr <= self.lr, f"protocol.min_lr is {self.min_lr}; it must be in [0, protocol.lr]")
        require(
            0 <= self.warmup_epochs <= self.epochs,
            f"protocol.warmup_epochs is {self.warmup_epochs}; it must be from 0 to protocol.epochs={self.epochs}",
        )
        require(0 < self.layer_decay <= 1, f"protocol.layer_decay is {self.layer_decay}; it must be in (0, 1]")
        require(
            0 <= self.weight_decay < math.inf, f"protocol.weight_decay is {self.weight_decay}; it must not be negative"
        )
        for name in ("beta1", "beta2", "label_smoothing", "drop_path", "dropout"):
            require(0 <= getattr(self, name) < 1, f"protocol.{name} is {getattr(self, name)}; it must be in [0, 1)")
        require(bool(self.recipe.strip()), "protocol.recipe is empty; give the recipe a name")


UNSAID = frozenset({"selection", "report", "encode_batch"})
"""Options that a recipe's name does not tell: recorded elsewhere, or of no effect on numbers."""


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


def starting_point(config: FineTuneConfig, encoders: Mapping[str, Encoder], run: ProtocolRun) -> Mapping[str, Encoder]:
    """The encoders to train: those given, or new ones where ``protocol.start=scratch`` asks for them."""
    if config.start is Start.pretrained:
        return encoders
    if run.fresh is None:
        raise UsageError(
            "training from scratch needs to build the network anew, which is not known for this encoder;"
            " judge one that sslskel pretrained, or random_init"
        )
    return run.fresh()
