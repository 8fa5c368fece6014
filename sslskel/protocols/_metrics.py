"""Scores of predictions against labels; from scikit-learn where it has the metric."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, balanced_accuracy_score, top_k_accuracy_score


def label_scores(predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> dict[str, float]:
    """``top1`` and ``macro`` (mean recall of the classes that occur), shares from 0 to 1."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        macro = balanced_accuracy_score(labels, predicted)
    return {"top1": float(accuracy_score(labels, predicted)), "macro": float(macro)}


def logit_scores(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.int64]) -> dict[str, float]:
    """:func:`label_scores` of (n, num_classes) logits, and ``top5`` where there are more than five classes."""
    scores = label_scores(logits.argmax(1), labels)
    classes = logits.shape[1]
    if classes > 5:
        scores["top5"] = float(top_k_accuracy_score(labels, logits, k=5, labels=np.arange(classes)))
    return scores
