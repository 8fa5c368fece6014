"""A record's score clip by clip, read from its predictions; only where it is the mean over clips that ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sslskel.errors import SslskelError
from sslskel.results.recomputed import is_ranked, query_precisions
from sslskel.results.record import Record
from sslskel.results.store import ResultStore

ROUNDING = 1e-9
"""Most by which a mean of the clips may differ from the recorded score."""


class ClipScores(NamedTuple):
    """What each test clip gave to a score."""

    keys: npt.NDArray[np.int64]
    """(clips,) ascending ids."""
    values: npt.NDArray[np.float64]
    """(clips,) from 0 to 1: right or wrong, or the average precision of a query, averaged over draws where there are
    several."""


class NoClipScores(SslskelError):
    """Why a score cannot be taken apart; part of a sentence."""


def clip_scores(store: ResultStore, record: Record, score: str, condition: str | None = None) -> ClipScores:
    """Take a record's score apart into its clips, in one condition where there are several.

    Raises ``NoClipScores`` where predictions hold no classes, or the score is no mean over clips of whether they are
    right or of their average precision, and ``RecordError`` where predictions are missing or damaged.
    """
    arrays = store.predictions(record)
    values = _values(arrays, score)
    keys = arrays["keys"]
    if condition is not None and "condition" in arrays:
        rows = arrays["condition"] == condition
        keys, values = keys[rows], values[rows]
    clips, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=values) / counts
    if not len(clips) or len(np.unique(counts)) > 1 or abs(means.mean() - record.scores[score]) > ROUNDING:
        raise NoClipScores(f"'{score}' is not the share of clips that are right")
    return ClipScores(clips, means)


def _values(arrays: Mapping[str, npt.NDArray[Any]], score: str) -> npt.NDArray[np.float64]:
    """(R,) what each row may give to a score."""
    if "label" in arrays and score == "map" and is_ranked(arrays):
        try:
            return query_precisions(arrays)
        except (IndexError, TypeError, ValueError) as fault:
            raise NoClipScores("ranked galleries are kept in a form that is not known") from fault
    if "label" not in arrays or not ("value_predicted" in arrays or "value_logits" in arrays):
        raise NoClipScores("no predicted classes are kept beside the true ones")
    predicted = arrays["value_predicted"] if "value_predicted" in arrays else arrays["value_logits"].argmax(-1)
    right: npt.NDArray[np.float64] = (predicted == arrays["label"]).astype(np.float64)
    return right


def all_clip_scores(store: ResultStore, records: Iterable[Record]) -> Mapping[str, ClipScores]:
    """Of each record that has them, by identity."""
    scores = {}
    for record in records:
        try:
            scores[record.identity] = clip_scores(store, record, record.primary)
        except SslskelError:
            # Its number then goes without an interval over clips; a board needs no predictions.
            continue
    return scores
