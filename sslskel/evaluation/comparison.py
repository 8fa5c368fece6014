"""Numbers that are recorded beside a result for comparison with published code, and rank nothing.

Only the harness may ask for them: it alone holds the test labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sslskel.api.protocol import Outcome, Truth
from sslskel.errors import RunError
from sslskel.results.record import CHOSEN_ON_TEST


def best_test_epoch(outcome: Outcome, truth: Truth) -> dict[str, Any] | None:
    """The best test accuracy over the epochs of each draw, averaged over draws; None where none were reported.

    ``epochs`` are the best epoch of each draw, 1-based, the first of equals. Raises
    ``RunError`` where the predictions by epoch are not one per row of the outcome.
    """
    by_epoch = outcome.by_epoch
    if by_epoch is None:
        return None
    if by_epoch.ndim != 2 or by_epoch.shape[1] != len(outcome.keys) or not len(by_epoch):
        raise RunError(f"predictions by epoch have shape {by_epoch.shape}; expected (epochs, {len(outcome.keys)})")
    right = by_epoch == truth.of(outcome.keys)
    draws = np.zeros(len(outcome.keys), np.int64) if outcome.draw is None else outcome.draw
    accuracies = [right[:, draws == draw].mean(1) for draw in np.unique(draws)]
    return {
        "top1": float(np.mean([accuracy.max() for accuracy in accuracies])),
        "epochs": [int(accuracy.argmax()) + 1 for accuracy in accuracies],
        "marked": CHOSEN_ON_TEST,
    }
