"""Whether a trained linear head is near the least loss that its features allow.

The loss of a linear layer is convex, so steps of L-BFGS show whether it can get lower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sslskel.evaluation.linear_head import LinearHead
from sslskel.evaluation.logistic import Floats, exact, objective

PROBE_STEPS = 100
"""Most steps of L-BFGS from the trained head."""
NEAR = 0.01
"""A head has converged where these steps save at most this much of its loss, in nats per clip."""
ROWS, VIEWS = 50_000, 10
"""Features that are kept to try it on, and most views that they are of."""


def views_kept(clips: int) -> int:
    """How many views of a part of ``clips`` are enough: few clips allow a head to fit one view alone."""
    return min(VIEWS, max(2, ROWS // clips))


@torch.no_grad()
def has_converged(head: LinearHead, views: Sequence[Tensor], labels: Tensor, weight_decay: float = 0.0) -> bool:
    """Whether training the head on saves at most ``NEAR`` of its loss on the last of ``views``, (n, D) each.

    All are views of the same clips with labels (n,). Where there are several, the head goes on with the
    others, so that what is learnt of single views saves nothing. The loss is the mean cross-entropy, and
    half of ``weight_decay`` times the squared weights; the head stays as it is.
    """
    # Half a second of imports that training need not wait for.
    from scipy.optimize import minimize

    *others, last = (exact(head.eval().norm(view)) for view in views)
    seen, count = torch.cat(others or [last]), len(others) or 1
    target, classes = labels.to(last.device), head.fc.out_features
    start = np.zeros(classes * (last.shape[1] + 1))
    start[:] = exact(torch.cat([head.fc.weight, head.fc.bias[:, None]], 1)).flatten().cpu().numpy()

    def loss(flat: Floats) -> float:
        both = torch.from_numpy(np.array(flat)).to(last.device).reshape(classes, -1)
        weight, bias = both[:, :-1], both[:, -1]
        entropy = functional.cross_entropy(last @ weight.T + bias, target)
        return float(entropy + weight_decay / 2 * weight.square().sum())

    first, saved = loss(start), [0.0]

    def note(xk: Floats) -> None:
        saved.append(first - loss(xk))
        if saved[-1] > NEAR:
            raise StopIteration

    c = 1 / (weight_decay * len(seen)) if weight_decay else math.inf
    value = objective(seen, target.repeat(count), classes, c)
    minimize(value, start, jac=True, method="L-BFGS-B", callback=note, options={"maxiter": PROBE_STEPS})
    return max(saved) <= NEAR
