"""The logreg protocol: multinomial logistic regression on frozen features, to convergence.

The fit is in ``sslskel.evaluation.logistic``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import ClipSet, EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.config.groups import require
from sslskel.errors import UsageError
from sslskel.evaluation.features import clip_features, evaluating, feature_dtype
from sslskel.evaluation.logistic import Logistic, fit_logistic
from sslskel.evaluation.metrics import aligned, logit_scores
from sslskel.evaluation.selection import learnable, training_parts
from sslskel.hashing import stable_id

Features = Mapping[str, Tensor]


@dataclass
class LogregConfig:
    """A convex problem: the answer depends on the features alone, not on a rate, a schedule or a seed."""

    c: list[float] = field(default_factory=lambda: [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0])
    """Strengths to choose from by accuracy on held-out training subjects: scikit-learn's C, one over the weight
    of the penalty. A single one is taken as it is."""
    steps: int = 2000
    """Most steps of L-BFGS."""
    tolerance: float = 1e-6
    """A fit has converged when no entry of its gradient is larger."""
    level: str = ""
    """Which of the encoder's levels is read, for instance ``joints``; empty for its feature."""
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""

    def __post_init__(self) -> None:
        require(bool(self.c), "protocol.c is empty; give a value, for instance protocol.c=[0.1,1]")
        for value in self.c:
            require(0 < value < math.inf, f"protocol.c has {value}; it must be positive")
        require(len(set(self.c)) == len(self.c), f"protocol.c names a value twice: {self.c}")
        for name in ("steps", "encode_batch"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")
        require(0 < self.tolerance < 1, f"protocol.tolerance is {self.tolerance}; it must be in (0, 1)")

    def label(self) -> str:
        """What is fitted and what C may be, for records."""
        low, high = min(self.c), max(self.c)
        return f"logistic regression, C={low:g}" + (f" to {high:g} ({len(self.c)} values)" if low < high else "")


class _Clips(NamedTuple):
    """Labelled training clips, and where those to fit and to choose by are among them, if C is to be chosen."""

    train: ClipSet
    fit: Tensor | None
    held: Tensor | None


class Logreg(EvaluationProtocol[LogregConfig]):
    """One classifier per stream on the training part in its test view; streams vote by the mean of their logits.

    Features are standardised by the clips that a classifier is fitted on. C is the one with the highest
    accuracy on held-out training subjects, of equals the smallest; the classifier is then fitted on
    the whole training part.
    """

    Config = LogregConfig
    trains = "head"
    common = True

    def check(self, parts: Parts) -> None:
        """Refuse a training part that nothing can be learnt from, or several C without clips to choose by."""
        self._clips(parts)

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Logits (R, num_classes) of the test clips.

        Raises ``UsageError`` where C is to be chosen and the split has no validation part,
        ``DataError`` for a training part that nothing can be learnt from.
        """
        config, clips = self.config, self._clips(parts)
        noise, size = Noise(stable_id("logreg", str(run.seed))), config.encode_batch
        with evaluating(encoders):
            known = clip_features(encoders, clips.train, "test", noise, size, run, "encode training part")
            asked = clip_features(encoders, parts.test, "test", noise, size, run, "encode test")
        labels, classes = clips.train.labels.to(run.device), len(parts.classes)
        c, info = self._chosen(clips, known, labels, classes, run)
        fits = self._fitted(known, labels, c)
        logits = _mean_logits(fits, asked, classes)
        info |= {
            "recipe": config.label(),
            "labels": len(clips.train),
            "c": c,
            "train_top1": _accuracy(_mean_logits(fits, known, classes), labels),
            "steps": max(one.steps for one in fits.values()),
            "converged": all(one.converged for one in fits.values()),
        }
        values = {"logits": logits.to(feature_dtype(run)).cpu().numpy()}
        return Outcome(parts.test.keys.cpu().numpy(), values, info=info)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``top1``, ``macro`` (mean recall of the classes) and, with more than 5 classes, ``top5``."""
        return logit_scores(outcome.values["logits"], aligned(outcome, truth))

    def _clips(self, parts: Parts) -> _Clips:
        train = learnable(parts.train, len(parts.classes))
        if len(self.config.c) == 1:
            return _Clips(train, None, None)
        if parts.validation is None:
            raise UsageError(
                "protocol.c has several values to choose from by held-out training subjects, but this split has no"
                " validation part; give one value, for instance protocol.c=[0.01], or take another split"
            )
        fit, held = training_parts(parts, True, "protocol.c")
        assert held is not None
        return _Clips(train, *(torch.isin(train.keys, some.keys).nonzero()[:, 0] for some in (fit, held)))

    def _chosen(
        self, clips: _Clips, features: Features, labels: Tensor, classes: int, run: ProtocolRun
    ) -> tuple[float, dict[str, Any]]:
        """C, and what the record says of the choice."""
        values = sorted(self.config.c)
        if clips.fit is None or clips.held is None:
            return values[0], {"selection": "none"}
        fit, held = clips.fit.to(labels.device), clips.held.to(labels.device)
        seen, shown = ({stream: rows[at] for stream, rows in features.items()} for at in (fit, held))
        accuracies = []
        for number, c in enumerate(values, 1):
            fits = self._fitted(seen, labels[fit], c)
            accuracies.append(_accuracy(_mean_logits(fits, shown, classes), labels[held]))
            run.reporter.step("logistic regression, C", number, len(values))
        best = max(accuracies)
        return values[accuracies.index(best)], {"selection": "validation", "validation_top1": best}

    def _fitted(self, features: Features, labels: Tensor, c: float) -> dict[str, Logistic]:
        steps, tolerance = self.config.steps, self.config.tolerance
        return {stream: fit_logistic(rows, labels, c, steps, tolerance) for stream, rows in features.items()}


def _mean_logits(fits: Mapping[str, Logistic], features: Features, classes: int) -> Tensor:
    """(n, num_classes)."""
    return torch.stack([fit.logits(features[stream], classes) for stream, fit in fits.items()]).mean(0)


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(1).to(labels.device) == labels).double().mean())
