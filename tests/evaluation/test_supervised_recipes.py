"""Recipes of supervised networks as data, and the options of fine-tuning that they need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from toy_features import TEST, Pass, Rows, problem, run_of

import sslskel.evaluation.finetune_training
from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec
from sslskel.config.compose import compose, from_plain, shaping
from sslskel.errors import UsageError
from sslskel.evaluation.finetune_config import UNSAID, FineTuneConfig
from sslskel.evaluation.finetune_networks import WithHead
from sslskel.evaluation.finetune_training import fine_tune
from sslskel.evaluation.recipes import recipe_label
from sslskel.plugins.registry import PROTOCOLS

NAMES = [entry.name for entry in PROTOCOLS.entries() if entry.name.startswith("scratch_")]
STEPS = {
    "ctr_gcn": (0.1, [35, 55], 65, 64, 4e-4),
    "hyperformer": (0.025, [110, 120], 140, 64, 4e-4),
    "infogcn": (0.1, [90, 100], 110, 128, 5e-4),
    "sttformer": (0.1, [60, 80], 90, 64, 4e-4),
    "unik": (0.1, [30, 40], 50, 32, 1e-4),
}
"""Rate, milestones, epochs, batch and weight decay of those with SGD and steps."""
SMALL = {
    "recipe": "mamp",
    "head": "linear",
    "epochs": 1,
    "warmup_epochs": 0.0,
    "min_lr": 0.0,
    "layer_decay": 1.0,
    "drop_path": 0.0,
}


def trained(monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[list[WithHead], list[torch.optim.Optimizer]]:
    """Heads and optimisers of one epoch on Gaussian classes."""
    parts, _ = problem(count=64, classes=4, dim=6)
    heads: list[WithHead] = []
    optimisers: list[torch.optim.Optimizer] = []

    class Watched(WithHead):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            heads.append(self)

    true_rate = sslskel.evaluation.finetune_training.set_rate

    def watched_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
        optimisers.append(optimiser)
        true_rate(optimiser, rate)

    monkeypatch.setattr(sslskel.evaluation.finetune_training, "WithHead", Watched)
    monkeypatch.setattr(sslskel.evaluation.finetune_training, "set_rate", watched_rate)
    config = from_plain(FineTuneConfig, SMALL | {"batch_size": 64, "schedule": "constant"} | options, "test")
    fine_tune(config, {"joint": Pass(6)}, parts.train, None, parts.test, 4, run_of())
    return heads, optimisers


@pytest.mark.parametrize(("preset", "epochs"), [("cpu", 30), pytest.param("quick", 15, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_is_named_and_comes_in_small(name: str, preset: str, epochs: int) -> None:
    config = from_plain(FineTuneConfig, PROTOCOLS.preset(name)["config"], name)
    own = name.removeprefix("scratch_")
    assert recipe_label("finetune", config, UNSAID) == own
    assert config.decay_all
    small: Any = compose("random_init", backbone=own, preset=preset, protocol=name).protocol
    assert small.epochs == epochs
    for option in ("optimiser", "weight_decay", "nesterov", "decay_all", "label_smoothing"):
        assert getattr(small, option) == getattr(config, option)
    assert len(small.milestones) == len(config.milestones)
    assert max(small.milestones, default=0) < epochs
    in_proportion = config.lr * small.batch_size / config.batch_size
    assert small.lr == (config.lr if own == "skateformer" else pytest.approx(in_proportion, rel=0.05))


@pytest.mark.parametrize("name", STEPS)
def test_recipes_with_steps_are_those_of_the_released_codes(name: str) -> None:
    config = from_plain(FineTuneConfig, PROTOCOLS.preset(f"scratch_{name}")["config"], name)
    said = (config.lr, config.milestones, config.epochs, config.batch_size, config.weight_decay)
    assert said == STEPS[name]
    assert (config.optimiser.value, config.momentum, config.nesterov, config.decay) == ("sgd", 0.9, True, 0.1)


def test_sgd_takes_torchs_step_with_weight_decay_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"optimiser": "sgd", "nesterov": True, "lr": 0.1, "weight_decay": 0.5, "label_smoothing": 0.0}
    heads, _ = trained(monkeypatch, **options, epochs=2, decay_all=True)
    _, [first, *_] = trained(monkeypatch, **options)
    assert first.defaults["momentum"] == 0.9
    assert {group["weight_decay"] for group in first.param_groups} == {0.0, 0.5}
    parts, _ = problem(count=64, classes=4, dim=6)
    weight, bias = heads[0].head
    again, _ = trained(monkeypatch, **options | {"lr": 1e-12})
    layer = torch.nn.Linear(6, 4)
    with torch.no_grad():
        layer.weight.copy_(again[0].head[0])
        layer.bias.copy_(again[0].head[1])
    sgd = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.5)
    for _ in range(2):
        sgd.zero_grad()
        torch.nn.functional.cross_entropy(layer(parts.train.features), parts.train.labels).backward()
        sgd.step()
    torch.testing.assert_close(weight, layer.weight, rtol=0, atol=1e-5)
    torch.testing.assert_close(bias, layer.bias, rtol=0, atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_head_drops_numbers_of_the_feature_in_training_alone(share: float) -> None:
    parts, _ = problem(count=64, classes=4, dim=6)
    seen: list[torch.Tensor] = []

    class Head(torch.nn.Linear):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            seen.append(features)
            return super().forward(features)

    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr("sslskel.evaluation.finetune_networks.LinearHead", Head)
        network = WithHead(Pass(6), Head(6, 4), 0.0, run_of(), share)  # type: ignore[arg-type]
        batch: Batch = next(iter(parts.train.batches(Pass(6).spec.test_view, Noise(0), 64)))
        network.loss(batch, Noise(0))
        network.logits(batch)
    trained_on, judged_on = seen
    if share == 0:
        assert torch.equal(trained_on, judged_on)
    else:
        gone = trained_on == 0
        assert 0.4 < float(gone.float().mean()) < 0.6
        torch.testing.assert_close(trained_on[~gone], 2 * judged_on[~gone])


def test_probabilities_of_several_views_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    parts, _ = problem(count=64, classes=4, dim=6)
    config = from_plain(FineTuneConfig, SMALL | {"batch_size": 64, "optimiser": "sgd", "lr": 0.1}, "test")
    shifts = {TEST: 0.0} | {ViewSpec(sample=lambda *_, at=at: None): float(at) for at in (1, 2)}

    class Shifted(Rows):
        def batches(self, view: ViewSpec, noise: Noise, size: int) -> Iterator[Batch]:
            for batch in super().batches(view, noise, size):
                yield batch._replace(tracks=batch.tracks + shifts.get(view, 0.0))

    def judged(views: list[ViewSpec]) -> torch.Tensor:
        encoder = Pass(6)
        encoder.spec.test_view, encoder.spec.more_test_views = views[0], tuple(views[1:])  # type: ignore[misc]
        test = Shifted(parts.test.features, parts.test.labels, parts.test.keys)
        tuned = fine_tune(config, {"joint": encoder}, parts.train, None, test, 4, run_of())
        return torch.from_numpy(tuned.logits)

    alone = [judged([view]).softmax(1) for view in shifts]
    together = judged(list(shifts)).exp()
    torch.testing.assert_close(together, torch.stack(alone).mean(0), rtol=0, atol=1e-6)
    assert float((alone[0] - alone[2]).abs().max()) > 0.1


def test_sgd_is_in_the_identity_and_what_was_there_before_is_not() -> None:
    options = [
        compose("random_init", backbone="unik", preset="quick", protocol="finetune", overrides=words).plain()[
            "protocol"
        ]
        for words in ([], ["protocol.optimiser=adamw"], ["protocol.optimiser=sgd"])
    ]
    before, same, other = (shaping("protocol", one) for one in options)
    assert before == same
    assert not {"optimiser", "momentum", "nesterov", "decay_all", "clip_together", "feature_dropout"} & set(before)
    assert other == before | {"optimiser": "sgd"}


def test_options_that_would_do_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match=r"protocol\.clip_together=true needs a protocol\.clip_norm above 0"):
        FineTuneConfig(clip_together=True)
    with pytest.raises(UsageError, match=r"protocol\.feature_dropout=0\.5 needs protocol\.head=linear"):
        FineTuneConfig(feature_dropout=0.5)


def test_nesterov_without_sgd_is_refused() -> None:
    with pytest.raises(UsageError, match=r"protocol\.nesterov=true needs protocol\.optimiser=sgd"):
        FineTuneConfig(nesterov=True)
    with pytest.raises(UsageError, match=r"takes adamw, adam or sgd"):
        from_plain(FineTuneConfig, {"optimiser": "adam_tensorflow"}, "test")
