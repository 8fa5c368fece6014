"""Segments of untrimmed recordings: from annotations to frames, from frames to segments, and how good those are.

Pure functions of arrays; what is trained in between is in ``protocols/detection.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sslskel.api.dataset import Segments
from sslskel.errors import DataError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
BACKGROUND = 0
"""Number of the class of frames without an action; action c is c + 1, as in released code."""


class Detections(NamedTuple):
    """Detections, (R,) each; frames ``begin`` to ``end`` - 1."""

    owner: Ints
    label: Ints
    begin: Ints
    end: Ints
    score: Floats


def frame_labels(lengths: Sequence[int], segments: Segments, classes: int) -> list[Ints]:
    """Per recording the class of every frame (L,), background being 0 and action c being c + 1.

    Where annotations overlap, the later one in the source's order counts. Raises ``DataError``
    for one that leaves its recording, ends before it starts, or has an unknown label.
    """
    tracks = [np.zeros(length, np.int64) for length in lengths]
    for number, (owner, begin, end, label) in enumerate(
        zip(segments.owner, segments.begin, segments.end, segments.label, strict=True)
    ):
        if not 0 <= owner < len(tracks) or not 0 <= begin < end <= len(tracks[owner]) or not 0 <= label < classes:
            length = len(tracks[owner]) if 0 <= owner < len(tracks) else 0
            raise DataError(
                f"annotated action {number} has frames {begin} to {end - 1} and label {label}, but recording {owner}"
                f" has {length} frames and there are {classes} classes; an action has at least one frame, all inside"
            )
        tracks[owner][begin:end] = label + 1
    return tracks


def segments_of(probabilities: Floats, gap: int, shortest: int) -> tuple[Ints, Ints, Ints, Floats]:
    """Label, begin, end and score (S,) of the actions in one recording's (L, 1 + classes) probabilities.

    Frames whose likeliest class is an action belong to one segment where at most ``gap`` frames
    of something else lie between two of them. Segments of fewer than ``shortest`` frames are
    dropped. The score is the mean probability of the class from begin to end.
    """
    track = probabilities.argmax(1)
    labels, begins, ends, scores = [], [], [], []
    for label in np.unique(track[track != BACKGROUND]):
        frames = np.flatnonzero(track == label)
        breaks = np.flatnonzero(np.diff(frames) > gap + 1)
        for begin, last in zip(frames[np.r_[0, breaks + 1]], frames[np.r_[breaks, len(frames) - 1]], strict=True):
            if last + 1 - begin >= shortest:
                labels.append(label - 1)
                begins.append(begin)
                ends.append(last + 1)
                scores.append(probabilities[begin : last + 1, label].mean())
    whole = (np.array(column, np.int64) for column in (labels, begins, ends))
    return (*whole, np.array(scores, np.float64))  # type: ignore[return-value]


def overlap(begin: int, end: int, begins: Ints, ends: Ints) -> Floats:
    """Intersection over union, in frames, of one segment with others (S,)."""
    shared = np.clip(np.minimum(end, ends) - np.maximum(begin, begins), 0, None)
    return np.asarray(shared / (end - begin + ends - begins - shared), dtype=np.float64)


def average_precision(correct: npt.NDArray[np.bool_], wanted: int) -> float:
    """Area under the precision-recall curve of detections in order of score, for ``wanted`` true segments.

    Precision at a recall is the best at that recall or a higher one (PASCAL VOC 2010). No
    detection gives 0.
    """
    if not len(correct):
        return 0.0
    hits = np.cumsum(correct)
    precision = hits / np.arange(1, len(correct) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[correct].sum() / wanted)


def matched(detections: Detections, truth: Segments, threshold: float) -> npt.NDArray[np.bool_]:
    """(R,) whether each detection, the surest first, meets a true segment that none has met before.

    Of several true segments of its recording and class the one that overlaps most is taken; the
    overlap is ``threshold`` or more. So a second detection of one segment is wrong. Rows are in
    the order of :func:`by_score`.
    """
    free = np.ones(len(truth.owner), np.bool_)
    correct = np.zeros(len(detections.owner), np.bool_)
    for row in range(len(detections.owner)):
        own = np.flatnonzero(free & (truth.owner == detections.owner[row]) & (truth.label == detections.label[row]))
        if not len(own):
            continue
        shares = overlap(int(detections.begin[row]), int(detections.end[row]), truth.begin[own], truth.end[own])
        best = int(shares.argmax())
        if shares[best] >= threshold:
            correct[row], free[own[best]] = True, False
    return correct


def by_score(detections: Detections) -> Detections:
    """The surest first; equals by recording and begin, so that their order in a file does not matter."""
    order = np.lexsort((detections.label, detections.begin, detections.owner, -detections.score))
    return Detections(
        detections.owner[order],
        detections.label[order],
        detections.begin[order],
        detections.end[order],
        detections.score[order],
    )


def detection_scores(detections: Detections, truth: Segments, thresholds: Iterable[float]) -> dict[str, float]:
    """``map_a_XX`` and ``map_v_XX`` for each overlap XX per cent.

    The first is the mean over actions of the average precision of an action's detections in
    all recordings, the second the mean over recordings of that of a recording's detections
    of all actions (Liu et al., PKU-MMD, 2017). Actions and recordings without a true segment
    do not count, but detections of such an action are wrong in their recording.
    """
    ordered, scores = by_score(detections), {}
    for threshold in thresholds:
        correct = matched(ordered, truth, threshold)
        for letter, mine, theirs in (("a", ordered.label, truth.label), ("v", ordered.owner, truth.owner)):
            precisions = [
                average_precision(correct[mine == group], int((theirs == group).sum())) for group in np.unique(theirs)
            ]
            scores[f"map_{letter}_{round(100 * threshold):02d}"] = float(np.mean(precisions))
    return scores
