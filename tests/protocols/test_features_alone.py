"""What the protocols on frozen features share: the encoder stays as it was, labels and classes are checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from toy_features import Pass, problem, run_of

from sslskel.errors import DataError, RunError, UsageError
from sslskel.evaluation.linear_training import LinearConfig
from sslskel.protocols.knn import Knn, KnnConfig
from sslskel.protocols.linear import Linear


def linear(**changes: Any) -> Linear:
    return Linear(LinearConfig(**({"epochs": 10, "min_steps": 0} | changes)))


def knn(**changes: Any) -> Knn:
    return Knn(KnnConfig(**changes))


@pytest.mark.parametrize("protocol", [linear(), knn()], ids=["linear", "knn"])
def test_the_encoder_stays_as_it_was_and_is_only_asked_in_eval_mode(protocol: Any) -> None:
    parts, _ = problem()
    encoder = Pass(12)
    encoder.train()
    encoder.norm.eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    protocol.evaluate({"joint": encoder}, parts, run_of())
    assert encoder.training
    assert not encoder.norm.training
    assert encoder.modes == {False}
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("protocol", [linear(), knn()], ids=["linear", "knn"])
def test_the_encoder_gets_its_mode_back_when_something_fails(protocol: Any) -> None:
    parts, _ = problem()
    parts.train.features[3] = torch.nan
    encoder = Pass(12).train()
    with pytest.raises(RunError, match=r"joint encoder.*not finite for 1 of 300 clips.*1000021"):
        protocol.evaluate({"joint": encoder}, parts, run_of())
    assert encoder.training


@pytest.mark.parametrize("protocol", [linear(), knn()], ids=["linear", "knn"])
def test_same_result_twice_without_touching_global_generators(protocol: Any) -> None:
    parts, _ = problem()
    parts.train.jitter = 0.5
    state, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, second = (protocol.evaluate({"joint": Pass(12)}, parts, run_of()) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numbers)
    for name in first.values:
        assert np.array_equal(first.values[name], second.values[name])


def test_clips_without_a_label_are_neither_trained_on_nor_neighbours() -> None:
    parts, _ = problem()
    parts.train.labels[100:] = -1
    for protocol in (linear(), knn()):
        assert protocol.evaluate({"joint": Pass(12)}, parts, run_of()).info["labels"] == 100
    parts.train.labels[:] = -1
    for protocol in (linear(), knn()):
        with pytest.raises(DataError, match="no label"):
            protocol.evaluate({"joint": Pass(12)}, parts, run_of())


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (LinearConfig, {"epochs": 0}),
        (LinearConfig, {"batch_size": 1}),
        (LinearConfig, {"lr": 0.0}),
        (LinearConfig, {"momentum": 1.0}),
        (LinearConfig, {"weight_decay": -1.0}),
        (LinearConfig, {"views": -1}),
        (LinearConfig, {"encode_batch": 0}),
        (LinearConfig, {"recipe": " "}),
        (KnnConfig, {"k": 0}),
        (KnnConfig, {"block": 0}),
        (KnnConfig, {"encode_batch": 0}),
    ],
)
def test_a_wrong_value_names_its_key(config: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"protocol.{next(iter(wrong))} is "):
        config(**wrong)
