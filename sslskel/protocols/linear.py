"""The linear protocol: a frozen encoder and one linear layer, by the released MAMP recipe.

The head itself is in ``_head``, features in ``_features``, scores in ``_metrics``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

import torch
from torch import Tensor

from sslskel.backbone import Encoder
from sslskel.config import require
from sslskel.errors import DataError, RunError, UsageError
from sslskel.noise import Noise, stable_id
from sslskel.protocol import ClipSet, EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.protocols._features import View, clip_features, evaluating, feature_dtype, labelled
from sslskel.protocols._head import LinearHead, cosine_rate, fit_epoch, mini_batches
from sslskel.protocols._metrics import aligned, logit_scores


class Selection(Enum):
    """Which epoch is reported: the last, or the best on clips held out of the training part."""

    last = "last"
    validation = "validation"


@dataclass
class LinearConfig:
    """Defaults are the released MAMP linear probe for NTU (Mao et al., ICCV 2023), 256 clips on its two GPUs."""

    recipe: str = "mamp"
    """Name under which the record says how the head was trained; changed fields are added to it."""
    epochs: int = 100
    batch_size: int = 256
    """Clips of a step; the whole training part where it is smaller."""
    lr: float = 0.1
    """At the first step; half a cosine takes it to 0 at the end, without warm-up."""
    momentum: float = 0.9
    weight_decay: float = 0.0
    augment: bool = True
    """Train on the encoder's training view; otherwise on its test view, encoded once."""
    views: int = 0
    """Augmented views to encode and go round; 0 for a fresh one every epoch, as released."""
    selection: Selection = Selection.last
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "encode_batch"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.batch_size >= 2, "protocol.batch_size is 1; the head's batch statistics need at least 2 clips")
        require(self.lr > 0, f"protocol.lr is {self.lr}; it must be positive")
        require(0 <= self.momentum < 1, f"protocol.momentum is {self.momentum}; it must be in [0, 1)")
        for name in ("weight_decay", "views"):
            require(getattr(self, name) >= 0, f"protocol.{name} is {getattr(self, name)}; it must not be negative")
        require(bool(self.recipe.strip()), "protocol.recipe is empty; give the recipe a name")

    def label(self) -> str:
        """The recipe's name and every field that differs from it, for records."""
        released, said_elsewhere = LinearConfig(), {"recipe", "selection", "encode_batch"}
        changed = [
            f"{f.name}={getattr(self, f.name)}"
            for f in fields(self)
            if f.name not in said_elsewhere and getattr(self, f.name) != getattr(released, f.name)
        ]
        return f"{self.recipe} ({', '.join(changed)})" if changed else self.recipe


class Linear(EvaluationProtocol):
    """Train one linear head per stream on frozen features; streams vote by the mean of their logits.

    Late fusion of separately trained heads is how the field reports several streams
    (CrosSCLR, CMD); one head over joined features would be another classifier.
    """

    Config = LinearConfig
    trains = "head"
    config: LinearConfig

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Logits (R, num_classes) of the test clips.

        Raises ``UsageError`` where a validation part is asked for and there is none,
        ``DataError`` for a training part that no head can learn from.
        """
        clips, held = self._parts(parts)
        with evaluating(encoders):
            training = _Training(self.config, encoders, clips, len(parts.classes), run)
            heads, epoch, accuracy = training.run(held)
            logits = mean_logits(heads, training.encode(parts.test, "test", 0, "encode test"))
        info: dict[str, Any] = {
            "recipe": self.config.label(),
            "selection": self.config.selection.value,
            "epoch": epoch,
            "labels": len(clips) + (0 if held is None else len(held)),
        }
        if accuracy is not None:
            info["validation_top1"] = accuracy
        return Outcome(parts.test.keys.cpu().numpy(), {"logits": logits.cpu().numpy()}, info=info)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``top1``, ``macro`` (mean recall of the classes) and, with more than 5 classes, ``top5``."""
        return logit_scores(outcome.values["logits"], aligned(outcome, truth))

    def _parts(self, parts: Parts) -> tuple[ClipSet, ClipSet | None]:
        """Clips to train on, and those to choose the epoch by, both with labels."""
        clips, held = parts.train, None
        if self.config.selection is Selection.validation:
            if parts.fit is None or parts.validation is None:
                raise UsageError(
                    "protocol.selection=validation needs a validation part, but this split has none;"
                    " use protocol.selection=last or another split"
                )
            clips, held = parts.fit, labelled(parts.validation, "validation")
        clips, classes = labelled(clips, "training"), len(parts.classes)
        if len(clips) < 2:
            raise DataError("the training part has one labelled clip; a linear head needs at least 2")
        largest = int(clips.labels.max())
        if largest >= classes:
            raise DataError(f"a training clip has label {largest}, but there are {classes} classes, 0 to {classes - 1}")
        return clips, held


