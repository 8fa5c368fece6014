"""What a GPU would be asked to do, on a device that is not there: the same numbers, nothing mixed, few waits.

``waits.json`` holds how often a training step of each method makes the host wait for the device.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pretended import PRETENDED, Pretence, hosted, pretending
from pretended_processes import alone_among
from pretended_run import in_this_process, steps_counted, training_there
from torch import Tensor

from sslskel.api import devices
from sslskel.api.devices import constant, sent
from sslskel.api.noise import Noise
from sslskel.checks.fixtures import dataset_info, make_dataset, make_spec, small_config
from sslskel.checks.method_case import MethodCase
from sslskel.config.groups import EngineConfig, Optimiser, Precision, TrainConfig
from sslskel.config.stages import stages_of
from sslskel.data.loader import ClipSource
from sslskel.data.step_views import step_views
from sslskel.encoders.embed import embed
from sslskel.engine import train as loop
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.plugins.registry import BACKBONES, METHODS
from sslskel.speed.equal import same_features, same_step, same_views
from sslskel.speed.released import PaddedFeeder, released_optimiser, released_step
from sslskel.speed.workload import build_workload

CPU = torch.device("cpu")
CLIPS = 12
BUDGET, LAUNCHES, EXCHANGES = (
    Path(__file__).with_name(f"{name}.json") for name in ("waits", "launches", "collectives")
)
TRAINED = sorted(name for name in METHODS.names() if METHODS.get(name).trains and not stages_of(name))
MOST = 2
"""Waits of a step that any method may have; the file says which has fewer."""
QUICK = ["mamp"]
INFO = dataset_info()


@pytest.fixture
def pretence() -> Iterator[Pretence]:
    """The pretended device, with fused optimisers as a GPU has them, and without Accelerate, which knows others."""
    with training_there() as there:
        yield there


def source(device: torch.device, dtype: torch.dtype = torch.float32, resident: bool | None = None) -> ClipSource:
    spec, rows = dataclasses.replace(make_spec(INFO), clips=CLIPS), np.arange(CLIPS)
    return ClipSource(make_dataset(INFO, CLIPS), rows, spec, device, dtype, labels=False, resident=resident)


def case(name: str) -> MethodCase:
    plugin = METHODS.get(name)
    return MethodCase(plugin, small_config(plugin.Config), BACKBONES.get(plugin.default_backbone), info=INFO)


def trained(name: str, device: torch.device, folder: Path) -> dict[str, Tensor]:
    """Weights and buffers after three steps."""
    method = case(name).build(clips=CLIPS, started=False)
    train = TrainConfig(
        epochs=1, batch_size=4, optimiser=Optimiser.sgd, lr=0.01, min_lr=0.0, warmup_epochs=0, clip_norm=1.0
    )
    engine = EngineConfig(device=str(device), precision=Precision.fp64, threads=1, log_every=1)
    loop.pretrain(method, source(device, torch.float64), train, engine, 0, folder, {})
    return {key: hosted(value).clone() for key, value in method.state_dict().items()}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.long]) for name in TRAINED]
)
def test_a_method_learns_the_same_there(name: str, pretence: Pretence, tmp_path: Path) -> None:
    """float64, so that what differs is more than rounding; only the step after the first is counted."""
    usual = trained(name, CPU, tmp_path / "cpu")
    with steps_counted(pretence) as counted:
        there = trained(name, PRETENDED, tmp_path / "there")
    assert usual.keys() == there.keys()
    for key, value in usual.items():
        torch.testing.assert_close(there[key], value, rtol=1e-6, atol=1e-8, msg=lambda text, key=key: f"{key}: {text}")
    launched, most = counted[1].launches.total(), json.loads(LAUNCHES.read_text())[name]
    assert launched <= most, f"a step launches {launched} operations, {LAUNCHES.name} says {most}"
    waits, known = counted[1].waits, json.loads(BUDGET.read_text()).get(name)
    seen = waits.total()
    lines = "\n".join(f"{number} {line}" for line, number in sorted(waits.items()))
    assert seen <= (MOST if known is None else known), f"a step waits {seen} times, {BUDGET.name} says {known}\n{lines}"
    assert known is None or seen == known, f"a step waits {seen} times only: say so in {BUDGET.name}, so that it stays"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.long]) for name in TRAINED]
)
def test_a_step_exchanges_no_more_than_the_file_says(name: str, tmp_path: Path) -> None:
    """On two processes, gradients aside, which torch exchanges in parts of some MiB."""
    with in_this_process(), alone_among(2) as calls, steps_counted(None, calls) as counted:
        trained(name, CPU, tmp_path)
    known = json.loads(EXCHANGES.read_text())
    seen = counted[1].collectives.total()
    assert seen == known.get(name), f"a step exchanges {seen} times ({dict(counted[1].collectives)}): {EXCHANGES.name}"
    assert list(known) == TRAINED


def test_the_budget_is_of_methods_that_train() -> None:
    budget = json.loads(BUDGET.read_text())
    assert list(budget) == sorted(budget)
    assert max(budget.values()) <= MOST
    assert set(budget) == set(TRAINED)
    assert max(waits for name, waits in budget.items() if "mask" in METHODS.get(name).card.family) <= 1


@pytest.mark.parametrize("resident", [True, False])
def test_views_are_made_without_a_wait(pretence: Pretence, resident: bool) -> None:
    plain, there = source(CPU), source(PRETENDED, resident=resident)
    rows = torch.arange(CLIPS)
    pretence.taken()
    made = there.batch(rows, there.spec.train_view, Noise(6, device=PRETENDED))
    assert not pretence.taken()
    expected = plain.batch(rows, plain.spec.train_view, Noise(6))
    assert all(tensor.device == PRETENDED for tensor in made[:7])
    for one, other in zip(made[:7], expected[:7], strict=True):
        torch.testing.assert_close(hosted(one), other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.long]) for n in TRAINED])
def test_views_need_no_float64(name: str, pretence: Pretence, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on MPS, which has none."""
    monkeypatch.setattr(devices, "NO_FLOAT64", (PRETENDED.type,))
    clips, method = source(PRETENDED), case(name).build(clips=CLIPS, started=False)
    noise, rows = Noise(3, 1, PRETENDED).over(clips.keys), torch.arange(CLIPS)
    usual = step_views(source(CPU), rows, method.views(), Noise(3, 1).over(clips.keys))
    for made, expected in zip(step_views(clips, rows, method.views(), noise), usual, strict=True):
        assert made.tracks.device == PRETENDED
        torch.testing.assert_close(hosted(made.tracks), expected.tracks, rtol=1e-4, atol=1e-4)


