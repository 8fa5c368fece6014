"""What is recorded of per-clip predictions beside a protocol's own scores, the same for every protocol.

Accuracies, confusions, calibration, an interval over clips, and the best test epoch or head for
comparison with published code. Only ``judge``, which alone holds the test labels, may ask for them; whether a
row may be counted at all is checked there before. Nothing here ranks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.dataset import Ints
from sslskel.api.protocol import Outcome, Truth
from sslskel.errors import RunError
from sslskel.evaluation.metrics import of_scored_classes
from sslskel.results.record import CHOSEN_ON_TEST
from sslskel.results.statistics import bootstrap_interval

BINS = 15
"""Of the calibration error (Guo et al., ICML 2017)."""
WHOLE = "all"
"""Name of the condition of an outcome that has only one."""


def diagnose(
    outcome: Outcome, labels: Ints, num_classes: int
) -> tuple[dict[str, dict[str, object]], dict[str, npt.NDArray[Any]]]:
    """JSON by condition, and confusion matrices by name, of an outcome that predicts classes.

    ``labels`` are the true classes of the rows (R,). Per condition: ``top1``; ``macro`` and
    ``per_class``, recalls of the classes that occur (None for one that does not); ``top5`` where
    there are ``logits`` of more than five classes; ``ece`` where there are ``logits`` or a
    ``confidence`` (R,); ``interval``, 95 % of ``top1`` by resampling clips; ``clips``. A matrix
    ``confusion_CONDITION`` (num_classes, num_classes) counts rows by true and predicted class.
    Both are empty for an outcome of segments or of anything but classes. Draws are pooled.
    """
    if outcome.item is not None or not outcome.values.keys() & {"logits", "predicted"}:
        return {}, {}
    kept = of_scored_classes(outcome, labels, np.ones(len(labels), np.bool_))
    conditions = np.full(len(labels), WHOLE) if outcome.condition is None else outcome.condition
    facts, tables = {}, {}
    for condition in np.unique(conditions):
        rows = kept & (conditions == condition)
        facts[str(condition)], tables[f"confusion_{condition}"] = _of_rows(outcome, rows, labels[rows], num_classes)
    return facts, tables


def _of_rows(
    outcome: Outcome, rows: npt.NDArray[np.bool_], labels: Ints, num_classes: int
) -> tuple[dict[str, object], npt.NDArray[np.int64]]:
    # A second of imports that training need not wait for.
    from scipy.special import softmax
    from sklearn.metrics import accuracy_score, confusion_matrix, top_k_accuracy_score

    logits = outcome.values["logits"][rows] if "logits" in outcome.values else None
    predicted = outcome.values["predicted"][rows] if "predicted" in outcome.values else None
    if predicted is None:
        assert logits is not None
        predicted = logits.argmax(1)
    matrix = confusion_matrix(labels, predicted, labels=np.arange(num_classes)).astype(np.int64)
    with np.errstate(invalid="ignore"):
        recalls = matrix.diagonal() / matrix.sum(1)
    per_clip = _mean_by(outcome.keys[rows], predicted == labels)
    facts: dict[str, object] = {
        "top1": float(accuracy_score(labels, predicted)),
        "macro": float(np.nanmean(recalls)),
        "per_class": [None if np.isnan(recall) else float(recall) for recall in recalls],
        "interval": list(bootstrap_interval(per_clip)),
        "clips": len(per_clip),
    }
    if logits is not None and num_classes > 5:
        facts["top5"] = float(top_k_accuracy_score(labels, logits, k=5, labels=np.arange(num_classes)))
    confidence = None
    if logits is not None:
        confidence = softmax(logits.astype(np.float64), axis=1).max(1)
    elif "confidence" in outcome.values:
        confidence = outcome.values["confidence"][rows]
    if confidence is not None:
        facts["ece"] = calibration_error(confidence, predicted == labels)
    return facts, matrix


def best_on_test(outcome: Outcome, truth: Truth) -> dict[str, dict[str, object]]:
    """What the record's details say, for comparison only, of the best test epoch, head and checkpoint, if reported.

    Raises ``RunError`` where their predictions are not one per row of the outcome.
    """
    reported = {
        "best_test_epoch": best_test_epoch(outcome, truth),
        "best_test_head": best_test_head(outcome, truth),
        "best_test_checkpoint": best_test_checkpoint(outcome, truth),
    }
    return {name: best for name, best in reported.items() if best is not None}


def best_test_head(outcome: Outcome, truth: Truth) -> dict[str, object] | None:
    """The best test accuracy over the heads of a grid, and the name of the first that has it; None without any.

    Raises ``RunError`` where the predictions of a head are not one per row of the outcome.
    """
    right = {name: _right(f"head '{name}'", one, outcome, truth) for name, one in outcome.by_head.items()}
    if not right:
        return None
    head = max(right, key=lambda name: right[name])
    return {"top1": right[head], "head": head, "heads": len(right), "marked": CHOSEN_ON_TEST}


def best_test_checkpoint(outcome: Outcome, truth: Truth) -> dict[str, object] | None:
    """The best test accuracy over the kept checkpoints of a pretraining; None where none but the last was judged.

    ``step`` is that of the first checkpoint that has it, None for the last one, whose scores are reported;
    ``checkpoints`` counts both. Raises ``RunError`` where predictions are not one per row of the outcome.
    """
    if not outcome.by_checkpoint:
        return None
    right: dict[int | None, float] = {}
    for step in sorted(outcome.by_checkpoint):
        right[step] = _right(f"step {step}", outcome.by_checkpoint[step], outcome, truth)
    right[None] = _right("the last step", outcome.values["predicted"], outcome, truth)
    best = max(right, key=lambda step: right[step])
    return {"top1": right[best], "step": best, "checkpoints": len(right), "marked": CHOSEN_ON_TEST}


def _right(of: str, predicted: npt.NDArray[Any], outcome: Outcome, truth: Truth) -> float:
    """Accuracy of predictions (R,) of something, 0 to 1."""
    if predicted.shape != outcome.keys.shape:
        raise RunError(f"predictions of {of} have shape {predicted.shape}; expected {outcome.keys.shape}")
    return float((predicted == truth.of(outcome.keys)).mean())


def best_test_epoch(outcome: Outcome, truth: Truth) -> dict[str, object] | None:
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


def calibration_error(confidence: npt.NDArray[Any], correct: npt.NDArray[np.bool_], bins: int = BINS) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3) of confidences (R,) in (0, 1].

    The mean over rows of the gap between confidence and accuracy in bins ((i - 1) / bins, i / bins].
    """
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(place, weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _mean_by(keys: Ints, correct: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Share of right rows per clip: clips, not draws of one clip, are what an interval resamples."""
    _, place = np.unique(keys, return_inverse=True)
    return np.asarray(np.bincount(place, weights=correct) / np.bincount(place), dtype=np.float64)
