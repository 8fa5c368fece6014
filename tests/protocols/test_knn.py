"""The neighbour protocol on features that a test can write down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from toy_features import Pass, problem, run_of

from sslskel.api.batch import Batch
from sslskel.errors import RunError, UsageError
from sslskel.protocols.knn import Knn, KnnConfig, Ties, Weights, vote


def knn(**changes: Any) -> Knn:
    return Knn(KnnConfig(**changes))


@pytest.mark.parametrize("k", [1, 2, 5, 8])
@pytest.mark.parametrize("block", [17, 4096])
def test_knn_gives_the_labels_of_scikit_learn(k: int, block: int) -> None:
    parts, _ = problem(spread=1.2)
    outcome = knn(k=k, block=block, ties=Ties.smallest).evaluate({"joint": Pass(12)}, parts, run_of())
    reference = KNeighborsClassifier(n_neighbors=k, metric="cosine", algorithm="brute")
    reference.fit(parts.train.features.double(), parts.train.labels)
    assert np.array_equal(outcome.values["predicted"], reference.predict(parts.test.features.double()))


def test_votes_may_be_weighted_by_similarity() -> None:
    parts, _ = problem(spread=1.2)
    weighed = knn(k=9, weights=Weights.similarity, temperature=0.2).evaluate({"joint": Pass(12)}, parts, run_of())
    reference = KNeighborsClassifier(
        n_neighbors=9, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / 0.2)
    )
    reference.fit(parts.train.features.double(), parts.train.labels)
    predicted = reference.predict(parts.test.features.double())
    assert np.array_equal(weighed.values["predicted"], predicted)
    assert not np.array_equal(knn(k=9).evaluate({"joint": Pass(12)}, parts, run_of()).values["predicted"], predicted)
    assert weighed.info["recipe"] == "cosine, k=9, weights exp(cosine/0.2)"


def test_a_tied_vote_goes_to_the_class_with_the_nearest_neighbour() -> None:
    labels = torch.tensor([[2, 1, 1, 2], [0, 1, 1, 2], [3, 2, 1, 0]])
    assert vote(labels, 4).tolist() == [2, 1, 3]
    assert vote(labels, 4, ties=Ties.smallest).tolist() == [1, 1, 0]


def test_more_neighbours_than_clips_is_a_usage_error() -> None:
    parts, _ = problem(count=40)
    with pytest.raises(UsageError, match=r"protocol.k is 41.*40"):
        knn(k=41).evaluate({"joint": Pass(12)}, parts, run_of())
    knn(k=40).evaluate({"joint": Pass(12)}, parts, run_of())


def test_streams_are_compared_by_the_mean_of_their_similarities() -> None:
    parts, _ = problem()
    assert np.array_equal(
        knn().evaluate({"joint": Pass(12), "bone": Pass(12)}, parts, run_of()).values["predicted"],
        knn().evaluate({"joint": Pass(12)}, parts, run_of()).values["predicted"],
    )


def test_streams_count_alike_however_long_their_features_are() -> None:
    """The first half of the feature is one stream, the second half another, a hundred times as long."""

    class Half(Pass):
        def __init__(self, at: slice, scale: float) -> None:
            super().__init__(6)
            self.at, self.scale = at, scale

        def clip(self, batch: Batch) -> Tensor:
            return self.scale * batch.tracks[:, 0, 0, self.at]

    parts, _ = problem()
    first, second = slice(0, 6), slice(6, 12)
    alike, longer = (
        knn().evaluate({"joint": Half(first, 1.0), "bone": Half(second, scale)}, parts, run_of()).values["predicted"]
        for scale in (1.0, 100.0)
    )
    assert np.array_equal(alike, longer)
    alone = knn().evaluate({"bone": Half(second, 1.0)}, parts, run_of()).values["predicted"]
    assert not np.array_equal(alike, alone)


def test_a_feature_of_another_width_than_promised_is_refused() -> None:
    parts, _ = problem()
    encoder = Pass(12)
    encoder.dim = 13
    with pytest.raises(RunError, match="dim of 13"):
        knn().evaluate({"joint": encoder}, parts, run_of())