def test_whole_numbers_are_the_same_without_float64(pretence: Pretence, monkeypatch: pytest.MonkeyPatch) -> None:
    highs = torch.tensor([1, 2, 3, 7, 300, 16_777_213])
    usual = Noise(5).integers("n", highs, (4000, 6), per="batch")
    monkeypatch.setattr(devices, "NO_FLOAT64", (PRETENDED.type,))
    there = Noise(5, 0, PRETENDED).integers("n", sent([highs], PRETENDED)[0], (4000, 6), per="batch")
    assert torch.equal(hosted(there), usual)
    assert bool((usual < highs).all())


def test_the_plain_configuration_is_measured_there(tiny: str, pretence: Pretence) -> None:
    overrides = (f"engine.device={PRETENDED}", "engine.threads=1")
    request = GridRequest(methods=("mamp",), benchmarks=(tiny,), overrides=overrides)
    workload = build_workload(request.single_pretraining())
    feeder = PaddedFeeder(workload.source, torch.arange(len(workload.source)))
    assert same_views(workload, feeder).holds
    assert same_features(workload).holds
    assert same_step(workload).holds
    assert np.isfinite(released_step(workload, feeder, released_optimiser(workload))(0))


@pytest.mark.long
def test_a_grid_and_its_features_are_the_same_there(tiny: str, pretence: Pretence, tmp_path: Path) -> None:
    """Pretraining, checkpoints, encoders, records, and features of the checkpoint."""
    boards, tables = [], []
    for device in ("cpu", str(PRETENDED)):
        overrides = (f"engine.device={device}", "engine.threads=1", "train.epochs=2")
        output = tmp_path / device
        request = GridRequest(
            methods=("mamp",), protocols=("knn", "linear"), benchmarks=(tiny,), output=output, overrides=overrides
        )
        done = run_grid(request)
        assert not done.failures
        boards.append({path.name: json.loads(path.read_text())["scores"] for path in output.glob("records/*.json")})
        [folder] = output.glob("pretrain/*")
        embed(folder, tmp_path / f"{device}.npz", overrides=(f"engine.device={device}",))
        tables.append(np.load(tmp_path / f"{device}.npz")["features"])
    assert list(boards[0]) == list(boards[1])
    for name, scores in boards[0].items():
        assert boards[1][name] == pytest.approx(scores, abs=0.1)
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-2, atol=1e-3)


