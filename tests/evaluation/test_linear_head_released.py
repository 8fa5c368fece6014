"""The linear head against recorded steps of the released probe: same features in, same numbers out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from recorded import Recorded
from torch import Tensor
from torch.nn import functional

from sslskel.api.noise import Noise
from sslskel.evaluation.linear_head import LinearHead, cosine_rate, fit_epoch

SEEDS = (0, 1, 2)


def recorded(shared: Path, seed: int) -> Recorded:
    return Recorded(shared / "golden" / f"downstream_linprobe_bn_seed{seed}.npz")


def statistics_before(case: Recorded) -> dict[str, Tensor]:
    """Running statistics before the recorded step, of which only those after it were kept.

    Taken back by a tenth, and then held to the eval logits, which were recorded before the step.
    """
    features = case.tensor("out/feat_pooled")
    before = {}
    for name, batch in (("running_mean", features.mean(0)), ("running_var", features.var(0))):
        after = case.tensor(f"train/bn_{name}_after")
        assert torch.equal(case.tensor(f"state/head.fc.0.{name}"), after)
        before[name] = (after - 0.1 * batch) / 0.9
    weight, bias = (case.tensor(f"state/head.fc.1.{name}") for name in ("weight", "bias"))
    normal = (features - before["running_mean"]) / (before["running_var"] + 1e-6).sqrt()
    close(normal @ weight.T + bias, case.tensor("out/logits"))
    return before


def released_head(case: Recorded) -> LinearHead:
    classes, dim = case["state/head.fc.1.weight"].shape
    head = LinearHead(dim, classes, Noise(0))
    for name, value in statistics_before(case).items():
        getattr(head.norm, name).copy_(value)
    head.fc.load_state_dict({n: case.tensor(f"state/head.fc.1.{n}") for n in ("weight", "bias")})
    return head


def close(ours: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-5 * max(1.0, float(wanted.abs().max())))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_training_step_equals_the_released_one(shared: Path, seed: int) -> None:
    case = recorded(shared, seed)
    features, labels = case.tensor("out/feat_pooled"), case.tensor("train/labels")
    head = released_head(case).train()
    logits = head(features)
    loss = functional.cross_entropy(logits, labels)
    loss.backward()
    close(logits, case.tensor("train/logits"))
    close(loss, case.tensor("train/loss"))
    check_step(head, case)
    # The step as protocols take it: of rate 1, so that weights tell the gradient.
    head = released_head(case)
    before = {name: value.detach().clone() for name, value in head.fc.named_parameters()}
    optimiser = torch.optim.SGD(head.parameters(), lr=0.5)
    loss = fit_epoch(head, optimiser, features, labels, [torch.arange(len(labels))], [1.0])
    close(loss, case.tensor("train/loss"))
    check_step(head, case)
    for name, value in head.fc.named_parameters():
        close(before[name] - value.detach(), case.tensor(f"train/grad_fc_{name}"))


def check_step(head: LinearHead, case: Recorded) -> None:
    """Gradients, and running statistics after the step."""
    close(head.fc.weight.grad, case.tensor("train/grad_fc_weight"))
    close(head.fc.bias.grad, case.tensor("train/grad_fc_bias"))
    close(head.norm.running_mean, case.tensor("train/bn_running_mean_after"))
    close(head.norm.running_var, case.tensor("train/bn_running_var_after"))
    assert int(head.norm.num_batches_tracked) == int(case["state/head.fc.0.num_batches_tracked"]) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_logits_in_eval_mode_equal_the_released_ones(shared: Path, seed: int) -> None:
    case = recorded(shared, seed)
    close(released_head(case).eval()(case.tensor("out/feat_pooled")), case.tensor("out/logits"))


def test_the_head_has_no_affine_normalisation_and_the_released_epsilon() -> None:
    head = LinearHead(8, 3, Noise(0))
    assert [name for name, _ in head.named_parameters()] == ["fc.weight", "fc.bias"]
    assert head.norm.eps == 1e-6


def test_the_head_starts_small_and_from_the_keyed_noise_alone() -> None:
    state = torch.get_rng_state()
    head, again, other = (LinearHead(256, 60, Noise(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(head.fc.weight, again.fc.weight)
    assert not torch.equal(head.fc.weight, other.fc.weight)
    assert abs(float(head.fc.weight.detach().std()) - 0.01) < 3e-4
    assert float(head.fc.weight.detach().abs().max()) < 2
    assert not head.fc.bias.any()


def test_the_rate_falls_from_its_base_to_zero_along_half_a_cosine() -> None:
    assert cosine_rate(0.1, 0, 200) == 0.1
    assert cosine_rate(0.1, 100, 200) == pytest.approx(0.05)
    assert cosine_rate(0.1, 200, 200) == pytest.approx(0, abs=1e-12)
