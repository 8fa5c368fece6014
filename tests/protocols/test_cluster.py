"""Clustering on features that a test can write down."""

from __future__ import annotations

import numpy as np
import pytest
from toy_features import Pass, problem, run_of

from sslskel.errors import DataError
from sslskel.protocols.cluster import Cluster, ClusterConfig, Fit, matched_accuracy


@pytest.mark.parametrize("fit", list(Fit))
def test_clusters_that_are_the_classes_score_full(fit: Fit) -> None:
    parts, truth = problem(spread=0.02)
    protocol = Cluster(ClusterConfig(fit=fit))
    outcome = protocol.evaluate({"joint": Pass(12)}, parts, run_of())
    assert protocol.score(outcome, truth) == pytest.approx({"accuracy": 1, "nmi": 1, "ari": 1})
    assert outcome.info["labels"] == 0
    assert parts.train.passes == (["test"] if fit is Fit.train else [])


def test_matching_is_the_best_of_all_and_leaves_spare_clusters_out() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    assert matched_accuracy(labels, np.array([5, 5, 1, 1, 1, 0])) == pytest.approx(5 / 6)
    assert matched_accuracy(labels, np.array([0, 1, 2, 3, 4, 5])) == pytest.approx(3 / 6)
    assert matched_accuracy(labels, np.zeros(6, np.int64)) == pytest.approx(3 / 6)


def test_clustering_needs_two_clusters_and_a_clip_for_each() -> None:
    parts, _ = problem(count=40)
    with pytest.raises(DataError, match=r"41 clusters.*40 clips"):
        Cluster(ClusterConfig(clusters=41)).check(parts)
    with pytest.raises(DataError, match="one class"):
        Cluster(ClusterConfig()).check(parts._replace(classes=("wave",)))
