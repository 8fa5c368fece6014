"""Encoders called as modules: on a batch, on dense clips, and in a training pass with its noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sslskel import METHODS, Batch, Frozen, Noise, PooledEncoder, Teacher, UsageError
from sslskel.api.backbone import Backbone
from sslskel.checks.fixtures import dataset_info, make_source, make_spec, small_config
from sslskel.plugins.registry import BACKBONES

INFO = dataset_info()
SPEC = make_spec(INFO)


def clips() -> Batch:
    return make_source(INFO, 6, SPEC).batch(torch.arange(6), SPEC.test_view, Noise(0))


def encoder(**options: Any) -> PooledEncoder:
    plugin = BACKBONES.get(METHODS.get("random_init").default_backbone)
    config: Any = replace(small_config(plugin.Config), **options)  # type: ignore[type-var]
    torch.manual_seed(0)
    return PooledEncoder(plugin(config, SPEC), SPEC)


def test_a_batch_has_the_features_of_its_dense_clips() -> None:
    network, batch = encoder().eval(), clips()
    assert torch.equal(network(batch), network.clip(batch))
    torch.testing.assert_close(network(batch.dense(SPEC.persons)), network(batch))


def test_a_batch_keeps_its_padding_where_dense_clips_lose_it() -> None:
    class Padded(Backbone[object]):
        reads_validity = True
        dim = 1

        def forward(self, tracks: Tensor, valid: Tensor | None = None) -> Tensor:
            assert valid is not None
            return valid[..., None, None].to(tracks.dtype)

    batch = clips()
    batch = batch._replace(valid=torch.zeros_like(batch.valid))
    network = PooledEncoder(Padded(None, SPEC), SPEC)
    assert network(batch).sum() == 0
    assert network(batch.dense(SPEC.persons)).sum() > 0


def test_a_training_pass_is_bound_to_the_noise_that_it_gets() -> None:
    network, batch, noise = encoder(drop_path=0.5).train(), clips(), Noise(1).view(0)
    with pytest.raises(UsageError, match="drop_path"):
        network(batch)
    features = network(batch, noise)
    network.bind(batch, noise)
    assert torch.equal(features, network.clip(batch))
    assert not torch.equal(features, network(batch, Noise(2).view(0)))


def test_teachers_and_frozen_networks_take_batches_too() -> None:
    network, batch = encoder(), clips()
    student = nn.Sequential(network, nn.Linear(network.dim, 3))
    teacher, frozen = Teacher(student), Frozen(network)
    assert torch.equal(teacher(batch), student(batch).detach())
    assert frozen.network is network
    assert not frozen(batch).requires_grad
