"""Retrieval on features that a test can write down, against scikit-learn and a hand-computed ranking."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from toy_features import Pass, problem, run_of

from sslskel.errors import UsageError
from sslskel.protocols.retrieval import Retrieval, RetrievalConfig, by_class


def test_a_ranking_computed_by_hand() -> None:
    places, labels = torch.tensor([[2, 0, 1, 3], [0, 1, 2, 3]]), torch.tensor([0, 1, 1, 0])
    precision, first = by_class(places, labels, 3)
    assert precision[0].tolist() == pytest.approx([(1 / 3 + 2 / 4) / 2, 1.0, -1])
    assert precision[1].tolist() == pytest.approx([(1 / 1 + 2 / 4) / 2, (1 / 2 + 2 / 3) / 2, -1])
    assert first.tolist() == [[2, 0, -1], [0, 1, -1]]


@pytest.mark.parametrize("queries", [7, 1000])
def test_scores_are_those_of_scikit_learn(queries: int) -> None:
    parts, truth = problem(spread=1.5)
    protocol = Retrieval(RetrievalConfig(at=[1, 4], queries=queries))
    scores = protocol.score(protocol.evaluate({"joint": Pass(12)}, parts, run_of()), truth)
    unit = torch.nn.functional.normalize
    cosine = (unit(parts.test.features.double(), dim=1) @ unit(parts.train.features.double(), dim=1).T).numpy()
    relevant = parts.train.labels.numpy() == truth.labels[:, None]
    wanted = np.mean([average_precision_score(*pair) for pair in zip(relevant, cosine, strict=True)])
    assert scores["map"] == pytest.approx(wanted, abs=1e-6)
    order = np.argsort(-cosine, 1)
    for length in (1, 4):
        hit = np.take_along_axis(relevant, order[:, :length], 1).any(1)
        assert scores[f"recall_{length}"] == pytest.approx(hit.mean())
    assert scores["top1"] == scores["recall_1"] < scores["recall_4"]


def test_a_query_whose_class_the_gallery_lacks_finds_nothing() -> None:
    parts, truth = problem()
    protocol = Retrieval(RetrievalConfig())
    parts.train.labels[parts.train.labels == 3] = 2
    outcome = protocol.evaluate({"joint": Pass(12)}, parts, run_of())
    assert (outcome.values["first"][truth.labels == 3, 3] == -1).all()
    assert protocol.score(outcome, truth)["recall_10"] < 1


def test_a_result_list_beyond_the_gallery_is_a_usage_error() -> None:
    parts, _ = problem(count=40)
    with pytest.raises(UsageError, match=r"protocol.at is 41.*40"):
        Retrieval(RetrievalConfig(at=[1, 41])).evaluate({"joint": Pass(12)}, parts, run_of())
    with pytest.raises(UsageError, match=r"protocol\.at has 0"):
        RetrievalConfig(at=[0])
