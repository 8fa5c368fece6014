"""Neighbours, votes and accuracies of released evaluation code, recorded with scikit-learn's classifier."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from recorded import Recorded
from toy_features import Pass, given, run_of

from sslskel.evaluation.neighbours import nearest
from sslskel.protocols.knn import Knn, KnnConfig, Ties


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("k", [1, 5, 9])
def test_neighbours_cosines_votes_and_accuracies_are_those_recorded(shared: Path, seed: int, k: int) -> None:
    case = Recorded(shared / "golden_contrastive" / f"down_knn_seed{seed}.npz")
    train, test = case.tensor("in/train"), case.tensor("in/test")
    rows, cosines = nearest(test, train, k)
    assert torch.equal(rows, case.tensor(f"out/k{k}_neighbours").long())
    assert torch.allclose(1 - cosines, case.tensor(f"out/k{k}_cosine_distance").double(), atol=1e-6)
    labels = case.tensor("in/train_labels").long(), case.tensor("in/test_labels").long()
    parts, truth = given(train, labels[0], test, labels[1], case.config["classes"])
    knn = Knn(KnnConfig(k=k, ties=Ties.smallest))
    outcome = knn.evaluate({"joint": Pass(train.shape[1])}, parts, run_of())
    assert outcome.values["predicted"].tolist() == case[f"out/k{k}_prediction"].tolist()
    assert knn.score(outcome, truth)["top1"] == pytest.approx(float(case[f"out/k{k}_accuracy"]), abs=1e-12)
