"""What passes from gradients to weights: finite ones, clipped, unscaled; nothing after the first fault."""

from typing import Any

import pytest
import torch
from torch import Tensor
from toy_engine import Toy, ToyConfig, train_config

from sslskel.engine.gradients import StepSums
from sslskel.engine.guard import FIRST_SCALE, StepFacts, StepGuard
from sslskel.engine.optim import build_optimiser, optimiser_tensors, restore_optimiser


def made(scaled: bool = False, clip: float = 0.0, **train: Any) -> tuple[Toy, torch.optim.Optimizer, StepGuard]:
    method = Toy(ToyConfig())
    optimiser = build_optimiser(method.parameter_groups(), train_config(**train))
    trained = [(name, p) for name, p in method.named_parameters() if p.requires_grad]
    return method, optimiser, StepGuard(trained, optimiser, clip, scaled, torch.tensor(False))


def sums(loss: float = 1.0, rescale: float | None = None) -> StepSums:
    value = torch.tensor(loss, dtype=torch.float64)
    factor = None if rescale is None else torch.tensor(rescale, dtype=torch.float64)
    return StepSums({"rebuild": value}, {}, torch.zeros(2, dtype=torch.float64), factor)


def fill(method: Toy, value: float) -> None:
    for parameter in method.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, value)


def snapshot(method: Toy, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    every = {**method.state_dict(), **optimiser_tensors(optimiser)}
    return {name: value.clone() for name, value in every.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def first(facts: StepFacts) -> str | None:
    index = int(facts.values[0])
    return None if index < 0 else facts.watched[index]


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
@pytest.mark.parametrize("fault", ["loss", "gradient"])
def test_a_fault_changes_neither_weights_nor_optimiser_then_or_later(kind: str, fault: str) -> None:
    method, optimiser, guard = made(optimiser=kind)
    fill(method, 0.1)
    assert first(guard.update(sums())) is None
    before = snapshot(method, optimiser)
    fill(method, 0.1)
    if fault == "gradient":
        method.inner[1].bias.grad[3] = float("inf")
    facts = guard.update(sums(float("nan") if fault == "loss" else 1.0))
    assert first(facts) == ("rebuild" if fault == "loss" else "inner.1.bias")
    assert same(snapshot(method, optimiser), before)
    fill(method, 0.1)
    guard.update(sums())
    assert same(snapshot(method, optimiser), before), "a step after the fault must not pass either"


def test_a_passing_step_does_change_weights() -> None:
    method, optimiser, guard = made()
    before = snapshot(method, optimiser)
    fill(method, 0.1)
    guard.update(sums())
    assert not torch.equal(before["inner.0.weight"], method.inner[0].weight)


def test_a_first_update_that_is_skipped_leaves_momentum_at_zero() -> None:
    method, optimiser, guard = made(scaled=True, optimiser="sgd")
    fill(method, float("inf"))
    guard.update(sums())
    assert all(not value.any() for value in optimiser_tensors(optimiser).values())
    reference, _, plain = made(optimiser="sgd")
    fill(method, 0.1 * FIRST_SCALE / 2)
    guard.update(sums())
    fill(reference, 0.1)
    plain.update(sums())
    torch.testing.assert_close(method.inner[0].weight, reference.inner[0].weight)


def test_clipping_equals_that_of_torch() -> None:
    method, _, guard = made(clip=0.5, optimiser="sgd", momentum=0.0, weight_decay=0.0, lr=1.0)
    reference, other, _ = made(optimiser="sgd", momentum=0.0, weight_decay=0.0, lr=1.0)
    fill(method, 0.3)
    fill(reference, 0.3)
    facts = guard.update(sums())
    norm = torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.5)
    other.step()
    assert float(facts.values[1]) == pytest.approx(float(norm))
    torch.testing.assert_close(method.inner[0].weight, reference.inner[0].weight, rtol=1e-5, atol=1e-8)


def test_a_loss_scale_is_taken_out_again_shrinks_on_overflow_and_grows_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslskel.engine.guard.GROW_AFTER", 3)
    method, optimiser, guard = made(scaled=True)
    reference, _, plain = made()
    assert float(guard.scale) == FIRST_SCALE
    before = {name: value.clone() for name, value in method.state_dict().items()}
    fill(method, float("inf"))
    assert first(guard.update(sums())) is None, "an overflow of scaled gradients is no fault"
    assert same(method.state_dict(), before)
    assert not any(value.any() for value in optimiser_tensors(optimiser).values()), "moments start at zero, step 0"
    assert float(guard.scale) == FIRST_SCALE / 2
    for _ in range(3):
        fill(method, 0.1 * float(guard.scale))
        guard.update(sums())
        fill(reference, 0.1)
        plain.update(sums())
    torch.testing.assert_close(method.inner[0].weight, reference.inner[0].weight)
    assert float(guard.scale) == FIRST_SCALE


def test_a_loss_scale_that_cannot_shrink_further_and_a_bad_loss_are_faults() -> None:
    method, _, guard = made(scaled=True)
    guard.scale.fill_(1.0)
    fill(method, float("inf"))
    assert first(guard.update(sums())) == "mask"
    method, _, guard = made(scaled=True)
    fill(method, 0.1)
    assert first(guard.update(sums(float("inf")))) == "rebuild"


def test_a_loss_scale_survives_a_checkpoint() -> None:
    method, _, guard = made(scaled=True)
    fill(method, float("inf"))
    guard.update(sums())
    _, _, other = made(scaled=True)
    other.restore({name: value.clone() for name, value in guard.tensors().items()})
    assert float(other.scale) == FIRST_SCALE / 2
    assert made()[2].tensors() == {}


def test_weight_decay_leaves_biases_and_norms_alone() -> None:
    method, _, guard = made(lr=0.1, weight_decay=0.5)
    before = {name: value.clone() for name, value in method.named_parameters()}
    fill(method, 0.0)
    guard.update(sums())
    for name, value in method.named_parameters():
        expected = before[name] * (1 - 0.1 * 0.5) if value.ndim > 1 and value.requires_grad else before[name]
        torch.testing.assert_close(value.detach(), expected.detach(), msg=name)


def test_optimiser_state_goes_through_plain_tensors() -> None:
    method, optimiser, guard = made()
    fill(method, 0.1)
    guard.update(sums())
    other_method, other, other_guard = made()
    other_method.load_state_dict(method.state_dict())
    restore_optimiser(other, {name: value.clone() for name, value in optimiser_tensors(optimiser).items()})
    for each, one_guard in ((method, guard), (other_method, other_guard)):
        fill(each, 0.2)
        one_guard.update(sums())
    assert same(snapshot(method, optimiser), snapshot(other_method, other))