def _index(x: Tensor) -> object:
    return x[x > 0]


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (lambda x: x.sum().item(), "reads a number"),
        (lambda x: bool(x.any()), "reads a number"),
        (lambda x: x.tolist(), "copies to the host"),
        (lambda x: x.cpu(), "copies to the host"),
        (lambda x: x.nonzero(), "counts what is true"),
        (_index, "counts what is true"),
        (lambda x: x.long().bincount(), "looks for the largest"),
        (lambda x: x.repeat_interleave(x.long()), "sums up repeats"),
        (lambda x: torch.equal(x, x + 1), "compares whole tensors"),
        (lambda x: torch.tensor([1, 2], device=x.device), "copies to the device"),
        (lambda x: torch.ones(3).to(x.device), "copies to the device"),
        (lambda x: x[torch.tensor([0])], "copies indices to the device"),
    ],
)
def test_what_makes_the_host_wait_is_noted(work: Callable[[Tensor], object], reason: str) -> None:
    with pretending() as pretence:
        x = torch.ones(3, device=PRETENDED)
        work(x)
        assert [line.partition(" ")[2] for line in pretence.taken()] == [reason]


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x.repeat_interleave(2),
        lambda x: x.repeat_interleave(x.long(), output_size=3),
        lambda x: x.masked_fill(x > 0, 0.0),
        lambda x: sent([torch.arange(3), torch.ones(2, dtype=torch.bool)], x.device),
        lambda x: [constant((1, 2), x.device), constant((1, 2), x.device)],
    ],
)
def test_what_does_not_is_not(work: Callable[[Tensor], object]) -> None:
    with pretending() as pretence:
        work(torch.ones(3, device=PRETENDED))
        assert not pretence.taken()


@pytest.mark.parametrize(
    ("work", "launched"),
    [
        (lambda x: x + 1, {"add": 1}),
        (lambda x: x.add_(1), {"add_": 1}),
        (lambda x: x.view(1, -1).transpose(0, 1)[0].detach(), {}),
        (lambda x: torch.empty_like(x), {}),
        (lambda x: torch.zeros(3, device=x.device), {"zeros": 1}),
        (lambda x: (x * 2).sum(), {"mul": 1, "sum": 1}),
    ],
)
def test_what_computes_is_a_launch(work: Callable[[Tensor], object], launched: dict[str, int]) -> None:
    with pretending() as pretence:
        x = torch.ones(3, device=PRETENDED)
        pretence.launched()
        work(x)
        assert pretence.launched() == launched


def test_tensors_of_both_sides_do_not_mix() -> None:
    with pretending():
        x = torch.ones(3, device=PRETENDED)
        assert (x * torch.tensor(2.0)).device == PRETENDED
        with pytest.raises(RuntimeError, match="mixes tensors"):
            x + torch.ones(3)
        with pytest.raises(TypeError, match="numpy"):
            x.numpy()
