"""The logreg protocol on features that a test can write down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from toy_features import Pass, problem, run_of

from sslskel.api.batch import Batch
from sslskel.api.protocol import Parts
from sslskel.errors import DataError, UsageError
from sslskel.protocols.logreg import Logreg, LogregConfig


def logreg(**changes: Any) -> Logreg:
    return Logreg(LogregConfig(**changes))


def reference(parts: Parts, c: float, train: Any = None, asked: Any = None) -> Any:
    """Class probabilities by scikit-learn."""
    train, asked = train or parts.train, asked or parts.test
    scale = StandardScaler().fit(train.features.double())
    model = LogisticRegression(C=c, tol=1e-10, max_iter=20000).fit(
        scale.transform(train.features.double()), train.labels
    )
    return model.predict_proba(scale.transform(asked.features.double()))


def test_it_is_the_logistic_regression_of_scikit_learn_at_the_same_c() -> None:
    parts, truth = problem(spread=1.6)
    probe = logreg(c=[0.3], tolerance=1e-8)
    outcome = probe.evaluate({"joint": Pass(12)}, parts, run_of())
    chances = torch.from_numpy(outcome.values["logits"]).double().softmax(1).numpy()
    wanted = reference(parts, 0.3)
    assert np.allclose(chances, wanted, atol=1e-4)
    assert 0.5 < probe.score(outcome, truth)["top1"] < 0.95
    assert probe.score(outcome, truth)["top1"] == (wanted.argmax(1) == truth.labels).mean()


def test_c_is_the_best_on_held_out_clips_and_the_fit_then_has_all_of_them() -> None:
    parts, _ = problem(spread=2.5)
    grid = [10.0, 1e-3, 0.1, 1e-2]
    outcome = logreg(c=grid).evaluate({"joint": Pass(12)}, parts, run_of())
    shares = {
        c: (reference(parts, c, parts.fit, parts.validation).argmax(1) == parts.validation.labels.numpy()).mean()
        for c in sorted(grid)
    }
    best = max(shares.values())
    assert len(set(shares.values())) > 1
    assert outcome.info["c"] == next(c for c, share in shares.items() if share == best)
    assert outcome.info["validation_top1"] == pytest.approx(best)
    assert outcome.info["labels"] == 300
    alone = logreg(c=[outcome.info["c"]]).evaluate({"joint": Pass(12)}, parts, run_of())
    assert np.array_equal(alone.values["logits"], outcome.values["logits"])


def test_the_choice_of_c_reads_held_out_labels_and_no_test_clip() -> None:
    parts, _ = problem(spread=2.5)
    grid = [1e-3, 1e-2, 0.1, 10.0]
    first = logreg(c=grid).evaluate({"joint": Pass(12)}, parts, run_of())
    parts.test.features = parts.test.features + 100
    other = logreg(c=grid).evaluate({"joint": Pass(12)}, parts, run_of())
    assert other.info["c"] == first.info["c"]
    assert not np.array_equal(other.values["logits"], first.values["logits"])


def test_the_record_says_how_the_fit_ended() -> None:
    parts, _ = problem(spread=2.5)
    info = logreg(c=[1.0]).evaluate({"joint": Pass(12)}, parts, run_of()).info
    right = reference(parts, 1.0, asked=parts.train).argmax(1) == parts.train.labels.numpy()
    assert info["train_top1"] == pytest.approx(right.mean())
    assert info["converged"] is True
    assert (info["recipe"], info["selection"]) == ("logistic regression, C=1", "none")
    short = logreg(c=[1.0], steps=2).evaluate({"joint": Pass(12)}, parts, run_of()).info
    assert (short["steps"], short["converged"]) == (2, False)
    assert LogregConfig().label() == "logistic regression, C=1e-05 to 1000 (9 values)"


def test_neither_the_seed_nor_augmentation_has_a_part_in_it() -> None:
    parts, _ = problem()
    parts.train.jitter = 0.5
    first, second = (logreg().evaluate({"joint": Pass(12)}, parts, run_of(seed)) for seed in (0, 1))
    assert np.array_equal(first.values["logits"], second.values["logits"])
    assert parts.train.passes == ["test", "test"]


def test_streams_vote_by_the_mean_of_their_logits() -> None:
    parts, _ = problem()

    class Other(Pass):
        def clip(self, batch: Batch) -> torch.Tensor:
            return batch.tracks[:, 0, 0, :5]

    alone = logreg(c=[1.0]).evaluate({"joint": Pass(12)}, parts, run_of()).values["logits"]
    other = logreg(c=[1.0]).evaluate({"bone": Other(5)}, parts, run_of()).values["logits"]
    both = logreg(c=[1.0]).evaluate({"joint": Pass(12), "bone": Other(5)}, parts, run_of())
    assert np.allclose(both.values["logits"], (alone + other) / 2, atol=1e-4)


def test_several_c_without_held_out_clips_are_refused_and_a_single_one_is_not() -> None:
    parts, _ = problem()
    bare = parts._replace(fit=None, validation=None)
    with pytest.raises(
        UsageError, match=r"several values.*no\s+validation part; give one value.*protocol\.c=\[0\.01\]"
    ):
        logreg().check(bare)
    logreg(c=[0.1]).check(bare)
    with pytest.raises(DataError, match="one labelled clip"):
        logreg(c=[0.1]).check(bare._replace(train=parts.train.subset(torch.tensor([4]))))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"c": []}, "protocol.c is empty"),
        ({"c": [0.0]}, "protocol.c has 0.0"),
        ({"c": [1.0, 1.0]}, "names a value twice"),
        ({"steps": 0}, "protocol.steps is 0"),
        ({"tolerance": 1.0}, "protocol.tolerance is 1.0"),
    ],
)
def test_values_that_cannot_work_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        LogregConfig(**wrong)
