"""The neighbour protocol on features that a test can write down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from toy_features import Pass, problem, run_of

from sslskel.api.batch import Batch
from sslskel.errors import RunError, UsageError
from sslskel.evaluation.diagnostics import best_on_test
from sslskel.evaluation.finetune_config import FineTuneConfig
from sslskel.evaluation.linear_training import LinearConfig
from sslskel.evaluation.selection import Report
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.protocols.knn import Knn, KnnConfig, Ties, Weights, vote
from sslskel.results.record import CHOSEN_ON_TEST
from sslskel.results.store import ResultStore


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


class Shifted(Pass):
    """Features of other weights: the first numbers of a clip are lost."""

    def clip(self, batch: Batch) -> Tensor:
        return torch.cat([torch.zeros_like(super().clip(batch)[:, :6]), super().clip(batch)[:, 6:]], 1)


def test_the_best_checkpoint_on_test_is_recorded_beside_the_last_and_changes_no_score() -> None:
    parts, truth = problem(spread=1.2)
    good, poor = {"joint": Pass(12)}, {"joint": Shifted(12)}
    run = run_of(earlier=lambda: iter([(100, good), (200, poor)]))
    plain = knn().evaluate(poor, parts, run)
    assert not plain.by_checkpoint
    outcome = knn(report=Report.best_test_checkpoint).evaluate(poor, parts, run)
    assert np.array_equal(outcome.values["predicted"], plain.values["predicted"])
    assert set(outcome.by_checkpoint) == {100, 200}
    best = best_on_test(outcome, truth)["best_test_checkpoint"]
    share = float((knn().evaluate(good, parts, run).values["predicted"] == truth.labels).mean())
    assert best == {"top1": share, "step": 100, "checkpoints": 3, "marked": CHOSEN_ON_TEST}
    alone = knn(report=Report.best_test_checkpoint).evaluate(good, parts, run_of(earlier=lambda: iter([(100, poor)])))
    assert best_on_test(alone, truth)["best_test_checkpoint"]["step"] is None


def test_a_pretraining_without_earlier_checkpoints_has_no_best_one() -> None:
    parts, truth = problem(spread=1.2)
    for run in (run_of(), run_of(earlier=lambda: iter([]))):
        outcome = knn(report=Report.best_test_checkpoint).evaluate({"joint": Pass(12)}, parts, run)
        assert best_on_test(outcome, truth) == {}


def test_only_neighbours_report_the_best_checkpoint() -> None:
    for config in (LinearConfig, FineTuneConfig):
        with pytest.raises(UsageError, match=r"report=best_test_checkpoint is of other protocols.*best_test_epoch"):
            config(report=Report.best_test_checkpoint)
    with pytest.raises(UsageError, match=r"this one takes selected or best_test_checkpoint"):
        knn(report=Report.best_test_epoch)


@pytest.mark.long
def test_the_recipe_of_predict_and_cluster_reads_every_kept_checkpoint_of_a_run(tmp_path: Path) -> None:
    request = GridRequest(
        methods=("random_init", "joint_to_joint"),
        protocols=("knn_predict_cluster", "knn"),
        preset="quick",
        seeds=(0,),
        output=tmp_path,
        overrides=("train.epochs=3", "train.warmup_epochs=0", "train.checkpoint_epochs=1", "train.keep_checkpoints=9"),
    )
    run_grid(request)
    records = {(one.method["name"], one.protocol["name"]): one for one in ResultStore(tmp_path).records()}
    trained = records["joint_to_joint", "knn_predict_cluster"]
    best = trained.extra["details"]["best_test_checkpoint"]
    assert best["checkpoints"] == 3
    assert best["top1"] >= trained.scores["top1"] == records["joint_to_joint", "knn"].scores["top1"]
    assert "best_test_checkpoint" not in records["random_init", "knn_predict_cluster"].extra["details"]
