"""Logistic regression is scikit-learn's, to convergence, for tall and for wide features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from sslskel.evaluation.logistic import UNSEEN, Logistic, fit_logistic


def toy(count: int, dim: int, classes: int = 5) -> tuple[Tensor, Tensor]:
    """Overlapping classes, features of unlike scales, and one that is constant."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, dim, generator=generator)
    rows = centres[labels] + 2 * torch.randn(count, dim, generator=generator)
    rows = rows * torch.logspace(-2, 3, dim) + 7
    rows[:, 1] = 4.0
    return rows, labels


def fitted(rows: Tensor, labels: Tensor, c: float, **changes: float) -> Logistic:
    options = {"steps": 2000, "tolerance": 1e-8} | changes
    return fit_logistic(rows, labels, c, int(options["steps"]), options["tolerance"])


@pytest.mark.parametrize(("count", "dim"), [(200, 12), (40, 90)], ids=["tall", "wide"])
@pytest.mark.parametrize("c", [0.01, 1.0, 10.0])
def test_it_is_the_logistic_regression_of_scikit_learn_on_standardised_features(count: int, dim: int, c: float) -> None:
    rows, labels = toy(count, dim)
    ours = fitted(rows, labels, c)
    spread = rows.double().std(0, correction=0)
    spread[1] = 1
    standard = ((rows.double() - rows.double().mean(0)) / spread).numpy()
    theirs = LogisticRegression(C=c, tol=1e-10, max_iter=20000).fit(standard, labels.numpy())
    assert ours.converged
    assert np.allclose(ours.weight.numpy(), theirs.coef_, atol=1e-4)
    wanted = theirs.predict_proba(standard)
    assert np.allclose(ours.logits(rows, 5).softmax(1).numpy(), wanted, atol=1e-4)


def test_the_gradient_at_the_end_is_that_of_the_objective_and_says_whether_it_has_converged() -> None:
    rows, labels = toy(200, 12)
    end = fitted(rows, labels, 1.0)
    weight, bias = end.weight.clone().requires_grad_(), end.bias.clone().requires_grad_()
    standard = (rows.double() - end.mean) * end.scale
    loss = torch.nn.functional.cross_entropy(standard @ weight.T + bias, labels) + (weight**2).sum() / (2 * 200)
    loss.backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert bias.grad is not None
    largest = max(float(weight.grad.abs().max()), float(bias.grad.abs().max()))
    assert largest == pytest.approx(end.gradient, abs=1e-12)
    assert end.gradient <= 1e-8
    early = fitted(rows, labels, 1.0, steps=3)
    assert (early.steps, early.converged) == (3, False)
    assert early.gradient > 1e-8


def test_classes_without_a_training_clip_are_never_predicted() -> None:
    rows, labels = toy(60, 6, classes=3)
    end = fitted(rows, 2 * labels, 1.0)
    logits = end.logits(rows, 6)
    assert end.classes.tolist() == [0, 2, 4]
    assert (logits[:, [1, 3, 5]] == UNSEEN).all()
    assert (logits[:, [0, 2, 4]] > UNSEEN).all()


def test_a_constant_feature_counts_for_nothing_in_clips_where_it_is_another() -> None:
    rows, labels = toy(60, 6)
    end = fitted(rows, labels, 1.0)
    other = rows.clone()
    other[:, 1] = 1e6
    assert torch.equal(end.logits(rows, 5), end.logits(other, 5))
