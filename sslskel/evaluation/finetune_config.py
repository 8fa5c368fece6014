"""Options of fine-tuning; how it is done is in ``finetune_training``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from sslskel.config.groups import Optimiser, Schedule, require
from sslskel.evaluation.selection import Report, Selection, require_report


class Start(Enum):
    """Weights that fine-tuning starts from: the encoder's own, or new ones for the same network."""

    pretrained = "pretrained"
    scratch = "scratch"


class Head(Enum):
    """What stands on the encoder: the two-layer head of MAMP on all tokens, or one layer on a clip's feature."""

    tokens = "tokens"
    linear = "linear"


@dataclass
class FineTuneConfig:
    """Defaults are the released MAMP fine-tuning for NTU (Mao et al., ICCV 2023), 48 clips on its two GPUs."""

    recipe: str = "mamp"
    """Name under which the record says how it was trained; changed fields are added to it."""
    start: Start = Start.pretrained
    epochs: int = 100
    """Times that the labelled clips are gone through."""
    batch_size: int = 48
    """Clips of a step; the whole training part where it is smaller."""
    lr: float = 3e-4
    """Learning rate of the head at the end of warm-up."""
    min_lr: float = 1e-5
    """What half a cosine comes down to, after ``warmup_epochs`` of rising from 0."""
    warmup_epochs: float = 5.0
    """Epochs in which the learning rate rises from 0 along a line."""
    layer_decay: float = 0.8
    """The learning rate of a layer is this much of the next one's; 1 for the same rate everywhere."""
    weight_decay: float = 0.05
    """On tensors of more than one dimension, unless ``decay_all``."""
    beta1: float = 0.9
    """Of Adam: what the mean of gradients keeps in a step."""
    beta2: float = 0.999
    """Of Adam: what the mean of squared gradients keeps in a step."""
    label_smoothing: float = 0.1
    """Share of a label that is spread evenly over all classes."""
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
    head: Head = Head.tokens
    """``linear`` starts Xavier-normal and has no hidden layer; it drops ``feature_dropout``."""
    optimiser: Optimiser = Optimiser.adamw
    """``adamw``, ``adam`` or ``sgd``."""
    schedule: Schedule = Schedule.cosine
    """Half a cosine to ``min_lr``, steps at milestones, or constant."""
    milestones: list[int] = field(default_factory=list)
    """Epochs, from 0, at which ``schedule=step`` multiplies the rate by ``decay``."""
    decay: float = 0.1
    """Factor of the learning rate at each of the ``milestones``."""
    clip_norm: float = 0.0
    """Largest gradient norm of the encoder and of the head, apart from each other unless ``clip_together``; 0 for no
    clipping."""
    momentum: float = 0.9
    """Of ``sgd``."""
    nesterov: bool = False
    """Nesterov's momentum, of ``sgd``."""
    decay_all: bool = False
    """Weight decay on biases and norms too, as the field's supervised codes have it."""
    clip_together: bool = False
    """One norm of all gradients, of encoder and head."""
    feature_dropout: float = 0.0
    """Share of the numbers of a clip's feature that ``head=linear`` drops in training."""
    unsaid: ClassVar[Mapping[str, object]] = {
        "head": "tokens",
        "optimiser": "adamw",
        "schedule": "cosine",
        "milestones": [],
        "decay": 0.1,
        "clip_norm": 0.0,
        "momentum": 0.9,
        "nesterov": False,
        "decay_all": False,
        "clip_together": False,
        "feature_dropout": 0.0,
    }

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
        for name in ("beta1", "beta2", "momentum", "label_smoothing", "drop_path", "dropout", "feature_dropout"):
            require(0 <= getattr(self, name) < 1, f"protocol.{name} is {getattr(self, name)}; it must be in [0, 1)")
        require(bool(self.recipe.strip()), "protocol.recipe is empty; give the recipe a name")
        require(
            self.optimiser in (Optimiser.adamw, Optimiser.adam, Optimiser.sgd),
            f"protocol.optimiser is {self.optimiser.value}; fine-tuning takes adamw, adam or sgd",
        )
        require(
            not self.nesterov or (self.optimiser is Optimiser.sgd and self.momentum > 0),
            "protocol.nesterov=true needs protocol.optimiser=sgd and a protocol.momentum above 0",
        )
        require(
            self.schedule is not Schedule.step or bool(self.milestones),
            "protocol.schedule=step needs protocol.milestones, for instance protocol.milestones=[30]",
        )
        require_report(self.report, Report.best_test_epoch)
        require(0 < self.decay <= 1, f"protocol.decay is {self.decay}; it must be in (0, 1]")
        require(0 <= self.clip_norm < math.inf, f"protocol.clip_norm is {self.clip_norm}; it must not be negative")
        require(
            self.clip_norm > 0 or not self.clip_together,
            "protocol.clip_together=true needs a protocol.clip_norm above 0",
        )
        require(
            self.head is Head.linear or not self.feature_dropout,
            f"protocol.feature_dropout={self.feature_dropout:g} needs protocol.head=linear",
        )


UNSAID = frozenset({"selection", "report", "encode_batch"})
"""Options that a recipe's name leaves out: recorded in other fields, or of no effect on numbers."""
