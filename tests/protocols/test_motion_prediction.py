"""Motion prediction on tracks whose future is known."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.dataset import Clip, Track
from sslskel.api.encoder import Encoder
from sslskel.api.protocol import Parts, Truth
from sslskel.api.view import ClipSpec
from sslskel.checks.fixtures import dataset_info, make_spec
from sslskel.checks.protocol import run_of
from sslskel.data.loader import ClipSource
from sslskel.data.memory import MemoryDataset
from sslskel.errors import DataError, UsageError
from sslskel.evaluation.futures import Window, futures
from sslskel.protocols.motion_prediction import MotionPrediction, MotionPredictionConfig, regress

INFO = dataset_info(classes=2)
SPEC = make_spec(INFO, 8)


class Speed(Encoder):
    """Knows how fast the first person went in what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.spec: ClipSpec = SPEC
        self.dim = 3

    def clip(self, batch: Batch) -> Tensor:
        first = torch.searchsorted(batch.owner, torch.arange(batch.num_clips))
        return batch.tracks[first][:, -1, 0] - batch.tracks[first][:, 0, 0]


def walkers(count: int, length: int = 30, gone: int = 0, spec: ClipSpec = SPEC) -> ClipSource:
    """Clips whose persons move steadily, each in a direction of its own; the last ``gone`` frames lack them."""
    rng = np.random.default_rng(count)
    clips = []
    for number in range(count):
        speed, place = rng.normal(0, 0.01, 3), rng.normal(0, 1, (25, 3))
        joints = place + speed * np.arange(length)[:, None, None]
        valid = np.ones(length, np.bool_)
        if gone and number == 0:
            valid[-gone:] = False
            joints[-gone:] = 0
        clips.append(Clip(f"walk {number}", number % 2, length, (Track(0, 0, joints.astype(np.float32), valid),)))
    return ClipSource(MemoryDataset(INFO, clips), np.arange(count), spec)


def judged(encoder: Encoder, test: ClipSource, **changes: Any) -> dict[str, float]:
    protocol = MotionPrediction(MotionPredictionConfig(**({"observed": 10, "future": 6, "ridge": [1e-6]} | changes)))
    parts = Parts(walkers(60), None, None, test, INFO.classes)
    outcome = protocol.evaluate({"joint": encoder}, parts, run_of({"joint": encoder}))
    truth = Truth(test.keys.numpy(), test.labels.numpy(), INFO.classes, test)
    return protocol.score(outcome, truth)


def test_the_window_is_in_the_middle_and_a_short_clip_gives_what_it_has() -> None:
    start, count = Window(10, 6).past(torch.tensor([16, 30, 31, 12, 7]))
    assert start.tolist() == [0, 7, 7, 0, 0]
    assert count.tolist() == [10, 10, 10, 6, 1]


def test_futures_start_at_the_last_observed_frame() -> None:
    clips = walkers(5)
    moves, known = futures(clips, Window(10, 6), 2)
    assert moves.shape == (5, 6, 25, 3)
    assert known.all()
    steps = moves[:, :1] * torch.arange(1, 7)[:, None, None]
    assert torch.allclose(moves, steps, atol=1e-5)


def test_frames_without_the_person_are_not_known() -> None:
    _, known = futures(walkers(3, length=16, gone=2), Window(10, 6), 8)
    assert known.tolist() == [[True] * 4 + [False] * 2, [True] * 6, [True] * 6]


def test_an_encoder_that_knows_the_speed_predicts_steady_motion_and_errors_are_millimetres() -> None:
    test = walkers(20)
    scores = judged(Speed(), test)
    moves, _ = futures(test, Window(10, 6), 8)
    assert scores["still_mm"] == pytest.approx(1000 * float(moves.norm(dim=-1).mean()))
    assert scores["mpjpe_mm"] < 0.05 * scores["still_mm"]
    assert scores["gain"] == pytest.approx(1 - scores["mpjpe_mm"] / scores["still_mm"])


def test_features_that_say_nothing_do_not_gain_and_the_score_stays_a_share() -> None:
    class Blind(Speed):
        def clip(self, batch: Batch) -> Tensor:
            return torch.zeros(batch.num_clips, 3)

    scores = judged(Blind(), walkers(20))
    assert 0 <= scores["gain"] < 0.1


def test_the_penalty_is_chosen_on_training_clips_alone() -> None:
    rng = np.random.default_rng(0)
    seen, asked = rng.normal(0, 1, (40, 30)), rng.normal(0, 1, (10, 30))
    noise = rng.normal(0, 1, (40, 4))
    assert regress(seen, noise, asked, [1e-3, 1e4])[1] == 1e4
    assert regress(seen, seen[:, :4], asked, [1e-3, 1e4])[1] == 1e-3


def test_clips_without_a_future_and_other_units_are_refused() -> None:
    with pytest.raises(DataError, match=r"20 of 20 clips of the test part have fewer than 7 frames.*at most 4"):
        judged(Speed(), walkers(20, length=5))
    with pytest.raises(DataError, match="metres"):
        judged(Speed(), walkers(20, spec=dataclasses.replace(SPEC, unit="pixel")))
    with pytest.raises(UsageError, match="positive"):
        MotionPredictionConfig(ridge=[0.0])
