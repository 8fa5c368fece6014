"""Detections scored against cases computed by hand, and segments made of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslskel.api.dataset import Segments
from sslskel.errors import DataError
from sslskel.evaluation.segments import (
    Detections,
    average_precision,
    by_score,
    detection_scores,
    frame_labels,
    matched,
    overlap,
    segments_of,
)


def truth_of(*rows: tuple[int, int, int, int]) -> Segments:
    """(recording, begin, end, label)."""
    owner, begin, end, label = np.array(rows, np.int64).reshape(-1, 4).T
    return Segments(owner, begin, end, label, np.full(len(owner), -1))


def detections_of(*rows: tuple[int, int, int, int, float]) -> Detections:
    """(recording, begin, end, label, score)."""
    table = np.array(rows, np.float64).reshape(-1, 5)
    owner, begin, end, label = table[:, :4].astype(np.int64).T
    return Detections(owner, label, begin, end, table[:, 4])


def test_overlap_counts_frames() -> None:
    shares = overlap(10, 20, np.array([10, 15, 20, 0, 12]), np.array([20, 25, 30, 100, 14]))
    assert shares.tolist() == pytest.approx([1, 5 / 15, 0, 10 / 100, 2 / 10])


def test_average_precision_by_hand() -> None:
    right = np.array([True, False, True, False])
    # Precision 1 up to recall 1/3, then 2/3 up to 2/3; the third segment is never found.
    assert average_precision(right, 3) == pytest.approx((1 + 2 / 3) / 3)
    # The envelope lifts 1/2 to the 2/3 that follows.
    assert average_precision(np.array([False, True, True]), 2) == pytest.approx(2 / 3)
    assert average_precision(np.zeros(4, np.bool_), 2) == 0
    assert average_precision(np.zeros(0, np.bool_), 2) == 0


def test_a_second_detection_of_one_segment_is_wrong() -> None:
    truth = truth_of((0, 0, 100, 1))
    detections = by_score(detections_of((0, 0, 90, 1, 0.4), (0, 0, 100, 1, 0.9), (0, 0, 100, 2, 0.99)))
    assert detections.score.tolist() == [0.99, 0.9, 0.4]
    assert matched(detections, truth, 0.5).tolist() == [False, True, False]
    scores = detection_scores(detections_of((0, 0, 90, 1, 0.4), (0, 0, 100, 1, 0.9)), truth, [0.5])
    assert scores == {"map_a_50": 1.0, "map_v_50": 1.0}
    surer = detection_scores(detections_of((0, 300, 400, 1, 0.95), (0, 0, 100, 1, 0.9)), truth, [0.5])
    assert surer == {"map_a_50": 0.5, "map_v_50": 0.5}


def test_two_segments_need_two_detections_and_each_takes_the_one_it_overlaps_most() -> None:
    truth = truth_of((0, 0, 100, 0), (0, 100, 200, 0))
    detections = by_score(detections_of((0, 40, 160, 0, 0.9), (0, 0, 100, 0, 0.8)))
    # 60 of 160 frames with either; the first stands first and is taken, so the second meets nothing.
    assert matched(detections, truth, 0.3).tolist() == [True, False]
    assert matched(detections, truth, 0.5).tolist() == [False, True]


def test_actions_and_recordings_are_averaged_apart() -> None:
    truth = truth_of((0, 0, 50, 0), (0, 60, 90, 1), (1, 0, 50, 0))
    detections = detections_of((0, 0, 50, 0, 0.9), (0, 60, 90, 0, 0.8), (1, 0, 50, 0, 0.7))
    scores = detection_scores(detections, truth, [0.5])
    # Action 0: right, wrong, right of 2; action 1: never found.
    assert scores["map_a_50"] == pytest.approx(((1 + 2 / 3) / 2 + 0) / 2)
    # Recording 0: right, wrong of 2; recording 1: right of 1.
    assert scores["map_v_50"] == pytest.approx((1 / 2 + 1) / 2)


def test_no_detection_at_all_scores_zero() -> None:
    scores = detection_scores(detections_of(), truth_of((0, 0, 50, 0)), [0.1, 0.5])
    assert scores == {"map_a_10": 0, "map_v_10": 0, "map_a_50": 0, "map_v_50": 0}


def test_thresholds_are_reached_by_equality() -> None:
    truth, detections = truth_of((0, 0, 100, 0)), detections_of((0, 50, 100, 0, 0.9))
    assert detection_scores(detections, truth, [0.5])["map_a_50"] == 1
    assert detection_scores(detections_of((0, 51, 100, 0, 0.9)), truth, [0.5])["map_a_50"] == 0


def test_frames_of_annotations_and_annotations_that_do_not_fit() -> None:
    tracks = frame_labels([6, 3], truth_of((0, 1, 3, 4), (1, 0, 3, 0)), 5)
    assert [track.tolist() for track in tracks] == [[0, 5, 5, 0, 0, 0], [1, 1, 1]]
    for row in ((0, 2, 7, 0), (0, 4, 3, 0), (0, -1, 3, 0), (0, 1, 3, 5), (0, 3, 3, 0)):
        with pytest.raises(DataError, match="annotated action 0"):
            frame_labels([6], truth_of(row), 5)


def chances_of(track: list[int], classes: int = 3) -> np.ndarray[Any, Any]:
    return 0.7 * np.eye(classes)[track] + 0.1


def test_short_gaps_are_bridged_long_ones_are_not_and_slivers_are_dropped() -> None:
    track = [0] * 5 + [1] * 10 + [0] * 3 + [1] * 4 + [0] * 9 + [1] * 8 + [2] * 2
    labels, begins, ends, scores = segments_of(chances_of(track), gap=5, shortest=4)
    assert list(zip(labels.tolist(), begins.tolist(), ends.tolist(), strict=True)) == [(0, 5, 22), (0, 31, 39)]
    assert scores.tolist() == pytest.approx([(14 * 0.8 + 3 * 0.1) / 17, 0.8])
    assert all(len(column) == 0 for column in segments_of(chances_of([0] * 9), 5, 1))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2), st.integers(4, 9), st.integers(3, 6)), min_size=1, max_size=6))
def test_what_is_annotated_comes_back_from_perfect_frames(actions: list[tuple[int, int, int]]) -> None:
    track: list[int] = []
    for label, length, pause in actions:
        track += [label] * length + [0] * pause
    labels, begins, ends, _ = segments_of(chances_of(track), gap=2, shortest=4)
    order = begins.argsort()
    truth = Segments(np.zeros(len(labels), np.int64), begins[order], ends[order], labels[order], labels[order])
    assert frame_labels([len(track)], truth, 2)[0].tolist() == track
    assert len(labels) == len(actions)