@torch.no_grad()
def mean_logits(heads: Mapping[str, LinearHead], features: Mapping[str, Tensor]) -> Tensor:
    """Logits of every stream's head in eval mode, averaged over streams: (n, num_classes)."""
    return torch.stack([head.eval()(features[stream]) for stream, head in heads.items()]).mean(0)


class _Training:
    """The heads of one evaluation while they are trained."""

    def __init__(
        self, config: LinearConfig, encoders: Mapping[str, Encoder], clips: ClipSet, classes: int, run: ProtocolRun
    ) -> None:
        self.config, self.encoders, self.clips, self.of_run = config, encoders, clips, run
        self.labels = clips.labels.to(run.device)
        self.heads = {
            stream: LinearHead(encoder.dim, classes, self.noise(0, stream), feature_dtype(run)).to(run.device)
            for stream, encoder in encoders.items()
        }
        self.optimisers = {
            stream: torch.optim.SGD(
                head.parameters(), config.lr, momentum=config.momentum, weight_decay=config.weight_decay
            )
            for stream, head in self.heads.items()
        }
        self._kept: dict[int, dict[str, Tensor]] = {}

    def noise(self, epoch: int, *site: str) -> Noise:
        """Draws of an epoch (1-based; 0 for what is drawn once), none shared with pretraining."""
        return Noise(stable_id("linear", str(self.of_run.seed), *site), epoch)

    def run(self, held: ClipSet | None) -> tuple[dict[str, LinearHead], int, float | None]:
        """Train all epochs; return the heads, the epoch they are of, and its accuracy on ``held``.

        Without held-out clips that is the last epoch; with them the first of the best.
        """
        epochs = self.config.epochs
        features = None if held is None else self.encode(held, "test", 0, "encode validation")
        labels = None if held is None else held.labels.to(self.of_run.device)
        heads, best, accuracy = self.heads, epochs, None
        for epoch in range(1, epochs + 1):
            self._epoch(epoch)
            if features is not None and labels is not None:
                now = float((mean_logits(self.heads, features).argmax(1) == labels).double().mean())
                if accuracy is None or now > accuracy:
                    heads, best, accuracy = copy.deepcopy(self.heads), epoch, now
            self.of_run.advance("linear head, epoch", epoch, epochs)
        return heads, best, accuracy

    def encode(self, clips: ClipSet, view: View, draw: int, progress: str = "") -> dict[str, Tensor]:
        """Features of these clips per stream; ``draw`` numbers the augmented views."""
        noise = self.noise(draw, "view")
        return clip_features(self.encoders, clips, view, noise, self.config.encode_batch, self.of_run, progress)

    def _training_features(self, epoch: int) -> dict[str, Tensor]:
        """Features for an epoch; those that a later epoch sees again are kept."""
        if self.config.augment and not self.config.views:
            return self.encode(self.clips, "train", epoch)
        draw = 1 + (epoch - 1) % self.config.views if self.config.augment else 0
        if draw not in self._kept:
            self._kept[draw] = self.encode(self.clips, "train" if self.config.augment else "test", draw)
        return self._kept[draw]

    def _epoch(self, epoch: int) -> None:
        """One epoch of every head over the same mini-batches; raises ``RunError`` where a loss is not finite."""
        config, features = self.config, self._training_features(epoch)
        order = self.noise(epoch, "order").permutation("order", len(self.clips), per="batch")
        batches = mini_batches(order.to(self.of_run.device), config.batch_size)
        done, steps = (epoch - 1) * len(batches), config.epochs * len(batches)
        rates = [cosine_rate(config.lr, done + at, steps) for at in range(len(batches))]
        for stream, head in self.heads.items():
            loss = fit_epoch(head, self.optimisers[stream], features[stream], self.labels, batches, rates)
            if not torch.isfinite(loss):
                raise RunError(f"the linear head of stream '{stream}' diverged in epoch {epoch}; lower protocol.lr")
