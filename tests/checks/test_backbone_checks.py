"""Each check of backbones can fail: a backbone with one fault fails the check that is there for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from sound_method import failed
from torch import Tensor, nn

from sslskel.api.backbone import Backbone
from sslskel.api.view import ClipSpec
from sslskel.checks import check_backbone
from sslskel.config.groups import require


@dataclass
class Sizes:
    dim: int = 256

    def __post_init__(self) -> None:
        require(self.dim >= 1, f"backbone.dim is {self.dim}; it must be at least 1")


class PlainBackbone(Backbone[Sizes]):
    """One linear layer for every joint of every frame."""

    Config = Sizes

    def __init__(self, config: Any, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim = config.dim
        self.layer = nn.Linear(clip.coordinates, config.dim)

    def forward(self, tracks: Tensor) -> Tensor:
        return self.layer(tracks)


class FlatBackbone(PlainBackbone):
    def forward(self, tracks: Tensor) -> Tensor:
        return super().forward(tracks).flatten(1, 2)


class IdleBackbone(PlainBackbone):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.idle = nn.Parameter(torch.ones(2))


class NoisyBackbone(PlainBackbone):
    def forward(self, tracks: Tensor) -> Tensor:
        return super().forward(tracks + torch.randn_like(tracks))


class DropoutBackbone(PlainBackbone):
    def forward(self, tracks: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(tracks), 0.5, self.training)


class MixingBackbone(PlainBackbone):
    def forward(self, tracks: Tensor) -> Tensor:
        return super().forward(tracks - tracks.mean(0))


class BatchNormBackbone(PlainBackbone):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.norm = nn.BatchNorm2d(self.dim)

    def forward(self, tracks: Tensor) -> Tensor:
        return self.norm(super().forward(tracks).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class SeesMissing(PlainBackbone):
    masks_joints = True

    def forward(self, tracks: Tensor, known: Tensor | None = None) -> Tensor:
        return super().forward(tracks - tracks.mean(2, keepdim=True))


class HonestBatchNorm(BatchNormBackbone):
    batch_statistics = True


class TokenMess(PlainBackbone):
    segment = 1

    def tokens(self, tracks: Tensor) -> Tensor:
        return self.layer(tracks).flatten(1, 2)

    def encode(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        return tokens if keep is None else tokens[:, : keep.shape[1]] + 1


class StaleBackbone(PlainBackbone):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.hidden = torch.randn(self.dim)

    def forward(self, tracks: Tensor) -> Tensor:
        return super().forward(tracks) + self.hidden.to(tracks.dtype)


BACKBONE_FAULTS: list[tuple[type, str]] = [
    (FlatBackbone, "features_have_the_promised_shape"),
    (IdleBackbone, "every_parameter_gets_a_gradient"),
    (NoisyBackbone, "is_deterministic_in_eval"),
    (DropoutBackbone, "training_uses_no_global_generator"),
    (MixingBackbone, "rows_are_independent_in_eval"),
    (BatchNormBackbone, "rows_are_independent_in_training"),
    (SeesMissing, "missing_joints_change_nothing"),
    (TokenMess, "tokens_and_features_agree"),
    (StaleBackbone, "weights_come_back"),
]


@pytest.mark.parametrize(("plugin", "check"), BACKBONE_FAULTS, ids=[p.__name__ for p, _ in BACKBONE_FAULTS])
def test_a_faulty_backbone_fails_the_check_for_its_fault(plugin: type, check: str) -> None:
    assert list(failed(check_backbone(plugin, only=[check]))) == [check]


@pytest.mark.parametrize("plugin", [PlainBackbone, HonestBatchNorm])
def test_a_sound_backbone_passes(plugin: type) -> None:
    results = check_backbone(plugin)
    assert not failed(results)
    needless = {"rows_are_independent_in_training", "tokens_and_features_agree", "padding_changes_nothing"}
    needless.add("missing_joints_change_nothing")
    assert {result.name for result in results if result.skipped} <= needless
