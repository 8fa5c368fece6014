"""Whether a trained linear head's loss could still sink."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional

from sslskel.api.noise import Noise
from sslskel.evaluation.linear_convergence import NEAR, has_converged, views_kept
from sslskel.evaluation.linear_head import LinearHead


def overlapping(count: int = 400, dim: int = 6) -> tuple[Tensor, Tensor]:
    """Features and labels of three classes that no layer separates."""
    random = torch.Generator().manual_seed(3)
    labels = torch.arange(count) % 3
    return torch.randn(count, dim, generator=random) + labels[:, None], labels


def head_of(features: Tensor, labels: Tensor, c: float) -> LinearHead:
    """A head without a norm, with the weights of scikit-learn's fit."""
    fit = LogisticRegression(C=c, max_iter=5000, tol=1e-10).fit(features.numpy(), labels.numpy())
    head = LinearHead(features.shape[1], 3, Noise(0), norm=False)
    with torch.no_grad():
        head.fc.weight.copy_(torch.from_numpy(fit.coef_))
        head.fc.bias.copy_(torch.from_numpy(fit.intercept_))
    return head


def loss_of(head: LinearHead, features: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return float(functional.cross_entropy(head(features), labels))


def test_a_head_at_its_minimum_has_converged_and_a_new_one_has_not() -> None:
    features, labels = overlapping()
    assert has_converged(head_of(features, labels, 1e8), [features], labels)
    new = LinearHead(features.shape[1], 3, Noise(0), norm=False)
    before = new.fc.weight.clone()
    assert not has_converged(new, [features], labels)
    assert torch.equal(new.fc.weight, before)


@pytest.mark.parametrize(("above", "converged"), [(0.8 * NEAR, True), (1.2 * NEAR, False)])
def test_near_is_in_nats_per_clip(above: float, converged: bool) -> None:
    features, labels = overlapping()
    head = head_of(features, labels, 1e8)
    best, weight = loss_of(head, features, labels), head.fc.weight.clone()
    low, high = 0.0, 1.0
    for _ in range(40):
        with torch.no_grad():
            head.fc.weight.copy_(weight * (1 - (low + high) / 2))
        less = loss_of(head, features, labels) - best < above
        low, high = ((low + high) / 2, high) if less else (low, (low + high) / 2)
    assert loss_of(head, features, labels) - best == pytest.approx(above, rel=1e-2)
    assert has_converged(head, [features], labels) is converged


def test_a_head_that_is_badly_scaled_and_slow_has_not_converged() -> None:
    features, labels = overlapping()
    scaled = features * torch.logspace(0, -2.5, features.shape[1])
    head = head_of(scaled[:, :1], labels, 1e8)
    slow = LinearHead(features.shape[1], 3, Noise(0), norm=False)
    with torch.no_grad():
        slow.fc.weight.zero_()
        slow.fc.weight[:, :1] = head.fc.weight
        slow.fc.bias.copy_(head.fc.bias)
    assert not has_converged(slow, [scaled], labels)


def test_what_fits_single_views_alone_saves_nothing() -> None:
    random = torch.Generator().manual_seed(4)
    labels = torch.arange(60) % 3
    views = [torch.randn(60, 200, generator=random) for _ in range(4)]
    flat = LinearHead(200, 3, Noise(0), norm=False, std=1e-9)
    assert not has_converged(flat, views[:1], labels)
    assert has_converged(flat, views, labels)
    assert views_kept(431) == 10
    assert views_kept(40_000) == 2


def test_what_several_views_share_is_found() -> None:
    random = torch.Generator().manual_seed(4)
    features, labels = overlapping()
    views = [features + torch.randn(features.shape, generator=random) for _ in range(4)]
    assert not has_converged(LinearHead(features.shape[1], 3, Noise(0), norm=False), views, labels)


def test_weight_decay_is_part_of_the_loss() -> None:
    features, labels = overlapping()
    decay = 0.1
    best = head_of(features, labels, 1 / (decay * len(features)))
    assert has_converged(best, [features], labels, decay)
    assert not has_converged(best, [features], labels)


def test_features_are_normalised_as_the_trained_head_does() -> None:
    features, labels = overlapping()
    head = LinearHead(features.shape[1], 3, Noise(0))
    head.train()
    for _ in range(200):
        head(features)
    normed = head.eval().norm(features)
    head.fc.load_state_dict(head_of(normed, labels, 1e8).fc.state_dict())
    assert has_converged(head, [features], labels)
    assert not np.allclose(normed, features)
