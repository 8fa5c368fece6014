"""STARS against recorded runs of the released code: stages 2 and 3, their optimiser, and what is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import close
from released_stars import draws, group, in_stars, recorded_run
from replays import Spied, spied, train
from torch import Tensor

from sslskel.api.batch import StepOutput
from sslskel.api.method import Progress
from sslskel.config.stages import stages_of
from sslskel.engine.optim import build_optimiser, set_rate
from sslskel.engine.schedule import learning_rate

CASES = [f"stars_stage{stage}_seed{seed}" for stage in (2, 3) for seed in (0, 1)]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, shared: Path) -> Recorded:
    return Recorded(shared / "golden_more" / f"{request.param}.npz")


def first_step(case: Recorded, *more: str) -> tuple[Any, StepOutput]:
    """The method behind the forward pass of the first step, every parameter of it with a gradient to come."""
    run, batch = recorded_run(case, *more)
    method: Any = run.method.requires_grad_(True).train()
    return method, method([batch], draws(case, 0), Progress(0, 1, 1))


def test_outputs_and_gradients(case: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = recorded_run(case)
    heads, neighbours = spied(monkeypatch, type(run.method.head), "forward"), Spied()
    monkeypatch.setattr(type(run.method), "neighbour", neighbours.around(type(run.method).neighbour))
    method, output = first_step(case)
    (_, (projected, predicted)), (_, (_, second)) = heads
    (_, first_near), (_, second_near) = neighbours
    close(projected, case.tensor("out/projected"), 2e-5)
    close(predicted, case.tensor("out/predicted"), 2e-5)
    close(second[case.tensor("draws/shuffle/step0")], case.tensor("out/predicted_second_shuffled"), 2e-5)
    close(first_near, case.tensor("out/neighbours_first"), 2e-5)
    close(second_near, case.tensor("out/neighbours_second"), 2e-5)
    output.loss().backward()
    check_gradients(method, case)


def check_gradients(method: Any, case: Recorded) -> None:
    """All recorded gradients, relative to the whole one: those of layers that a stage does not train too."""
    ours = {name: parameter.grad for name, parameter in method.named_parameters()}
    total = float(case["grad/total_norm"])
    assert len(ours) == len(case["grad/names"])
    for name, norm in zip(case["grad/names"], case["grad/norms"], strict=True):
        assert abs(float(ours[in_stars(str(name))].double().norm()) - norm) < 2e-5 * total, name
    for name, full in group(case, "gradfull/").items():
        assert float((ours[name] - full).norm()) < 2e-5 * total, name


def test_training(case: Recorded, tmp_path: Path) -> None:
    run, batch = recorded_run(case)
    method: Any = run.method
    start = {name: value.clone() for name, value in method.state_dict().items()}

    def on_step(step: int, output: StepOutput) -> None:
        tolerance = 5e-3 if step else 1e-5
        for name, term in output.terms.items():
            assert float(term.total.detach() / term.count) == pytest.approx(case[f"loss/{name}"][step], rel=tolerance)
        assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=tolerance)
        close(method.queue.entries.T, case.tensor(f"step{step}/queue_after"), 5e-2 if step else 2e-5)
        assert torch.equal(method.owners, case.tensor(f"step{step}/queue_id_after"))
        assert int(method.queue.place) == int(case[f"step{step}/ptr_after"].item())
        # The second view was an order of the first one, which changes nothing.
        order = case.tensor(f"draws/shuffle/step{step}")
        assert torch.equal(order.sort().values, torch.arange(case.config["N"]))

    train(run, [batch], tmp_path, on_step, draws=lambda step: draws(case, step))
    trained = {name for name, parameter in method.named_parameters() if parameter.requires_grad}
    assert trained == {in_stars(str(name)) for name in case["opt/names"]}
    state = method.state_dict()
    for name, wanted in group(case, "state_after/").items():
        close(state[name].to(wanted.dtype), wanted, 1e-1 if wanted.is_floating_point() else 0)
    still = [name for name, _ in method.named_parameters() if name not in trained]
    assert all(torch.equal(state[name], start[name]) for name in still)


def test_rates_and_decay_of_each_tensor(case: Recorded) -> None:
    run, _ = recorded_run(case)
    training, method = run.resolved.train, run.method
    optimiser = build_optimiser(method.parameter_groups(), training)
    set_rate(optimiser, learning_rate(training, 3.0))
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    ours = {names[id(of["params"][0])]: of for of in optimiser.param_groups}
    assert all(len(of["params"]) == 1 for of in optimiser.param_groups)
    for name, rate, decay in zip(case["opt/names"], case["opt/lr"], case["opt/weight_decay"], strict=True):
        of = ours[in_stars(str(name))]
        assert of["lr"] == pytest.approx(rate, rel=1e-6)
        assert of["weight_decay"] == decay
        assert of["clip_norm"] == case.config["clip_grad"]
    assert (training.beta1, training.beta2) == (0.9, 0.95)


def test_what_is_judged(case: Recorded) -> None:
    run, batch = recorded_run(case)
    method: Any = run.method.eval()
    method.load_state_dict(group(case, "state_after/"))
    with torch.no_grad():
        feature = method.encoders()["joint"](batch)
        projected = method.head.project(feature)
        predicted = method.head.predict(projected)
    close(feature, case.tensor("eval/knn_feature"), 2e-5)
    close(projected, case.tensor("eval/projected"), 2e-5)
    close(predicted, case.tensor("eval/predicted"), 2e-5)


def gradient(case: Recorded, fidelity: str) -> Tensor:
    method, output = first_step(case, f"method.fidelity={fidelity}")
    output.loss().backward()
    found: Tensor = method.head.predict[0].weight.grad
    return found


def test_the_paper_takes_both_halves(shared: Path) -> None:
    case = Recorded(shared / "golden_more" / "stars_stage2_seed0.npz")
    # The nearest entries are the same for both views there, and so are the halves.
    close(gradient(case, "paper"), 2 * gradient(case, "released"), 1e-4)


def test_stages() -> None:
    masked, head, upper = stages_of("stars")
    assert (masked.method, head.part, upper.part) == ("mamp", "encoder", "weights")
    assert head.layer == {"method": {"trained": "head"}, "train": {"epochs": 20}}
    assert upper.layer == {"method": {"trained": "upper"}, "train": {"epochs": 10}}
