"""Logistic regression by L-BFGS: features and labels in, a classifier and whether it has converged out.

Encoders and clips are not known here; how strong the penalty is, the protocols choose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from sslskel.api.devices import longest_float

Floats = npt.NDArray[np.float64]
UNSEEN = -1e4
"""Logit of a class without a training clip."""
TINY = 1e-12
"""A feature with less deviation than this is constant and counts for nothing."""


@dataclass(frozen=True)
class Logistic:
    """A classifier of (n, D) features, and how its fit ended."""

    mean: Tensor
    """(D,) of the training features."""
    scale: Tensor
    """(D,) one over their deviation, 0 for a constant one."""
    weight: Tensor
    """(K, D) over standardised features, K being the classes of the training part."""
    bias: Tensor
    classes: Tensor
    """(K,) their numbers, ascending."""
    steps: int
    """Of L-BFGS."""
    gradient: float
    """The largest entry of the objective's gradient at the end; 0 at the only minimum."""
    converged: bool
    """Whether that is within the tolerance that was asked for."""

    def logits(self, features: Tensor, num_classes: int) -> Tensor:
        """(n, D) -> (n, num_classes) float64."""
        rows = (exact(features) - self.mean) * self.scale
        logits = rows.new_full((len(rows), num_classes), UNSEEN)
        logits[:, self.classes] = rows @ self.weight.T + self.bias
        return logits


def fit_logistic(features: Tensor, labels: Tensor, c: float, steps: int, tolerance: float) -> Logistic:
    """Minimise the mean cross-entropy of (n, D) features with labels (n,), plus |W|^2 / (2 c n).

    That is scikit-learn's ``LogisticRegression(C=c)`` on standardised features: all classes at once
    and a bias that is not penalised. In float64, from weights of 0 and without chance, for at most
    ``steps`` steps or until no entry of the gradient is above ``tolerance``.
    """
    # Half a second of imports that training need not wait for.
    from scipy.optimize import minimize

    rows = exact(features)
    mean, spread = rows.mean(0), rows.std(0, correction=0)
    scale = torch.where(spread > TINY, 1 / spread, 0.0)
    rows = (rows - mean) * scale
    classes, target = torch.unique(labels.to(rows.device), return_inverse=True)
    turn = None
    if rows.shape[1] > len(rows):
        # The best weights lie in the span of the rows, in which there are fewer of them.
        turn, corner = torch.linalg.qr(rows.T)
        rows = corner.T
    end = minimize(
        objective(rows, target, len(classes), c),
        np.zeros(len(classes) * (rows.shape[1] + 1)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": steps, "maxfun": 4 * steps, "gtol": tolerance, "ftol": 0.0, "maxls": 50},
    )
    both = torch.from_numpy(end.x).to(rows.device).reshape(len(classes), -1)
    weight, bias = both[:, :-1], both[:, -1]
    weight = weight if turn is None else weight @ turn.T
    gradient = float(np.abs(end.jac).max())
    return Logistic(mean, scale, weight, bias, classes, int(end.nit), gradient, gradient <= tolerance)


def objective(rows: Tensor, target: Tensor, classes: int, c: float) -> Callable[[Floats], tuple[float, Floats]]:
    """Value and gradient of a fit's objective, as a function of weights and bias side by side, (K * (D + 1),).

    ``rows`` (n, D) float64, ``target`` (n,) places of their classes; ``c`` may be infinite.
    """
    wanted = functional.one_hot(target, classes).to(rows.dtype)
    count = len(rows)

    def value(flat: Floats) -> tuple[float, Floats]:
        both = torch.from_numpy(flat).to(rows.device).reshape(classes, -1)
        weight, bias = both[:, :-1], both[:, -1]
        scores = (rows @ weight.T + bias).log_softmax(1)
        loss = -(scores * wanted).sum() / count + (weight**2).sum() / (2 * c * count)
        change = (scores.exp() - wanted) / count
        slope = torch.cat([change.T @ rows + weight / (c * count), change.sum(0)[:, None]], 1)
        return float(loss), slope.flatten().cpu().numpy()

    return value


def exact(features: Tensor) -> Tensor:
    """As float64, on a device that has it."""
    return features.double() if longest_float(features.device) == torch.float64 else features.cpu().double()
