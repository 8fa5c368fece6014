"""Parts of a run on a device that is not there: backbones, encoders, optimisers, the gate before weights, exports.

Each gives what it gives on the CPU, in float64, and mixes no tensors of both sides. Methods and their waits are in
``test_pretended_device``, protocols in ``tests/protocols/test_on_a_device.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pretended import PRETENDED, Pretence, hosted, pretending
from pretended_run import training_there
from torch import Tensor
from toy_engine import Toy, ToyConfig, train_config

from sslskel.api.backbone import Features
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.checks.backbone import BackboneCase
from sslskel.checks.fixtures import dataset_info, make_source, small_config
from sslskel.checks.method_case import MethodCase
from sslskel.config.groups import Optimiser
from sslskel.encoders.export import export
from sslskel.encoders.open import load_encoder
from sslskel.engine.gradients import StepSums
from sslskel.engine.guard import StepGuard
from sslskel.engine.optim import build_optimiser
from sslskel.grid.request import GridRequest
from sslskel.grid.run import pretrain
from sslskel.plugins.registry import BACKBONES, METHODS

CPU = torch.device("cpu")
BUILT_IN = [sorted(name for name, _ in registry.built_in()) for registry in (BACKBONES, METHODS)]
QUICK = ["transformer", "masked_modelling"]


def with_few_quick(names: list[str]) -> list[Any]:
    return [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.long]) for name in names]


@pytest.fixture
def pretence() -> Iterator[Pretence]:
    with training_there() as there:
        yield there


def close(there: Tensor, usual: Tensor) -> None:
    torch.testing.assert_close(hosted(there), usual.detach(), rtol=1e-6, atol=1e-8)


def passed(name: str, device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
    """Features of a training pass, and gradients of its weights."""
    case = BackboneCase(BACKBONES.get(name))
    backbone = case.build(dtype=torch.float64).to(device)
    batch = case.batch(torch.float64)
    rows, valid = case.rows(torch.float64).to(device), batch.valid.to(device)
    backbone.bind(Noise(5, 1, device).on(batch.to(device)))
    if backbone.joins_persons:
        valid = batch.joined_valid(case.info.persons).to(device)
    features = Features.of(backbone.read(rows, valid))
    features.grid.square().mean().backward()
    slopes = {key: weight.grad for key, weight in backbone.named_parameters() if weight.grad is not None}
    return features.grid, slopes


@pytest.mark.parametrize("name", with_few_quick(BUILT_IN[0]))
def test_a_backbone_has_the_same_features_and_gradients_there(name: str, pretence: Pretence) -> None:
    usual, slopes = passed(name, CPU)
    there, others = passed(name, PRETENDED)
    assert there.device == PRETENDED
    close(there, usual)
    assert others.keys() == slopes.keys()
    for key, slope in slopes.items():
        close(others[key], slope)


def every_feature(encoder: Encoder, device: torch.device, case: MethodCase) -> dict[str, Tensor]:
    encoder.to(device, torch.float64).eval()
    source = make_source(case.info, 4, encoder.spec, torch.float64)
    clips = source.batch(torch.arange(4), encoder.spec.test_view, Noise(0)).to(device)
    with torch.no_grad():
        features = {name: getattr(encoder, name)(clips) for name in sorted(encoder.provides)}
        return features | {f"level {name}": encoder.level(name, clips) for name in encoder.levels}


@pytest.mark.parametrize("name", with_few_quick(BUILT_IN[1]))
def test_encoders_of_a_method_give_the_same_there(name: str, pretence: Pretence) -> None:
    plugin = METHODS.get(name)
    case = MethodCase(plugin, small_config(plugin.Config), BACKBONES.get(plugin.default_backbone), info=dataset_info())
    usual = {stream: every_feature(one, CPU, case) for stream, one in case.build().encoders().items()}
    for stream, one in case.build().encoders().items():
        there = every_feature(one, PRETENDED, case)
        assert there.keys() == usual[stream].keys()
        for kind, feature in there.items():
            close(feature, usual[stream][kind])


def updated(kind: Optimiser, device: torch.device, fault: float = 0.0) -> tuple[Toy, list[float]]:
    """A method after three updates through the gate, the second of them with a ``fault`` in a gradient."""
    method = Toy(ToyConfig()).to(device, torch.float64)
    optimiser = build_optimiser(method.parameter_groups(), train_config(optimiser=kind, lr=0.1))
    trained = [(name, p) for name, p in method.named_parameters() if p.requires_grad]
    guard = StepGuard(trained, optimiser, 1.0, False, torch.zeros((), dtype=torch.bool, device=device))
    firsts = []
    for step in range(3):
        for at, (_, weight) in enumerate(trained):
            weight.grad = torch.full_like(weight, 0.1 * (at + step + 1) + (fault if step == 1 else 0.0))
        sums = StepSums({"loss": weight.new_full((), 1.0)}, {}, weight.new_zeros(2), None)
        firsts.append(float(hosted(guard.update(sums).values)[0]))
    return method, firsts


@pytest.mark.parametrize("kind", Optimiser)
@pytest.mark.parametrize("fault", [0.0, float("nan")])
def test_optimisers_update_the_same_there_and_nothing_behind_a_fault(
    kind: Optimiser, fault: float, pretence: Pretence
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        usual, firsts = updated(kind, CPU, fault)
        torch.manual_seed(0)
        there, others = updated(kind, PRETENDED, fault)
    assert others == firsts
    assert (firsts[0] == -1, firsts[1] == -1) == (True, fault == 0.0)
    for key, value in usual.state_dict().items():
        close(there.state_dict()[key], value)


@pytest.mark.long
def test_an_export_gives_the_same_features_there(tiny: str, tmp_path: Path) -> None:
    options = ("engine.threads=1", "engine.device=cpu", "train.epochs=1", "backbone.dim=8", "backbone.depth=1")
    pretrain(GridRequest(methods=("mamp",), benchmarks=(tiny,), output=tmp_path / "runs", overrides=options))
    [run] = (tmp_path / "runs").glob("pretrain/*")
    folder, _ = export(run, tmp_path / "exported")
    usual = load_encoder(folder).eval().double()
    dense = torch.linspace(-1, 1, 2 * 3 * usual.spec.frames * 25 * 2, dtype=torch.float64)
    dense = dense.reshape(2, 3, usual.spec.frames, 25, 2).sin()
    with torch.no_grad(), pretending():
        there = load_encoder(folder).eval().double().to(PRETENDED)
        close(there(dense.to(PRETENDED)), usual(dense))
