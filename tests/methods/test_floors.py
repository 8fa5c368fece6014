"""The floors: random_init, raw_features and aligned_features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from undrawn_clips import undrawn

from sslskel.api.backbone import Backbone
from sslskel.api.batch import Batch
from sslskel.api.encoder import Encoder
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec
from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.errors import DataError
from sslskel.methods.aligned_features import AlignedFeatures, AlignedFeaturesConfig, Axis
from sslskel.methods.masked_modelling import MaskedModelling, MaskedModellingConfig
from sslskel.methods.random_init import RandomInit, RandomInitConfig
from sslskel.methods.raw_features import RawFeatures, RawFeaturesConfig

CLIP = undrawn(SkeletonLayout("three", ("a", "b", "c"), (-1, 0, 1), 1))


def transformer(spec: ClipSpec) -> Backbone:
    return Transformer(TransformerConfig(dim=16, depth=2, heads=4), spec)


def dense() -> Tensor:
    walk = torch.randn((4, 3, 8, 3, 2), generator=torch.Generator().manual_seed(0))
    walk[0, ..., 1] = 0
    walk[2, :, 4:, :, 0] = 0
    return walk


def test_random_init_starts_where_a_pretext_method_starts() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        floor = RandomInit(RandomInitConfig(), transformer, CLIP)
        torch.manual_seed(5)
        method = MaskedModelling(MaskedModellingConfig(mask_ratio=0.5), transformer, CLIP)
    batch = Batch.from_dense(dense())
    assert torch.equal(floor.encoders()["joint"].clip(batch), method.encoders()["joint"].clip(batch))
    assert not floor.trains


def test_raw_features_are_centred_coordinates() -> None:
    floor = RawFeatures(RawFeaturesConfig(), lambda spec: pytest.fail("no backbone is needed"), CLIP)
    encoder = floor.encoders()["joint"]
    batch = Batch.from_dense(dense())
    features = encoder.clip(batch)
    assert features.shape == (4, encoder.dim) == (4, 2 * 8 * 3 * 3)
    rows = dense().permute(0, 4, 2, 3, 1)
    assert torch.equal(features, (rows - rows[:, :, :, 1:2]).flatten(1))
    assert not features.reshape(4, 2, -1)[0, 1].any(), "a missing person is zeros"
    assert not features.reshape(4, 2, 8, -1)[2, 0, 4:].any(), "a missing frame is zeros"
    assert encoder.provides == {"clip", "steps"}
    assert torch.equal(encoder.steps(batch)[:, 3].flatten(1), features.reshape(4, 2, 8, -1)[:, :, 3].flatten(1))
    moved = batch._replace(tracks=batch.tracks + torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(encoder.clip(moved), features)


@pytest.mark.parametrize("kind", ["random_init", "raw_features"])
def test_neither_has_a_loss(kind: str) -> None:
    method: RandomInit | RawFeatures
    if kind == "random_init":
        method = RandomInit(RandomInitConfig(), transformer, CLIP)
    else:
        method = RawFeatures(RawFeaturesConfig(), transformer, CLIP)
    with pytest.raises(RuntimeError, match=kind):
        method([Batch.from_dense(dense())], Noise(0), Progress(0, 1, 1))


ARMED = undrawn(
    SkeletonLayout(
        "arms",
        ("root", "neck", "left", "right"),
        (-1, 0, 1, 1),
        0,
        ((2, 3),),
        {"left_arm": (2,), "right_arm": (3,)},
    )
)


def aligned(vertical: Axis = Axis.y) -> Encoder:
    build = AlignedFeatures(AlignedFeaturesConfig(vertical), lambda spec: pytest.fail("no backbone is needed"), ARMED)
    return build.encoders()["joint"]


def armed() -> Tensor:
    return torch.randn((4, 3, 8, 4, 2), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("vertical", list(Axis))
def test_aligned_features_do_not_change_with_place_heading_and_size(vertical: Axis) -> None:
    batch, encoder = Batch.from_dense(armed()), aligned(vertical)
    features = encoder.clip(batch)
    assert features.shape == (4, encoder.dim) == (4, 2 * 8 * 4 * 3)
    one, other = (axis for axis in range(3) if axis != "xyz".index(vertical.value))
    turn = torch.eye(3, dtype=torch.float64)
    angle = torch.tensor(2.1, dtype=torch.float64)
    turn[one, one] = turn[other, other] = angle.cos()
    turn[one, other], turn[other, one] = -angle.sin(), angle.sin()
    moved = 3.7 * batch.tracks @ turn.T + torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(encoder.clip(batch._replace(tracks=moved)), features)
    tilted = batch.tracks.roll(1, -1)
    assert not torch.allclose(encoder.clip(batch._replace(tracks=tilted)), features), "other turns do change them"


def test_aligned_features_face_one_way_and_have_one_size() -> None:
    batch = Batch.from_dense(armed())
    rows = aligned().clip(batch).reshape(4, 2, 8, 4, 3)
    line = (rows[..., 2, :] - rows[..., 3, :]).mean(2)
    torch.testing.assert_close(line[..., 2], torch.zeros_like(line[..., 2]))
    assert (line[..., 0] > 0).all()
    torso = ((rows[..., 2, :] + rows[..., 3, :]) / 2).norm(dim=-1).mean(-1)
    torch.testing.assert_close(torso, torch.ones_like(torso))


def test_missing_frames_and_persons_are_zeros_in_aligned_features() -> None:
    dense = armed()
    dense[0, ..., 1] = 0
    dense[2, :, 4:, :, 0] = 0
    batch, encoder = Batch.from_dense(dense), aligned()
    features = encoder.clip(batch).reshape(4, 2, 8, -1)
    assert not features[0, 1].any()
    assert not features[2, 0, 4:].any()
    shorter = encoder.clip(batch._replace(tracks=batch.tracks + 5 * ~batch.valid[..., None, None]))
    torch.testing.assert_close(shorter.reshape(4, 2, 8, -1), features)
    assert torch.equal(encoder.steps(batch)[:, 3].flatten(1), features[:, :, 3].flatten(1))


def test_aligned_features_stay_finite_where_a_body_has_no_extent() -> None:
    dense = armed()
    dense[1, ..., 0] = 0.5
    assert aligned().clip(Batch.from_dense(dense)).isfinite().all()


def test_aligned_features_say_what_they_need() -> None:
    with pytest.raises(DataError, match="does not define the body part 'left_arm'"):
        AlignedFeatures(AlignedFeaturesConfig(), transformer, CLIP)
