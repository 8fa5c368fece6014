"""The linear protocol on features that a test can write down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from recorder import Recorder
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from toy_features import Pass, problem, run_of

from sslskel.api.batch import Batch
from sslskel.config.groups import Schedule
from sslskel.errors import DataError, RunError, UsageError
from sslskel.evaluation import linear_training
from sslskel.evaluation.linear_training import LinearConfig, LinearTraining
from sslskel.evaluation.selection import Selection
from sslskel.protocols.linear import Linear


def linear(**changes: Any) -> Linear:
    return Linear(LinearConfig(**({"epochs": 10, "min_steps": 0} | changes)))


def test_linear_agrees_with_logistic_regression() -> None:
    parts, truth = problem(count=2000, spread=1.6)
    probe = linear(epochs=300, batch_size=2000, lr=3.0, augment=False)
    scores = probe.score(probe.evaluate({"joint": Pass(12)}, parts, run_of()), truth)
    reference = LogisticRegression(C=1e6, max_iter=2000).fit(parts.train.features, parts.train.labels)
    wanted = reference.score(parts.test.features, truth.labels)
    assert 0.5 < wanted < 0.95
    assert scores["top1"] == pytest.approx(wanted, abs=0.002)
    assert scores["top5"] > scores["top1"]


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


def test_of_epochs_that_are_equally_good_the_first_is_reported() -> None:
    parts, _ = problem()
    still = linear(selection=Selection.validation, epochs=4, lr=1e-30)
    assert still.evaluate({"joint": Pass(12)}, parts, run_of()).info["epoch"] == 1


def test_selection_without_a_validation_part_is_a_usage_error() -> None:
    parts, _ = problem()
    with pytest.raises(UsageError, match="needs a validation part"):
        linear(selection=Selection.validation).evaluate(
            {"joint": Pass(12)}, parts._replace(fit=None, validation=None), run_of()
        )


def test_the_record_says_what_was_changed_in_the_recipe() -> None:
    parts, _ = problem()
    info = linear(epochs=3, lr=0.5).evaluate({"joint": Pass(12)}, parts, run_of()).info
    assert 0.2 < info["train_top1"] < 1
    assert {name: value for name, value in info.items() if name != "train_top1"} == {
        "recipe": "mamp (epochs=3, min_steps=0, lr=0.5)",
        "selection": "last",
        "epoch": 3,
        "labels": 300,
        "steps": 6,
        "converged": False,
    }
    assert LinearConfig().label() == "mamp"
    assert LinearConfig(encode_batch=3).label() == "mamp"


def test_few_clips_are_gone_through_until_the_fewest_steps_are_taken() -> None:
    parts, _ = problem(spread=2.5)

    def ended(**changes: Any) -> dict[str, Any]:
        return dict(linear(epochs=10, **changes).evaluate({"joint": Pass(12)}, parts, run_of()).info)

    assert (ended()["steps"], ended(min_steps=1000)["steps"]) == (20, 1000)
    # A whole number of rounds in each epoch.
    assert ended(min_steps=21)["steps"] == 40
    assert ended(min_steps=1000)["train_top1"] > ended()["train_top1"]
    assert LinearConfig().min_steps == 4000


def test_a_part_with_as_many_steps_by_itself_is_trained_as_released() -> None:
    parts, _ = problem()
    usual, floored, more = (
        linear(min_steps=steps).evaluate({"joint": Pass(12)}, parts, run_of()).values["logits"] for steps in (0, 20, 21)
    )
    assert np.array_equal(usual, floored)
    assert not np.array_equal(usual, more)


def test_the_floor_changes_no_view_and_encodes_nothing_twice() -> None:
    parts, _ = problem()
    linear(min_steps=200).evaluate({"joint": Pass(12)}, parts, run_of())
    assert parts.train.passes == ["train"] * 10


def test_rounds_of_an_epoch_have_orders_of_their_own_and_the_rate_falls_over_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches: list[Tensor] = []
    rates: list[float] = []
    fit = linear_training.fit_epoch

    def watched(head: Any, optimiser: Any, features: Any, labels: Any, rows: Any, of_rows: Any, clip: float) -> Tensor:
        batches.extend(rows)
        rates.extend(of_rows)
        return fit(head, optimiser, features, labels, rows, of_rows, clip)

    monkeypatch.setattr(linear_training, "fit_epoch", watched)
    linear(epochs=2, min_steps=12).evaluate({"joint": Pass(12)}, problem()[0], run_of())
    assert [len(batch) for batch in batches] == [256, 44] * 6
    rounds = [torch.cat(batches[at : at + 2]).tolist() for at in range(0, 12, 2)]
    assert all(sorted(one) == list(range(300)) for one in rounds)
    assert len(set(map(tuple, rounds))) == 6
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[6]) == (0.1, pytest.approx(0.05))


@pytest.mark.parametrize(("steps", "converged"), [(0, False), (4000, True)])
def test_the_record_says_whether_the_head_has_converged(steps: int, converged: bool) -> None:
    parts, _ = problem(spread=2.5)
    outcome = linear(augment=False, min_steps=steps).evaluate({"joint": Pass(12)}, parts, run_of())
    assert outcome.info["converged"] is converged


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


def test_progress_is_reported() -> None:
    parts, _ = problem()
    recorder = Recorder()
    linear(epochs=2).evaluate({"joint": Pass(12)}, parts, run_of(reporter=recorder))
    assert ("linear head, epoch", 2, 2) in recorder.steps
    assert ("encode test", 300, 300) in recorder.steps


def test_every_epoch_sees_a_view_of_its_own() -> None:
    seen: list[float] = []

    class Noted(Pass):
        def clip(self, batch: Batch) -> Tensor:
            seen.append(float(batch.tracks.double().sum()))
            return super().clip(batch)

    parts, _ = problem()
    parts.train.jitter = 1.0
    linear(epochs=4, encode_batch=1000).evaluate({"joint": Noted(12)}, parts, run_of())
    assert len(set(seen)) == len(seen) == 5


def weights_after(**changes: Any) -> tuple[Tensor, Tensor]:
    """Weights of a head before and after training on the whole training part at a time."""
    parts, _ = problem()
    options = {"batch_size": 300, "lr": 0.5, "schedule": Schedule.constant, "augment": False} | changes
    training = LinearTraining(
        linear(**options).config, {"joint": Pass(12)}, parts.train, 8, run_of(dtype=torch.float64)
    )
    head = training.reported[0].heads["joint"]
    before = head.fc.weight.detach().clone()
    training.run(None, None)
    return before, head.fc.weight.detach().clone()


def test_weight_decay_and_momentum_are_those_asked_for() -> None:
    start, plain = weights_after(epochs=1, momentum=0.0)
    _, decayed = weights_after(epochs=1, momentum=0.0, weight_decay=0.3)
    torch.testing.assert_close(plain - decayed, 0.5 * 0.3 * start, rtol=1e-3, atol=1e-6)
    (_, still), (_, carried) = (weights_after(epochs=2, momentum=momentum) for momentum in (0.0, 0.4))
    torch.testing.assert_close(still - carried, 0.4 * (start - plain), rtol=1e-3, atol=1e-5)
