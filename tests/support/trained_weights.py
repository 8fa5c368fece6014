"""Weights that a run ended with, and comparisons of two runs."""

from __future__ import annotations

import torch
from safetensors.torch import load_file
from torch import Tensor

from sslskel.engine.train import TrainResult


def weights(result: TrainResult) -> dict[str, Tensor]:
    return load_file(result.checkpoint / "model.safetensors")


def assert_close(one: TrainResult, other: TrainResult, tolerance: float) -> None:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    for name, value in a.items():
        torch.testing.assert_close(b[name], value, rtol=0, atol=tolerance, msg=name)


def assert_equal(one: TrainResult, other: TrainResult) -> None:
    assert_close(one, other, 0)
