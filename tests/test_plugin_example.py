"""The method of examples/plugin reads what backbones give, as the built-in ones do: validity, a token, drop path."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sslskel import Backbone, Batch, ClipSpec, Features, PretextMethod
from sslskel.checks.fixtures import dataset_info
from sslskel.checks.method import MethodCase, forward

FILE = Path(__file__).resolve().parents[1] / "examples/plugin/src/sslskel_example_plugin/hidden_joints.py"
INFO = dataset_info()


@dataclass
class Sizes:
    dim: int = 8


class Token(Backbone[Sizes]):
    """Stands for a row by a token; its grid is of no use."""

    Config = Sizes

    def __init__(self, config: Sizes, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim = config.dim
        self.layer = nn.Linear(clip.layout.num_joints * clip.coordinates, config.dim)

    def forward(self, tracks: Tensor) -> Features:
        rows = self.layer(tracks.flatten(2))
        return Features(torch.full_like(rows[:, :, None], torch.nan), token=rows.mean(1))


class Watching(Token):
    """Averages over the frames in which the person is there."""

    reads_validity = True

    def forward(self, tracks: Tensor, valid: Tensor | None = None) -> Features:
        assert valid is not None
        weight = valid[..., None].to(tracks.dtype)
        rows = self.layer(tracks.flatten(2) * weight)
        return Features(rows[:, :, None])


@pytest.fixture(scope="module")
def plugin() -> type[PretextMethod[Any]]:
    spec = importlib.util.spec_from_file_location("hidden_joints_of_examples", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HiddenJoints  # type: ignore[no-any-return]


@pytest.mark.parametrize("backbone", [Token, Watching])
def test_it_trains_whatever_the_backbone_gives(plugin: type[PretextMethod[Any]], backbone: type[Backbone[Any]]) -> None:
    case = MethodCase(plugin, plugin.Config(), backbone, INFO)
    method = case.build()
    loss = forward(method, *case.views(method)).loss()
    assert torch.isfinite(loss)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())


def test_what_lies_in_invalid_frames_changes_nothing(plugin: type[PretextMethod[Any]]) -> None:
    case = MethodCase(plugin, plugin.Config(), Watching, INFO)
    method = case.build()
    [batch], noise = case.views(method)
    valid = batch.valid.clone()
    valid[:, -6:] = False

    def loss(filling: float) -> float:
        tracks = torch.where(valid[..., None, None], batch.tracks, filling)
        return float(forward(method, [Batch(tracks, valid, *batch[2:])], noise).loss().detach())

    assert loss(0.0) == loss(7.0)
