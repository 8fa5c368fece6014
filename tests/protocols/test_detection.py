"""Detection on untrimmed streams: bins and windows of recordings, whole runs, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sslskel.checks.protocol import ProtocolCase, run_of
from sslskel.errors import DataError, UsageError
from sslskel.evaluation.segments import (
    frame_labels,
)
from sslskel.evaluation.windows import WindowAt, at_frames, encode_bins
from sslskel.protocols.detection import Detection, DetectionConfig


def test_bins_cover_every_frame_once_and_hold_the_steps_of_their_frames() -> None:
    case = ProtocolCase(Detection, DetectionConfig())
    parts, truth = case.parts()
    assert truth.segments is not None
    encoder = case.encoder("leaking")
    bins = encode_bins({"joint": encoder}, parts.train, 64, 8, 7, run_of({"joint": encoder}), "encode")
    for owner in range(len(parts.train)):
        own = bins.owner == owner
        assert bins.begin[own].tolist() == list(range(0, 320, 8))
        assert bins.end[own].tolist() == list(range(8, 321, 8))
    shown = at_frames(bins, bins.features["joint"], 3)
    assert shown.shape == (320, encoder.dim)
    labels = frame_labels([320] * len(parts.train), parts.train.segments, 8)[3]
    wanted = np.eye(encoder.dim)[labels].reshape(40, 8, -1).mean(1).repeat(8, 0)
    assert np.allclose(shown.numpy(), wanted, atol=1e-5)


def test_the_last_window_ends_with_the_recording() -> None:
    read = WindowAt(2, 64)(torch.tensor([130, 192]), 8, None)  # type: ignore[arg-type]
    assert read[0].min() == 128
    assert read[0].max() == 129
    assert 184 < read[1].max() <= 191


def test_an_encoder_that_sees_the_actions_finds_them_and_one_that_does_not_finds_few() -> None:
    config = DetectionConfig(epochs=15, lr=0.1, milestones=[12])
    case = ProtocolCase(Detection, config)
    outcome, scores = case.run("leaking")
    assert scores["map_a_50"] == scores["map_v_50"] == 1
    assert (outcome.values["end"] > outcome.values["begin"]).all()
    assert len(np.unique(outcome.item)) == len(outcome.keys)
    blind = case.run("blind")[1]
    assert blind["map_a_50"] < 0.2
    assert blind["map_a_10"] >= blind["map_a_30"] >= blind["map_a_50"]


def test_recordings_without_annotations_or_with_one_action_are_refused() -> None:
    case = ProtocolCase(Detection, DetectionConfig())
    parts, _ = case.parts()
    protocol = Detection(case.config)
    annotated = parts.train.segments
    parts.train.segments = None
    with pytest.raises(UsageError, match="needs recordings with annotated actions"):
        protocol.check(parts)
    parts.train.segments = annotated._replace(label=annotated.label * 0)
    with pytest.raises(DataError, match="one action alone"):
        protocol.check(parts)
    parts.train.segments = annotated._replace(end=annotated.end + 300)
    with pytest.raises(DataError, match="annotated action 0"):
        protocol.check(parts)
