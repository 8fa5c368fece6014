"""The retrieval protocol: each test clip ranks the whole training part; nothing is trained or voted on.

How similar clips are is in ``sslskel.evaluation.neighbours``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sslskel.api.dataset import Ints
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.config.groups import require
from sslskel.evaluation.features import clip_features, evaluating, labelled
from sslskel.evaluation.metrics import aligned
from sslskel.evaluation.neighbours import joined, ranks, require_neighbours
from sslskel.hashing import stable_id


@dataclass
class RetrievalConfig:
    """Cosine ranking of the training part, as in the field's retrieval tables (Su et al., CVPR 2020)."""

    at: list[int] = field(default_factory=lambda: [1, 5, 10])
    """Lengths of the result list at which recall is asked: is a clip of the query's class in it?"""
    level: str = ""
    """Which of the encoder's levels is read, for instance ``joints``; empty for its feature."""
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""
    queries: int = 256
    """Test clips ranked at a time; memory grows with this and the size of the training part."""

    def __post_init__(self) -> None:
        for name in ("encode_batch", "queries"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")
        require(bool(self.at), "protocol.at is empty; give a length of the result list, for instance protocol.at=[1,5]")
        for length in self.at:
            require(length >= 1, f"protocol.at has {length}; a result list has at least 1 clip")


class Retrieval(EvaluationProtocol[RetrievalConfig]):
    """Gallery: the training part in its test view. Queries: the test part.

    Since labels of queries are withheld, the outcome holds for every class what the score would
    be if the query were of it. Several streams are compared by the mean of their cosines.
    """

    Config = RetrievalConfig
    primary = "map"

    def check(self, parts: Parts) -> None:
        """Refuse a result list that is longer than the gallery."""
        require_neighbours("protocol.at", max(self.config.at), len(labelled(parts.train, "training")))

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """Per query, the class of the nearest clip (R,), and for every class its average precision and first place.

        ``average_precision`` (R, num_classes) float32, ``first`` (R, num_classes) int32 from 0;
        -1 for a class that the gallery lacks. Raises ``UsageError`` where a result list
        would be longer than the gallery.
        """
        self.check(parts)
        config, gallery = self.config, labelled(parts.train, "training")
        noise, size = Noise(stable_id("retrieval", str(run.seed))), config.encode_batch
        with evaluating(encoders):
            known = joined(clip_features(encoders, gallery, "test", noise, size, run, "encode training part"))
            asked = joined(clip_features(encoders, parts.test, "test", noise, size, run, "encode test"))
        labels, done = gallery.labels.to(run.device), 0
        precision, first = [], []
        for some in torch.split(asked, config.queries):
            ranked = by_class(ranks(some, known, block=4096), labels, len(parts.classes))
            precision.append(ranked[0].float().cpu())
            first.append(ranked[1].int().cpu())
            done += len(some)
            run.reporter.step("rank training part", done, len(asked))
        places = torch.cat(first)
        values = {
            "average_precision": torch.cat(precision).numpy(),
            "first": places.numpy(),
            "predicted": (places == 0).int().argmax(1).numpy(),
        }
        info = {"recipe": "cosine ranking of the training part", "selection": "none", "labels": len(gallery)}
        return Outcome(parts.test.keys.cpu().numpy(), values, info=info)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``map`` (mean average precision over the queries), ``recall_K`` for each K asked, and ``top1``.

        ``top1`` is ``recall_1``: whether the nearest clip is of the query's class.
        """
        labels: Ints = aligned(outcome, truth)
        row = np.arange(len(labels))
        place = outcome.values["first"][row, labels]
        precision = outcome.values["average_precision"][row, labels]
        scores = {"map": float(np.where(place >= 0, precision, 0).astype(np.float64).mean())}
        for length in sorted({1, *self.config.at}):
            scores[f"recall_{length}"] = float(((place >= 0) & (place < length)).mean())
        return scores | {"top1": scores["recall_1"]}


def by_class(places: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Average precision and first place of every class: (q, classes) each, -1 for one that the gallery lacks.

    ``places`` (q, g) are ranks from 0 of the gallery rows, ``labels`` (g,) their classes. The
    average precision is the mean, over the rows of a class, of the share of that class
    among all rows up to it: no interpolation, as ``sklearn.metrics.average_precision_score``.
    """
    precision = torch.full((len(places), classes), -1.0, dtype=torch.float64, device=places.device)
    first = torch.full_like(precision, -1).long()
    for label in torch.unique(labels).tolist():
        own = places[:, labels == label].sort(dim=1).values
        count = torch.arange(1, own.shape[1] + 1, dtype=torch.float64, device=places.device)
        precision[:, label] = (count / (own + 1)).mean(1)
        first[:, label] = own[:, 0]
    return precision, first
