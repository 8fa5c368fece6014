"""Heads on features of an encoder that drops values while they train, and is whole when it is judged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_features import TEST, TRAIN, Pass, problem, run_of

from sslskel.api.batch import Batch
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.unbound import Unbound
from sslskel.config.compose import from_plain, shaping, spoken, to_plain
from sslskel.errors import UsageError
from sslskel.evaluation.linear_training import LinearConfig
from sslskel.nn.masked_attention import Dropout
from sslskel.plugins.registry import PROTOCOLS
from sslskel.protocols.linear import Linear


class Dropping(Encoder):
    """Hands the feature through, and drops a quarter of it in training."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim, self.seen = dim, list[Tensor]()
        self.spec = type("Spec", (), {"train_view": TRAIN, "test_view": TEST})()
        self.noise: Noise | None = None

    def bind(self, batch: Batch, noise: Noise) -> None:
        self.noise = noise.on(batch)

    def clip(self, batch: Batch) -> Tensor:
        features = batch.tracks[:, 0, 0]
        if not self.training:
            return features
        if self.noise is None:
            raise Unbound(self, "dropout")
        self.seen.append(Dropout(0.25, self.noise, len(features))(features, "toy"))
        return self.seen[-1]


def test_values_are_dropped_in_training_anew_in_every_epoch_and_never_in_a_test() -> None:
    parts, truth = problem(spread=1.0)
    encoder = Dropping(12)
    protocol = Linear(LinearConfig(epochs=8, min_steps=0, encoder_dropout=True, encode_batch=1000))
    outcome = protocol.evaluate({"joint": encoder}, parts, run_of())
    assert encoder.training
    assert len(encoder.seen) == 8
    dropped = torch.stack([(features == 0).double() for features in encoder.seen])
    assert 0.2 < float(dropped.mean()) < 0.3
    assert not torch.equal(dropped[0], dropped[1])
    assert protocol.score(outcome, truth)["top1"] > 0.5
    assert outcome.info["recipe"] == "mamp (epochs=8, min_steps=0, encoder_dropout=True)"
    smaller = Linear(LinearConfig(epochs=8, min_steps=0, encoder_dropout=True, encode_batch=7))
    again = smaller.evaluate({"joint": Dropping(12)}, parts, run_of())
    assert np.allclose(again.values["logits"], outcome.values["logits"], atol=1e-4)
    whole = Linear(LinearConfig(epochs=8, min_steps=0)).evaluate({"joint": Dropping(12)}, parts, run_of())
    assert not np.allclose(whole.values["logits"], outcome.values["logits"], atol=1e-2)


def test_statistics_of_batch_norms_are_not_changed() -> None:
    parts, _ = problem(spread=1.0)
    encoder = Pass(12)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    Linear(LinearConfig(epochs=2, encoder_dropout=True)).evaluate({"joint": encoder}, parts, run_of())
    assert encoder.modes == {True, False}
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert all(module.training for module in encoder.modules())


def test_clips_that_are_encoded_once_are_refused() -> None:
    with pytest.raises(UsageError, match=r"needs protocol\.augment=true"):
        LinearConfig(encoder_dropout=True, augment=False)


def test_the_recipe_of_a_release_and_the_identity_of_all_others() -> None:
    config = from_plain(LinearConfig, PROTOCOLS.preset("linear_gl_transformer")["config"], "recipe")
    assert (config.encoder_dropout, config.lr, config.batch_size, config.epochs) == (True, 0.003, 1024, 120)
    assert (config.norm, config.label()) == (False, "gl_transformer")
    plain = to_plain(LinearConfig())
    assert "encoder_dropout" not in spoken("protocol", plain)
    assert shaping("protocol", plain | {"encoder_dropout": True})["encoder_dropout"] is True
