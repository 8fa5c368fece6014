"""Scores that follow from a record's predictions alone, computed again as protocols compute them.

Knows arrays and names of scores, no protocol and no data: scores that need clips or annotations are not here.
A protocol that means something else by one of these names has it listed in the record's details (``OWN``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

OWN = "scores_of_its_own"
"""Key of a record's details: scores that its protocol computes otherwise than it is done here."""
ROUNDING = 1e-9
"""Most by which the mean of what was computed again may differ from a recorded score."""
Arrays = Mapping[str, npt.NDArray[Any]]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def recomputed(scores: Iterable[str], arrays: Arrays, details: Mapping[str, Any]) -> dict[str, float]:
    """Those of ``scores`` (names) that predictions determine, computed from them; empty where they determine none.

    Of predicted classes ``top1`` and ``macro`` in the first condition, ``occluded`` (the mean accuracy of all others)
    and the accuracy of every condition by its name, each the mean over draws; of clusters ``accuracy``; of ranked
    galleries ``map``, ``recall_K`` and ``top1``. ``arrays`` and ``details`` are those of a record.
    """
    wanted = set(scores)
    if "label" not in arrays or "keys" not in arrays:
        return {}
    try:
        if is_ranked(arrays):
            again = _of_rankings(wanted, arrays)
        elif "value_predicted" in arrays or "value_logits" in arrays:
            again = _of_classes(arrays, details)
        elif "value_cluster" in arrays:
            again = {"accuracy": matched_accuracy(arrays["label"], arrays["value_cluster"])}
        else:
            again = {}
    except (IndexError, KeyError, TypeError, ValueError):
        # Arrays of a plugin under the same names, of other shapes.
        return {}
    return {name: score for name, score in again.items() if name in wanted}


def unequal(scores: Mapping[str, float], again: Mapping[str, float]) -> list[str]:
    """Names of the scores that were computed again and are others."""
    return [name for name, score in again.items() if not abs(score - scores[name]) <= ROUNDING]


def matched_accuracy(labels: Ints, clusters: Ints) -> float:
    """Share of (R,) clips whose cluster is matched with their class, in the matching that makes it largest."""
    # A third of a second that boards without clusters need not wait for.
    from scipy.optimize import linear_sum_assignment

    _, row = np.unique(labels, return_inverse=True)
    _, column = np.unique(clusters, return_inverse=True)
    table = np.zeros((row.max() + 1, column.max() + 1), np.int64)
    np.add.at(table, (row, column), 1)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(labels))


def _of_classes(arrays: Arrays, details: Mapping[str, Any]) -> dict[str, float]:
    labels, keys = arrays["label"], arrays["keys"]
    predicted = arrays["value_predicted"] if "value_predicted" in arrays else arrays["value_logits"].argmax(1)
    if not len(labels) == len(keys) == len(predicted):
        raise ValueError("other numbers of rows")
    conditions = arrays.get("condition", np.zeros(len(labels), np.int64))
    draws = arrays.get("draw", np.zeros(len(labels), np.int64))
    kept, by_condition = _scored(details, labels, draws), {}
    for condition in dict.fromkeys(conditions.tolist()):
        groups = [(conditions == condition) & (draws == draw) for draw in np.unique(draws)]
        if any(len(np.unique(keys[rows])) < rows.sum() for rows in groups):
            # Several rows of a clip are windows or segments, and how these are counted their protocol knows.
            return {}
        one = [_accuracies(labels[rows & kept], predicted[rows & kept]) for rows in groups]
        by_condition[condition] = np.mean(one, axis=0).tolist()
    top1, macro = next(iter(by_condition.values()))
    scores = {str(condition): of_all for condition, (of_all, _) in by_condition.items()}
    scores |= {"top1": top1, "macro": macro}
    if len(by_condition) > 1:
        scores["occluded"] = float(np.mean([of_all for of_all, _ in [*by_condition.values()][1:]]))
    return scores


def _scored(details: Mapping[str, Any], labels: Ints, draws: Ints) -> Bools:
    """(R,) which rows count: those of the classes that their draw scores."""
    if "classes" not in details:
        return np.ones(len(labels), np.bool_)
    listed, numbers = details["classes"], np.unique(draws)
    # Early records name one list of classes for all draws.
    of_draws = listed if isinstance(listed[0], list) else [listed] * len(numbers)
    kept = np.zeros(len(labels), np.bool_)
    for draw, classes in zip(numbers, of_draws, strict=True):
        kept |= (draws == draw) & np.isin(labels, classes)
    return kept


def _accuracies(labels: Ints, predicted: Ints) -> tuple[float, float]:
    """Share of right rows, and the mean over the classes that occur of that share."""
    right = predicted == labels
    return float(right.mean()), float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def is_ranked(arrays: Arrays) -> bool:
    """Whether predictions are ranked galleries."""
    return "value_first" in arrays and "value_average_precision" in arrays


def query_precisions(arrays: Arrays) -> npt.NDArray[np.float64]:
    """(R,) average precision of each query's own class in its ranked gallery; 0 for a class that the gallery lacks."""
    row, labels = np.arange(len(arrays["label"])), arrays["label"]
    place, precision = arrays["value_first"][row, labels], arrays["value_average_precision"][row, labels]
    return np.where(place >= 0, precision, 0).astype(np.float64)


def _of_rankings(wanted: Iterable[str], arrays: Arrays) -> dict[str, float]:
    row, labels = np.arange(len(arrays["label"])), arrays["label"]
    place = arrays["value_first"][row, labels]
    scores = {"map": float(query_precisions(arrays).mean())}
    for name in wanted:
        length = 1 if name == "top1" else int(name[7:]) if name.startswith("recall_") else 0
        if length:
            scores[name] = float(((place >= 0) & (place < length)).mean())
    return scores
