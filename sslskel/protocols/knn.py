"""The nearest-neighbour protocol: cosine similarity to the training clips, nothing trained.

Exact at any size: similarities exist one block at a time.
"""

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
from sslskel.noise import Noise, stable_id
from sslskel.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.protocols._features import clip_features, evaluating, labelled
from sslskel.protocols._metrics import aligned, class_scores


@dataclass
class KnnConfig:
    """Defaults are the field's retrieval protocol: one neighbour, cosine (Su et al., CVPR 2020)."""

    k: int = 1
    """Neighbours that vote, each with one voice; of classes with equal votes the one with the nearest wins."""
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""
    block: int = 4096
    """Test and training clips compared at a time; memory grows with its square."""

    def __post_init__(self) -> None:
        for name in ("k", "encode_batch", "block"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")


class Knn(EvaluationProtocol):
    """Gallery: the training part in its test view. Queries: the test part.

    Several streams are compared by the mean of their cosine similarities.
    """

    Config = KnnConfig
    config: KnnConfig

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Predicted classes (R,) of the test clips; raises ``UsageError`` where k exceeds the gallery."""
        config, gallery = self.config, labelled(parts.train, "training")
        if config.k > len(gallery):
            raise UsageError(
                f"protocol.k is {config.k}, but the training part has {len(gallery)} labelled clips;"
                " choose a k that is not larger"
            )
        noise, size = Noise(stable_id("knn", str(run.seed))), config.encode_batch
        with evaluating(encoders):
            known = joined(clip_features(encoders, gallery, "test", noise, size, run, "encode training part"))
            asked = joined(clip_features(encoders, parts.test, "test", noise, size, run, "encode test"))
        nearest = nearest_rows(asked, known, config.k, config.block)
        predicted = vote(gallery.labels.to(run.device)[nearest], len(parts.classes))
        info = {"recipe": f"cosine, k={config.k}", "selection": "none", "labels": len(gallery)}
        return Outcome(parts.test.keys.cpu().numpy(), {"predicted": predicted.cpu().numpy()}, info=info)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``top1`` and ``macro`` (mean recall of the classes)."""
        return class_scores(outcome.values["predicted"].astype(np.int64), aligned(outcome, truth))


def joined(features: Mapping[str, Tensor]) -> Tensor:
    """Streams side by side, each of length one: (n, sum of D)."""
    return torch.cat([functional.normalize(rows, dim=1) for rows in features.values()], 1)


def nearest_rows(queries: Tensor, gallery: Tensor, k: int, block: int = 4096) -> Tensor:
    """Rows of the k most similar of ``gallery`` (g, D), nearest first, for ``queries`` (q, D): (q, k).

    Cosine in float64 where the device has it, rounded to 2^-40, so that copies of a clip
    tie on every device and block; of ties the earlier row comes first. A zero vector is
    equally far from all.
    """
    exact, grid = (torch.float32, 2.0**20) if queries.device.type == "mps" else (torch.float64, 2.0**40)
    found = []
    for part in torch.split(queries, block):
        unit = functional.normalize(part.to(exact), dim=1)
        best, rows = unit.new_empty(len(part), 0), torch.empty(len(part), 0, dtype=torch.int64, device=unit.device)
        for start in range(0, len(gallery), block):
            others = functional.normalize(gallery[start : start + block].to(exact), dim=1)
            near, at = _largest((unit @ others.T).mul_(grid).round_(), min(k, len(others)))
            # Earlier rows stand first and the sort is stable, so ties keep their order.
            best, order = torch.cat([best, near], 1).sort(dim=1, descending=True, stable=True)
            rows = torch.cat([rows, at + start], 1).gather(1, order)[:, :k]
            best = best[:, :k]
        found.append(rows)
    return torch.cat(found)


def _largest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row and where they are; the first of equals first. Spoils ``values``."""
    # torch.topk leaves open which of equal values it returns; max says the first.
    top, at = [], []
    for _ in range(k):
        value, index = values.max(1, keepdim=True)
        top.append(value)
        at.append(index)
        values.scatter_(1, index, -torch.inf)
    return torch.cat(top, 1), torch.cat(at, 1)


def vote(labels: Tensor, classes: int) -> Tensor:
    """The most frequent of each row of neighbours' labels (q, k), nearest first: (q,)."""
    count, k = labels.shape
    votes = labels.new_zeros(count, classes).scatter_add_(1, labels, torch.ones_like(labels))
    rank = torch.arange(k, device=labels.device).expand(count, k)
    first = labels.new_full((count, classes), k).scatter_reduce_(1, labels, rank, "amin")
    return (votes * (k + 1) - first).argmax(1)
