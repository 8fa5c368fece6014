"""The clustering protocol: k-means on frozen features, compared with the classes; no label is learnt from.

k-means and the measures are scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from threadpoolctl import threadpool_limits

from sslskel.api.dataset import Ints
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.config.groups import require
from sslskel.errors import DataError
from sslskel.evaluation.features import clip_features, evaluating
from sslskel.evaluation.metrics import aligned
from sslskel.evaluation.neighbours import joined
from sslskel.hashing import stable_id


class Fit(Enum):
    """Which part the clusters are found in. Test clips are assigned to them, and alone are scored."""

    train = "train"
    test = "test"


@dataclass
class ClusterConfig:
    """k-means++ with several starts, on features of length one, with as many clusters as classes."""

    clusters: int = 0
    """How many; 0 for the number of classes."""
    fit: Fit = Fit.train
    starts: int = 10
    """Runs of k-means from other centres; the one of the least inertia is kept."""
    iterations: int = 300
    """Most of one run."""
    level: str = ""
    """Which of the encoder's levels is read, for instance ``joints``; empty for its feature."""
    encode_batch: int = 128
    """Clips that an encoder sees at a time; a matter of memory and speed only."""

    def __post_init__(self) -> None:
        require(self.clusters >= 0, f"protocol.clusters is {self.clusters}; it must not be negative")
        for name in ("starts", "iterations", "encode_batch"):
            require(getattr(self, name) >= 1, f"protocol.{name} is {getattr(self, name)}; it must be at least 1")


class Cluster(EvaluationProtocol[ClusterConfig]):
    """Cluster one part and assign the test clips. Several streams are joined, each of length one."""

    Config = ClusterConfig
    primary = "accuracy"
    reads_labels = False

    def check(self, parts: Parts) -> None:
        """Refuse more clusters than clips, and a single one."""
        self._count(parts)

    def evaluate(self, encoders: Mapping[str, Encoder], parts: Parts, run: ProtocolRun) -> Outcome:
        """``cluster`` (R,) of the test clips; raises ``DataError`` where there is one class or too few clips."""
        config, count = self.config, self._count(parts)
        noise, size = Noise(stable_id("cluster", str(run.seed))), config.encode_batch
        with evaluating(encoders):
            asked = joined(clip_features(encoders, parts.test, "test", noise, size, run, "encode test"))
            known = asked
            if config.fit is Fit.train:
                known = joined(clip_features(encoders, parts.train, "test", noise, size, run, "encode training part"))
        clusters = k_means(known.cpu().numpy(), asked.cpu().numpy(), count, config, run.seed)
        # k-means depends on the order of its rows, and a test part comes in another one than it once did.
        where = "train part" if config.fit is Fit.train else "shuffled test part"
        info: dict[str, Any] = {
            "recipe": f"k-means, {count} clusters of the {where}, {config.starts} starts",
            "selection": "least inertia",
            "labels": 0,
            "clusters": count,
        }
        return Outcome(parts.test.keys.cpu().numpy(), {"cluster": clusters}, info=info)

    def score(self, outcome: Outcome, truth: Truth) -> dict[str, float]:
        """``accuracy`` by the best one-to-one matching of clusters and classes, ``nmi`` and ``ari``.

        Normalised mutual information by the arithmetic mean of entropies; the adjusted Rand index
        can be below 0.
        """
        labels, clusters = aligned(outcome, truth), outcome.values["cluster"]
        return {
            "accuracy": matched_accuracy(labels, clusters),
            "nmi": float(normalized_mutual_info_score(labels, clusters)),
            "ari": float(adjusted_rand_score(labels, clusters)),
        }

    def _count(self, parts: Parts) -> int:
        count = self.config.clusters or len(parts.classes)
        if count < 2:
            raise DataError("there is one class, so there is nothing to cluster; choose a benchmark with two")
        clips = len(parts.train if self.config.fit is Fit.train else parts.test)
        if clips < count:
            raise DataError(
                f"{count} clusters are asked for, but the {self.config.fit.value} part has {clips} clips; lower"
                " protocol.clusters"
            )
        return count


def k_means(
    known: npt.NDArray[Any], asked: npt.NDArray[Any], count: int, config: ClusterConfig, seed: int
) -> npt.NDArray[np.int64]:
    """Clusters of the rows of ``asked`` (q, D), found in ``known`` (n, D), a function of the seed: (q,)."""
    start = stable_id("k-means", str(seed)) % 2**32
    model = KMeans(count, n_init=config.starts, max_iter=config.iterations, random_state=start)
    # Several threads add their shares of a centre in the order in which they end.
    with threadpool_limits(1, "openmp"):
        return np.asarray(model.fit(known).predict(asked), dtype=np.int64)


def matched_accuracy(labels: Ints, clusters: Ints) -> float:
    """Share of (R,) clips whose cluster is matched with their class, in the matching that makes it largest."""
    table = contingency_matrix(labels, clusters)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(labels))
