"""Scores of predictions: rows matched by key, recalls of classes, and what cannot be scored."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from sslskel.api.protocol import Outcome, Truth
from sslskel.errors import DataError, RunError
from sslskel.evaluation.metrics import aligned, class_scores, logit_scores

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
