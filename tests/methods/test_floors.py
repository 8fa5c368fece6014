"""The floor and the sanity line: random_init and raw_features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from undrawn_clips import undrawn

from sslskel.api.backbone import Backbone
from sslskel.api.batch import Batch
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec
from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.methods.masked_modelling import MaskedModelling
from sslskel.methods.masked_modelling.config import MaskedModellingConfig
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
