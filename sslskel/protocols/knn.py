"""Nearest neighbours by cosine similarity: what an encoder's features say without any training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sslskel.backbone import Encoder
from sslskel.config import require
from sslskel.errors import UsageError
from sslskel.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.protocols._features import clip_features, frozen
from sslskel.protocols._metrics import label_scores


@dataclass
class KnnConfig:
    """The field's choice is one neighbour."""

    k: int = 1
    block: int = 1024
    """Queries compared at once; bounds memory, changes no number."""
    encode_batch: int = 64

    def __post_init__(self) -> None:
        for name in ("k", "block", "encode_batch"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")


class Knn(EvaluationProtocol):
    """Gallery: the training part in the test view. Query: each test clip. Uniform vote of the k nearest.

    A tied vote goes to the smallest label, as scikit-learn's does. Streams are concatenated.
    """

    Config = KnnConfig
    config: KnnConfig

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """One predicted label per test clip. Raises ``UsageError`` where k exceeds the gallery."""
        if self.config.k > len(parts.train):
            raise UsageError(f"protocol.k is {self.config.k}, but the gallery has only {len(parts.train)} clips")
        with frozen(encoders):
            gallery = clip_features(encoders, parts.train, run, size=self.config.encode_batch)
            run.advance("knn", 1, 2)
            query = clip_features(encoders, parts.test, run, size=self.config.encode_batch)
            run.advance("knn", 2, 2)
            labels = parts.train.labels.to(run.device)
            predicted = vote(query, gallery, labels, len(parts.classes), self.config.k, self.config.block)
        return Outcome(
            keys=parts.test.keys.cpu().numpy(),
            values={"predicted": predicted.cpu().numpy()},
            info={"recipe": f"cosine, k={self.config.k}", "labels": len(parts.train)},
        )

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``top1`` and ``macro``."""
        return label_scores(np.asarray(outcome.values["predicted"]), truth.of(outcome.keys))


def vote(query: Tensor, gallery: Tensor, labels: Tensor, num_classes: int, k: int, block: int) -> Tensor:
    """Labels (q,) of (q, D) queries by the k most similar of (n, D), exactly, ``block`` queries at a time."""
    gallery = functional.normalize(gallery, dim=1)
    found = []
    for rows in query.split(block):
        nearest = (functional.normalize(rows, dim=1) @ gallery.T).topk(k, dim=1).indices
        votes = functional.one_hot(labels[nearest], num_classes).sum(1)
        found.append(votes.argmax(1))
    return torch.cat(found)
