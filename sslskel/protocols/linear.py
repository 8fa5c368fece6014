"""Linear evaluation: a linear classifier on the pooled feature of a frozen encoder.

Recipe as released with MAMP: BatchNorm without affine part, then a linear layer, SGD with
a cosine to zero, a fresh training view of every clip in every epoch.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.backbone import Encoder
from sslskel.config import Schedule, TrainConfig, require
from sslskel.engine.schedule import learning_rate
from sslskel.errors import UsageError
from sslskel.noise import Noise
from sslskel.protocol import ClipSet, EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.protocols._features import clip_features, frozen
from sslskel.protocols._metrics import logit_scores


class Selection(Enum):
    """Which epoch of the head is reported. Never chosen on the test part."""

    last = "last"
    validation = "validation"


@dataclass
class LinearConfig:
    """Released recipe of MAMP's linear evaluation (global batch 256 on its two GPUs)."""

    epochs: int = 100
    batch_size: int = 256
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    augment: bool = True
    """A fresh training view each epoch; otherwise the test view once."""
    selection: Selection = Selection.last
    encode_batch: int = 64
    """Clips per encoder pass; changes memory and speed, not numbers."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "encode_batch"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.batch_size >= 2, "protocol.batch_size is 1; the head's BatchNorm needs at least 2")
        require(self.lr > 0, f"protocol.lr is {self.lr}; it must be positive")
        require(0 <= self.momentum < 1, f"protocol.momentum is {self.momentum}; it must be in [0, 1)")
        require(self.weight_decay >= 0, f"protocol.weight_decay is {self.weight_decay}; it must not be negative")


class LinearHead(nn.Sequential):
    """BatchNorm without affine part (eps 1e-6), then a linear layer (weight N(0, .01), bias 0)."""

    def __init__(self, dim: int, num_classes: int, noise: Noise | None = None) -> None:
        super().__init__(nn.BatchNorm1d(dim, affine=False, eps=1e-6), nn.Linear(dim, num_classes))
        linear = self[1]
        nn.init.zeros_(linear.bias)
        if noise is not None:
            with torch.no_grad():
                linear.weight.copy_(0.01 * noise.normal("linear.weight", linear.weight.shape, per="batch"))


class Linear(EvaluationProtocol):
    """Top-1 accuracy of a linear classifier; several streams are concatenated into one feature.

    The encoder is in eval mode throughout, so the features of an epoch's views are taken
    in one pass and the head is trained on them in keyed random order. A last batch of one
    clip joins the batch before it, since batch statistics of one clip do not exist.
    """

    Config = LinearConfig
    trains = "head"
    config: LinearConfig

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Logits of the reported epoch, one row per test clip."""
        config = self.config
        fit, validation = self._parts(parts)
        require(len(fit) >= 2, f"the linear protocol needs at least 2 training clips, but there are {len(fit)}")
        best: tuple[float, int, LinearHead | None] = (-1.0, config.epochs, None)
        with frozen(encoders):
            features = clip_features(encoders, fit, run, epoch=1 if config.augment else None, size=config.encode_batch)
            held = None if validation is None else clip_features(encoders, validation, run, size=config.encode_batch)
            head = LinearHead(features.shape[1], len(parts.classes), Noise(run.seed)).to(run.device, run.dtype)
            optimiser = torch.optim.SGD(
                head.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
            )
            for epoch in range(1, config.epochs + 1):
                if config.augment and epoch > 1:
                    features = clip_features(encoders, fit, run, epoch=epoch, size=config.encode_batch)
                with torch.enable_grad():
                    self._epoch(head, optimiser, features, fit.labels, epoch, run)
                if held is not None and validation is not None:
                    accuracy = float((_logits(head, held).argmax(1) == validation.labels).double().mean())
                    if accuracy > best[0]:
                        best = (accuracy, epoch, copy.deepcopy(head))
                run.advance("linear", epoch, config.epochs)
            chosen = best[2] or head
            logits = _logits(chosen, clip_features(encoders, parts.test, run, size=config.encode_batch))
        return Outcome(
            keys=parts.test.keys.cpu().numpy(),
            values={"logits": logits.float().cpu().numpy()},
            info={
                "recipe": "mamp" if config.augment else "mamp, no augmentation",
                "selection": config.selection.value,
                "epoch": best[1],
                "labels": len(fit) + (0 if validation is None else len(validation)),
            },
        )

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``top1``, ``macro`` and, above five classes, ``top5``."""
        return logit_scores(np.asarray(outcome.values["logits"]), truth.of(outcome.keys))

    def _parts(self, parts: Parts) -> tuple[ClipSet, ClipSet | None]:
        if self.config.selection is Selection.last:
            return parts.train, None
        if parts.fit is None or parts.validation is None:
            raise UsageError("protocol.selection=validation needs a split with a validation part; this one has none")
        return parts.fit, parts.validation

    def _epoch(
        self,
        head: LinearHead,
        optimiser: torch.optim.Optimizer,
        features: Tensor,
        labels: Tensor,
        epoch: int,
        run: ProtocolRun,
    ) -> None:
        config = self.config
        order = Noise(run.seed, epoch, run.device).permutation("linear.order", len(features), per="batch")
        batches = list(order.split(config.batch_size))
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        schedule = TrainConfig(
            epochs=config.epochs, lr=config.lr, min_lr=0.0, warmup_epochs=0, schedule=Schedule.cosine
        )
        head.train()
        for number, rows in enumerate(batches):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(schedule, epoch - 1 + number / len(batches))
            loss = functional.cross_entropy(head(features[rows]), labels[rows].to(run.device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()


def _logits(head: LinearHead, features: Tensor) -> Tensor:
    head.eval()
    with torch.no_grad():
        result: Tensor = head(features)
    return result
