"""Supervised recipes of released codes, as protocol presets hold them, through the recorded steps of a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_networks import Network, Places, Recipe, check_state
from torch import Tensor
from toy_features import run_of
from undrawn_clips import undrawn

import sslskel.evaluation.finetune_training
from sslskel.api.batch import Batch
from sslskel.api.encoder import PooledEncoder
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.config.compose import from_plain
from sslskel.config.groups import Schedule
from sslskel.evaluation.finetune_config import FineTuneConfig
from sslskel.evaluation.finetune_networks import WithHead
from sslskel.evaluation.finetune_training import fine_tune
from sslskel.plugins.registry import PROTOCOLS


class Shown:
    """Recorded clips as a part of a split, in any view as they are."""

    segments = None

    def __init__(self, dense: Tensor, labels: Tensor, spec: ClipSpec) -> None:
        self.dense, self.labels, self.spec = dense, labels, spec
        self.keys = torch.arange(len(dense))
        self.lengths = torch.full((len(dense),), dense.shape[2])

    def __len__(self) -> int:
        return len(self.dense)

    def batches(self, view: ViewSpec, noise: Noise, size: int) -> Iterator[Batch]:
        for at in range(0, len(self), size):
            some = slice(at, at + size)
            yield Batch.from_dense(self.dense[some], self.keys[some], self.labels[some])

    def subset(self, rows: Tensor) -> Shown:
        some = Shown(self.dense[rows], self.labels[rows], self.spec)
        some.keys = self.keys[rows]
        return some


def check_recipe(
    network: Network, case: Recorded, places: Places, preset: str, tolerances: Recipe, patch: pytest.MonkeyPatch
) -> None:
    """The losses of the recorded steps and, unless ``tolerances.state`` is 0, the weights they end with.

    Rate, batch and number of steps are the recording's; everything else is the preset's.
    """
    config = from_plain(FineTuneConfig, PROTOCOLS.preset(preset)["config"], preset)
    steps, lr = len(case["loss/total"]), case.config["lr"]
    config = dataclasses.replace(
        config, epochs=steps, batch_size=64, lr=lr, min_lr=0.0, warmup_epochs=0.0, schedule=Schedule.constant
    )
    labels = case.tensor("in/label").long()
    spec = undrawn(NTU25, case.config["T"])
    clips = Shown(case.tensor("in/x").double(), labels, spec)
    losses: list[float] = []

    class Watched(WithHead):
        def __init__(self, encoder: Any, head: Any, *more: Any) -> None:
            super().__init__(encoder, head, *more)
            head.fc.load_state_dict(network.fc.state_dict())
            network.backbone, network.fc = encoder.backbone, head.fc

        def loss(self, batch: Batch, noise: Noise) -> Tensor:
            value = super().loss(batch, noise)
            losses.append(float(value.detach()))
            return value

    patch.setattr(sslskel.evaluation.finetune_training, "WithHead", Watched)
    encoder = PooledEncoder(network.double().backbone, spec)
    fine_tune(config, {"joint": encoder}, clips, None, clips, case.config["classes"], run_of(dtype=torch.float64))
    wanted = [float(loss) for loss in case["loss/total"]]
    assert losses == pytest.approx(wanted, rel=tolerances.losses)
    if tolerances.state:
        check_state(network, case, places, tolerances)
