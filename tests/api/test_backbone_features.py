"""What a backbone may give and be given beyond a grid: validity, a token, levels, tokens of all joints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from sound_method import failed
from torch import Tensor
from toy_backbones import PLUGINS, SPEC, ClassToken, FromMean, Joined, TwoLevels, built, clips

from sslskel.api.backbone import Backbone, mean_over_time, valid_steps
from sslskel.api.batch import Batch
from sslskel.api.encoder import PooledEncoder
from sslskel.checks import check_backbone


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_sound_backbone_passes_all_checks(plugin: type) -> None:
    results = check_backbone(plugin)
    assert not failed(results), failed(results)


def test_valid_frames_and_steps_are_averaged() -> None:
    valid = torch.tensor([[True, True, False, False, False], [False] * 5])
    grid = torch.tensor([[[1.0], [3], [9], [9], [9]], [[4.0]] * 5])
    assert mean_over_time(grid, valid).tolist() == [[2.0], [0.0]]
    assert valid_steps(valid[:, :4], 2).tolist() == [[True, False], [False, False]]
    assert valid_steps(valid, 2).tolist() == [[True, False], [False, False]]
    joined = torch.stack([valid, torch.zeros_like(valid)], 2)
    assert mean_over_time(grid, joined).tolist() == [[2.0], [0.0]]


@pytest.mark.parametrize("plugin", [FromMean, Joined])
@pytest.mark.parametrize("bodies", ["reference", "present"])
def test_padding_changes_no_feature(plugin: type[Backbone[Any]], bodies: Any) -> None:
    encoder, batch = PooledEncoder(built(plugin), SPEC, bodies), clips(padded=6)
    other = batch.tracks.clone()
    other[:, -6:] = 7.0
    changed = batch._replace(tracks=other)
    assert torch.allclose(encoder.clip(batch), encoder.clip(changed), atol=1e-12)
    assert not torch.allclose(encoder.clip(batch), encoder.clip(clips()))
    steps, others = encoder.steps(batch), encoder.steps(changed)
    assert steps.shape[2] == 16
    assert torch.allclose(steps[:, : steps.shape[1] * 3 // 4], others[:, : steps.shape[1] * 3 // 4], atol=1e-12)


def test_persons_present_alone_are_averaged_where_validity_is_read() -> None:
    backbone, batch = built(FromMean), clips()
    reference, present = (PooledEncoder(backbone, SPEC, bodies).clip(batch) for bodies in ("reference", "present"))
    assert torch.equal(reference, present)
    assert PooledEncoder(backbone, SPEC).tokens(batch)[0, 1].abs().max() == 0
    empty = Batch.from_dense(torch.zeros(2, 3, 24, 25, 2, dtype=torch.float64))
    assert torch.equal(PooledEncoder(backbone, SPEC).clip(empty), torch.zeros(2, 16, dtype=torch.float64))


def test_an_absent_person_and_padding_are_told_apart() -> None:
    valid = clips(padded=6).joined_valid(2)
    assert valid.shape == (6, 24, 2)
    assert not valid[0, :, 1].any()
    assert valid[0, :18, 0].all()
    assert not valid[:, -6:].any()
    assert valid[1, 10:18, 1].any()


def test_a_token_is_the_feature_of_a_clip() -> None:
    backbone, batch = built(ClassToken), clips()
    features = PooledEncoder(backbone, SPEC, "present").clip(batch)
    token = backbone(batch.tracks[batch.owner == 0]).token
    assert torch.allclose(features[0], token.mean(0))
    assert PooledEncoder(backbone, SPEC).tokens(batch).shape == (6, 2, 6, 1, 16)
    assert PooledEncoder(backbone, SPEC).steps(batch).shape == (6, 6, 16)


def test_levels_are_averaged_over_persons_like_features() -> None:
    backbone, batch = built(TwoLevels), clips()
    encoder = PooledEncoder(backbone, SPEC, "present")
    assert encoder.levels == {"joints": 25 * 16, "parts": 5 * 16, "shallow": 32}
    grid = backbone(batch.tracks).grid
    one = (batch.owner == 0).nonzero()[0, 0]
    assert torch.allclose(encoder.level("joints", batch)[0].reshape(25, 16), grid[one].mean(0))
    torso = list(SPEC.layout.parts["torso"])
    assert torch.allclose(encoder.level("parts", batch)[0, :16], grid[one][:, torso].mean((0, 1)))
    assert torch.allclose(encoder.level("shallow", batch)[0], backbone.first(batch.tracks[one]).relu().mean((0, 1)))
    bare = replace(SPEC, layout=replace(SPEC.layout, parts={}))
    assert "parts" not in PooledEncoder(backbone, bare).levels
    assert not PooledEncoder(built(ClassToken), SPEC).levels


class Blind(FromMean):
    def forward(self, tracks: Tensor, valid: Tensor | None = None) -> Tensor:
        return super().forward(tracks, torch.ones_like(valid))  # type: ignore[arg-type]


class Divides(FromMean):
    def forward(self, tracks: Tensor, valid: Tensor | None = None) -> Tensor:
        assert valid is not None
        count = valid.sum(1).to(tracks.dtype)[:, None, None, None]
        return super().forward(tracks, valid) / count


class Narrow(TwoLevels):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.levels = {"shallow": self.dim}


class Shuffled(ClassToken):
    keeps_joints = True


@pytest.mark.parametrize(
    ("plugin", "check"),
    [
        (Blind, "padding_changes_nothing"),
        (Divides, "padding_changes_nothing"),
        (Narrow, "levels_have_the_promised_widths"),
        (Shuffled, "levels_have_the_promised_widths"),
    ],
)
def test_a_faulty_backbone_fails_the_check_for_its_fault(plugin: type, check: str) -> None:
    assert list(failed(check_backbone(plugin, only=[check]))) == [check]
