"""Scores of predicted classes, by scikit-learn, and the check that every test clip was counted once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.dataset import Ints
from sslskel.api.protocol import Outcome, Truth
from sslskel.errors import DataError, RunError


def aligned(outcome: Outcome, truth: Truth) -> Ints:
    """Labels of an outcome's rows, (R,), one row per test clip.

    Raises ``RunError`` where a test clip is missing, counted twice or unknown, and
    ``DataError`` where a test clip has no label to be scored against.
    """
    keys, counts = np.unique(outcome.keys, return_counts=True)
    wanted = np.unique(truth.keys)
    twice, missing, unknown = int((counts > 1).sum()), np.setdiff1d(wanted, keys), np.setdiff1d(keys, wanted)
    if twice or len(missing) or len(unknown):
        raise RunError(
            f"each of the {len(wanted)} test clips must be predicted once, but {len(missing)} are missing,"
            f" {twice} are counted more than once and {len(unknown)} are not in the test part"
        )
    labels = truth.of(outcome.keys)
    if (labels < 0).any():
        raise DataError(f"{int((labels < 0).sum())} of {len(labels)} test clips have no label and cannot be scored")
    return labels


def of_scored_classes(outcome: Outcome, labels: Ints, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which of the outcome's chosen ``rows`` (R,), whose labels are given, are of a class that their draw scores.

    All of them where ``info["classes"]`` of the outcome does not list classes.
    """
    if "classes" not in outcome.info:
        return np.ones(len(labels), np.bool_)
    draws = np.zeros(len(rows), np.int64) if outcome.draw is None else outcome.draw
    scored = np.zeros(len(labels), np.bool_)
    for number, draw in enumerate(np.unique(draws)):
        scored |= (draws[rows] == draw) & np.isin(labels, outcome.info["classes"][number])
    return scored


def class_scores(predicted: npt.NDArray[np.int64], labels: Ints) -> dict[str, float]:
    """``top1``, and ``macro``: the mean over the classes of the test part of their recall. Shares, 0 to 1."""
    # A second of imports that training need not wait for.
    from sklearn.metrics import accuracy_score, recall_score

    present = np.unique(labels)
    return {
        "top1": float(accuracy_score(labels, predicted)),
        "macro": float(recall_score(labels, predicted, labels=present, average="macro", zero_division=0)),
    }


def logit_scores(logits: npt.NDArray[Any], labels: Ints) -> dict[str, float]:
    """:func:`class_scores` of the largest logit of (R, num_classes), and ``top5`` where there are more than 5."""
    scores = class_scores(logits.argmax(1).astype(np.int64), labels)
    classes = logits.shape[1]
    if classes > 5:
        from sklearn.metrics import top_k_accuracy_score

        scores["top5"] = float(top_k_accuracy_score(labels, logits, k=5, labels=np.arange(classes)))
    return scores
