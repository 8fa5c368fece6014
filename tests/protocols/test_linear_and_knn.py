"""The linear and neighbour protocols on features that a test can write down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from recorder import Recorder
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from toy_features import Pass, problem, run_of

from sslskel.api.batch import Batch
from sslskel.api.protocol import Outcome, Truth
from sslskel.errors import DataError, RunError, UsageError
from sslskel.evaluation.linear_head import mini_batches
from sslskel.evaluation.linear_training import LinearConfig
from sslskel.evaluation.metrics import aligned, class_scores, logit_scores
from sslskel.evaluation.neighbours import nearest
from sslskel.evaluation.selection import Selection
from sslskel.protocols.knn import Knn, KnnConfig, Ties, Weights, vote
from sslskel.protocols.linear import Linear


def linear(**changes: Any) -> Linear:
    return Linear(LinearConfig(**({"epochs": 10} | changes)))


def knn(**changes: Any) -> Knn:
    return Knn(KnnConfig(**changes))


def test_linear_agrees_with_logistic_regression() -> None:
    parts, truth = problem(count=2000, spread=1.6)
    probe = linear(epochs=300, batch_size=2000, lr=3.0, augment=False)
    found = probe.score(probe.evaluate({"joint": Pass(12)}, parts, run_of()), truth)
    reference = LogisticRegression(C=1e6, max_iter=2000).fit(parts.train.features, parts.train.labels)
    wanted = reference.score(parts.test.features, truth.labels)
    assert 0.5 < wanted < 0.95
    assert found["top1"] == pytest.approx(wanted, abs=0.002)
    assert found["top5"] > found["top1"]


@pytest.mark.parametrize("k", [1, 2, 5, 8])
@pytest.mark.parametrize("block", [17, 4096])
def test_knn_gives_the_labels_of_scikit_learn(k: int, block: int) -> None:
    parts, _ = problem(spread=1.2)
    found = knn(k=k, block=block, ties=Ties.smallest).evaluate({"joint": Pass(12)}, parts, run_of())
    reference = KNeighborsClassifier(n_neighbors=k, metric="cosine", algorithm="brute")
    reference.fit(parts.train.features.double(), parts.train.labels)
    assert np.array_equal(found.values["predicted"], reference.predict(parts.test.features.double()))


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


def test_neighbours_are_exact_at_any_block_and_the_earlier_of_equals_comes_first() -> None:
    generator = torch.Generator().manual_seed(0)
    gallery = torch.randint(-2, 3, (60, 3), generator=generator).float()
    gallery = torch.cat([gallery, gallery])
    queries = torch.randint(-2, 3, (25, 3), generator=generator).float()
    unit = torch.nn.functional.normalize
    similarity = unit(queries.double(), dim=1) @ unit(gallery.double(), dim=1).T
    similarity = (similarity * 2.0**40).round()
    wanted = similarity.sort(dim=1, descending=True, stable=True)[1][:, :4]
    for block in (1, 7, 64, 1000):
        assert torch.equal(nearest(queries, gallery, 4, block)[0], wanted)


def test_a_tied_vote_goes_to_the_class_with_the_nearest_neighbour() -> None:
    labels = torch.tensor([[2, 1, 1, 2], [0, 1, 1, 2], [3, 2, 1, 0]])
    assert vote(labels, 4).tolist() == [2, 1, 3]
    assert vote(labels, 4, ties=Ties.smallest).tolist() == [1, 1, 0]


def test_more_neighbours_than_clips_is_a_usage_error() -> None:
    parts, _ = problem(count=40)
    with pytest.raises(UsageError, match=r"protocol.k is 41.*40"):
        knn(k=41).evaluate({"joint": Pass(12)}, parts, run_of())
    knn(k=40).evaluate({"joint": Pass(12)}, parts, run_of())


@pytest.mark.parametrize("protocol", [linear(), knn()], ids=["linear", "knn"])
def test_the_encoder_stays_as_it_was_and_is_only_asked_in_eval_mode(protocol: Any) -> None:
    parts, _ = problem()
    encoder = Pass(12)
    encoder.train()
    encoder.norm.eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    protocol.evaluate({"joint": encoder}, parts, run_of())
    assert encoder.training
    assert not encoder.norm.training
    assert encoder.modes == {False}
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("protocol", [linear(), knn()], ids=["linear", "knn"])
def test_the_encoder_gets_its_mode_back_when_something_fails(protocol: Any) -> None:
    parts, _ = problem()
    parts.train.features[3] = torch.nan
    encoder = Pass(12).train()
    with pytest.raises(RunError, match=r"joint encoder.*not finite for 1 of 300 clips.*1000021"):
        protocol.evaluate({"joint": encoder}, parts, run_of())
    assert encoder.training


@pytest.mark.parametrize("protocol", [linear(), knn()], ids=["linear", "knn"])
def test_same_result_twice_without_touching_global_generators(protocol: Any) -> None:
    parts, _ = problem()
    parts.train.jitter = 0.5
    state, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, second = (protocol.evaluate({"joint": Pass(12)}, parts, run_of()) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numbers)
    for name in first.values:
        assert np.array_equal(first.values[name], second.values[name])


def test_the_seed_of_the_run_changes_the_linear_head() -> None:
    parts, _ = problem()
    first, second = (linear().evaluate({"joint": Pass(12)}, parts, run_of(seed)).values["logits"] for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, ["train"] * 10),
        ({"views": 3}, ["train"] * 3),
        ({"views": 30}, ["train"] * 10),
        ({"augment": False}, ["test"]),
        ({"augment": False, "views": 3}, ["test"]),
    ],
)
def test_training_views_are_fresh_unless_asked_otherwise_and_the_test_part_is_encoded_once(
    changes: dict[str, Any], passes: list[str]
) -> None:
    parts, _ = problem()
    linear(**changes).evaluate({"joint": Pass(12)}, parts, run_of())
    assert parts.train.passes == passes
    assert parts.test.passes == ["test"]


def test_selection_by_validation_trains_on_fit_alone_and_reports_its_best_epoch() -> None:
    parts, truth = problem(spread=2.5)
    probe = linear(selection=Selection.validation, epochs=20)
    outcome = probe.evaluate({"joint": Pass(12)}, parts, run_of())
    assert parts.train.passes == []
    assert len(parts.fit.passes) == 20
    assert outcome.info["selection"] == "validation"
    assert outcome.info["labels"] == 300
    assert 1 <= outcome.info["epoch"] <= 20
    assert 0.2 < outcome.info["validation_top1"] <= 1
    again = linear(selection=Selection.validation, epochs=20).evaluate({"joint": Pass(12)}, parts, run_of())
    assert np.array_equal(again.values["logits"], outcome.values["logits"])
    assert probe.score(outcome, truth)["top1"] > 0.2


def test_the_reported_epoch_is_that_of_the_kept_head() -> None:
    parts, _ = problem(spread=3.0)
    parts.validation.labels[:] = 0
    chosen = linear(selection=Selection.validation, epochs=8).evaluate({"joint": Pass(12)}, parts, run_of())
    parts.validation.labels[:] = 7
    other = linear(selection=Selection.validation, epochs=8).evaluate({"joint": Pass(12)}, parts, run_of())
    assert chosen.info["epoch"] != other.info["epoch"]
    assert not np.array_equal(chosen.values["logits"], other.values["logits"])


def test_selection_without_a_validation_part_is_a_usage_error() -> None:
    parts, _ = problem()
    with pytest.raises(UsageError, match="needs a validation part"):
        linear(selection=Selection.validation).evaluate(
            {"joint": Pass(12)}, parts._replace(fit=None, validation=None), run_of()
        )


def test_the_record_says_what_was_changed_in_the_recipe() -> None:
    parts, _ = problem()
    outcome = linear(epochs=3, lr=0.5).evaluate({"joint": Pass(12)}, parts, run_of())
    assert outcome.info == {"recipe": "mamp (epochs=3, lr=0.5)", "selection": "last", "epoch": 3, "labels": 300}
    assert LinearConfig().label() == "mamp"
    assert LinearConfig(encode_batch=3).label() == "mamp"


def test_clips_without_a_label_are_neither_trained_on_nor_neighbours() -> None:
    parts, _ = problem()
    parts.train.labels[100:] = -1
    for protocol in (linear(), knn()):
        assert protocol.evaluate({"joint": Pass(12)}, parts, run_of()).info["labels"] == 100
    parts.train.labels[:] = -1
    for protocol in (linear(), knn()):
        with pytest.raises(DataError, match="no label"):
            protocol.evaluate({"joint": Pass(12)}, parts, run_of())


@pytest.mark.parametrize(("count", "size", "sizes"), [(9, 4, [4, 5]), (10, 4, [4, 4, 2]), (3, 8, [3]), (5, 4, [5])])
def test_no_batch_holds_one_clip_and_every_clip_is_used(count: int, size: int, sizes: list[int]) -> None:
    parts = mini_batches(torch.arange(count), size)
    assert [len(part) for part in parts] == sizes
    assert torch.cat(parts).tolist() == list(range(count))


def test_a_training_part_of_one_clip_is_refused() -> None:
    parts, _ = problem()
    with pytest.raises(DataError, match="one labelled clip"):
        linear().evaluate({"joint": Pass(12)}, parts._replace(train=parts.train.subset(torch.tensor([4]))), run_of())


def test_a_label_beyond_the_classes_is_refused() -> None:
    parts, _ = problem()
    with pytest.raises(DataError, match="label 7, but there are 7 classes"):
        linear().evaluate({"joint": Pass(12)}, parts._replace(classes=parts.classes[:7]), run_of())


def test_a_head_that_diverges_says_so() -> None:
    parts, _ = problem()
    with pytest.raises(RunError, match=r"diverged in epoch \d+; lower protocol.lr"):
        linear(lr=1e38, epochs=30).evaluate({"joint": Pass(12)}, parts, run_of())


def test_streams_vote_by_the_mean_of_their_logits() -> None:
    parts, _ = problem()
    alone = linear().evaluate({"joint": Pass(12)}, parts, run_of()).values["logits"]
    other = linear().evaluate({"bone": Pass(12)}, parts, run_of()).values["logits"]
    both = linear().evaluate({"joint": Pass(12), "bone": Pass(12)}, parts, run_of())
    assert np.allclose(both.values["logits"], (alone + other) / 2, atol=1e-5)
    assert parts.test.passes.count("test") == 3


def test_streams_are_compared_by_the_mean_of_their_similarities() -> None:
    parts, _ = problem()
    assert np.array_equal(
        knn().evaluate({"joint": Pass(12), "bone": Pass(12)}, parts, run_of()).values["predicted"],
        knn().evaluate({"joint": Pass(12)}, parts, run_of()).values["predicted"],
    )


def test_mixed_precision_is_entered_for_encoders_and_heads_stay_in_float32() -> None:
    parts, _ = problem()
    seen = []

    class Half(Pass):
        def clip(self, batch: Batch) -> Tensor:
            seen.append(torch.is_autocast_enabled("cpu"))
            return super().clip(batch).bfloat16()

    mixed = run_of(autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    outcome = linear().evaluate({"joint": Half(12)}, parts, mixed)
    assert set(seen) == {True}
    assert outcome.values["logits"].dtype == np.float32


def test_a_float64_run_is_float64_throughout() -> None:
    parts, _ = problem(dtype=torch.float64)
    outcome = linear().evaluate({"joint": Pass(12).double()}, parts, run_of(dtype=torch.float64))
    assert outcome.values["logits"].dtype == np.float64


def test_a_feature_of_another_width_than_promised_is_refused() -> None:
    parts, _ = problem()
    encoder = Pass(12)
    encoder.dim = 13
    with pytest.raises(RunError, match="dim of 13"):
        knn().evaluate({"joint": encoder}, parts, run_of())


def test_progress_is_reported() -> None:
    parts, _ = problem()
    recorder = Recorder()
    linear(epochs=2).evaluate({"joint": Pass(12)}, parts, run_of(reporter=recorder))
    assert ("linear head, epoch", 2, 2) in recorder.steps
    assert ("encode test", 300, 300) in recorder.steps


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (LinearConfig, {"epochs": 0}),
        (LinearConfig, {"batch_size": 1}),
        (LinearConfig, {"lr": 0.0}),
        (LinearConfig, {"momentum": 1.0}),
        (LinearConfig, {"weight_decay": -1.0}),
        (LinearConfig, {"views": -1}),
        (LinearConfig, {"encode_batch": 0}),
        (LinearConfig, {"recipe": " "}),
        (KnnConfig, {"k": 0}),
        (KnnConfig, {"block": 0}),
        (KnnConfig, {"encode_batch": 0}),
    ],
)
def test_a_wrong_value_names_its_key(config: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"protocol.{next(iter(wrong))} is "):
        config(**wrong)


TRUTH = Truth(np.array([30, 10, 20]), np.array([2, 0, 1]), ("a", "b", "c"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([10, 20], "1 are missing"),
        ([10, 20, 30, 20], "1 are counted more than once"),
        ([10, 20, 30, 40], "1 are not in the test part"),
    ],
)
def test_test_clips_that_are_not_counted_once_each_are_an_error(keys: list[int], message: str) -> None:
    with pytest.raises(RunError, match=message):
        aligned(Outcome(np.array(keys), {}), TRUTH)


def test_rows_are_matched_by_key_and_not_by_place() -> None:
    assert aligned(Outcome(np.array([20, 30, 10]), {}), TRUTH).tolist() == [1, 2, 0]


def test_a_test_clip_without_label_cannot_be_scored() -> None:
    with pytest.raises(DataError, match="1 of 3 test clips have no label"):
        aligned(Outcome(np.array([10, 20, 30]), {}), TRUTH._replace(labels=np.array([-1, 0, 1])))


def test_macro_is_the_mean_recall_of_the_classes_in_the_test_part() -> None:
    labels, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1])
    scores = class_scores(predicted, labels)
    assert scores["top1"] == 0.75
    assert scores["macro"] == pytest.approx((2 / 3 + 1) / 2)
    draws = np.random.default_rng(0).integers(0, 4, (2, 200))
    assert class_scores(draws[0], draws[1])["macro"] == pytest.approx(balanced_accuracy_score(draws[1], draws[0]))


def test_top5_is_reported_above_five_classes_only() -> None:
    logits = np.eye(6)[[0, 1, 2]] - np.eye(6)[[5, 5, 5]]
    assert logit_scores(logits, np.array([0, 1, 5])) == pytest.approx({"top1": 2 / 3, "macro": 2 / 3, "top5": 2 / 3})
    assert "top5" not in logit_scores(np.eye(5), np.arange(5))
