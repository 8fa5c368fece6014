"""The nearest-neighbour protocol: cosine similarity to the training clips, nothing trained.

How neighbours are found is in ``sslskel.evaluation.neighbours``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.config.groups import require
from sslskel.evaluation.features import clip_features, evaluating, labelled
from sslskel.evaluation.metrics import aligned, class_scores
from sslskel.evaluation.neighbours import joined, nearest, require_neighbours
from sslskel.evaluation.selection import Report, require_report
from sslskel.hashing import stable_id


class Weights(Enum):
    """The voice of a neighbour: one each, or exp(cosine / temperature) (Wu et al., CVPR 2018, section 3.4)."""

    uniform = "uniform"
    similarity = "similarity"


class Ties(Enum):
    """Which of the classes with equal votes wins."""

    nearest = "nearest"
    """The one with the nearest neighbour."""
    smallest = "smallest"
    """The one with the smallest number, as in scikit-learn's classifier and released code built on it."""


@dataclass
class KnnConfig:
    """Defaults are the field's retrieval protocol: one neighbour, cosine (Su et al., CVPR 2020)."""

    k: int = 1
    """Neighbours that vote."""
    weights: Weights = Weights.uniform
    temperature: float = 0.07
    """Of ``weights=similarity``."""
    ties: Ties = Ties.nearest
    level: str = ""
    """Which of the encoder's levels is read, for instance ``joints``; empty for its feature."""
    report: Report = Report.selected
    """``best_test_checkpoint`` judges the earlier checkpoints that the pretraining has kept too
    (``train.keep_checkpoints``) and records the best of them, marked as chosen on test; it never ranks."""
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""
    block: int = 4096
    """Test and training clips compared at a time; memory grows with its square."""
    unsaid: ClassVar[Mapping[str, object]] = {"report": "selected"}

    def __post_init__(self) -> None:
        for name in ("k", "encode_batch", "block"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")
        require(0 < self.temperature < math.inf, f"protocol.temperature is {self.temperature}; it must be positive")
        require_report(self.report, Report.best_test_checkpoint)

    def label(self) -> str:
        """What neighbours there are and how they vote, for records."""
        parts = [f"cosine, k={self.k}"]
        if self.weights is Weights.similarity:
            parts.append(f"weights exp(cosine/{self.temperature:g})")
        if self.ties is not Ties.nearest:
            parts.append(f"ties to the {self.ties.value} class")
        return ", ".join(parts)


class Knn(EvaluationProtocol[KnnConfig]):
    """Gallery: the training part in its test view. Queries: the test part.

    Several streams are compared by the mean of their cosine similarities.
    """

    Config = KnnConfig
    common = True

    def check(self, parts: Parts) -> None:
        """Refuse a k beyond the gallery."""
        require_neighbours("protocol.k", self.config.k, len(labelled(parts.train, "training")))

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Predicted classes (R,) of the test clips; raises ``UsageError`` where k exceeds the gallery."""
        self.check(parts)
        config, keys = self.config, parts.test.keys.cpu().numpy()
        info = {"recipe": config.label(), "selection": "none", "labels": len(labelled(parts.train, "training"))}
        predicted = self._predicted(encoders, parts, run)
        before = self._by_checkpoint(parts, run) if config.report is Report.best_test_checkpoint else {}
        return Outcome(keys, {"predicted": predicted}, by_checkpoint=before, info=info)

    def _predicted(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> npt.NDArray[np.int64]:
        """(R,) class of each test clip."""
        config, gallery = self.config, labelled(parts.train, "training")
        noise, size = Noise(stable_id("knn", str(run.seed))), config.encode_batch
        with evaluating(encoders):
            known = joined(clip_features(encoders, gallery, "test", noise, size, run, "encode training part"))
            asked = joined(clip_features(encoders, parts.test, "test", noise, size, run, "encode test"))
        rows, cosines = nearest(asked, known, config.k, config.block)
        voices = None
        if config.weights is Weights.similarity:
            voices = torch.exp((cosines - cosines[:, :1]) / config.temperature)
        labels = gallery.labels.to(run.device)[rows]
        return vote(labels, len(parts.classes), voices, config.ties).cpu().numpy()

    def _by_checkpoint(self, parts: Parts, run: ProtocolRun) -> dict[int, npt.NDArray[np.int64]]:
        """The same with the weights of each earlier checkpoint, by its step."""
        # Kept features are those of the last weights.
        uncached, earlier = replace(run, features=None), () if run.earlier is None else run.earlier()
        by_step = {step: self._predicted(encoders, parts, uncached) for step, encoders in earlier}
        if not by_step:
            run.reporter.line(
                "  there is no earlier checkpoint, so that no best one is recorded (train.checkpoint_epochs says how"
                " often one is written, train.keep_checkpoints how many stay)"
            )
        return by_step

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``top1`` and ``macro`` (mean recall of the classes)."""
        return class_scores(outcome.values["predicted"].astype(np.int64), aligned(outcome, truth))


def vote(labels: Tensor, classes: int, voices: Tensor | None = None, ties: Ties = Ties.nearest) -> Tensor:
    """The class with most votes among each row of neighbours' labels (q, k), nearest first: (q,).

    ``voices`` (q, k) weigh the votes; None gives each neighbour one.
    """
    count, k = labels.shape
    weights = torch.ones_like(labels, dtype=torch.float64) if voices is None else voices.double()
    votes = weights.new_zeros(count, classes).scatter_add_(1, labels, weights)
    leading = votes == votes.amax(1, keepdim=True)
    if ties is Ties.smallest:
        return leading.to(torch.int8).argmax(1)
    rank = torch.arange(k, device=labels.device).expand(count, k)
    first = labels.new_full((count, classes), k).scatter_reduce_(1, labels, rank, "amin")
    return torch.where(leading, first, k + 1).argmin(1)
