"""The linear head against recorded steps of the released probe: same features in, same numbers out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from sslskel.api.noise import Noise
from sslskel.evaluation.linear_head import LinearHead, cosine_rate

SEEDS = (0, 1, 2)


def recorded(shared: Path, seed: int) -> dict[str, torch.Tensor]:
    with np.load(shared / "golden" / f"downstream_linprobe_bn_seed{seed}.npz", allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files if file[name].dtype.kind in "fi"}


def released_head(case: dict[str, torch.Tensor]) -> LinearHead:
    classes, dim = case["state/head.fc.1.weight"].shape
    head = LinearHead(dim, classes, Noise(0))
    # The recorded running statistics are those after the step; eval logits were taken before it.
    features = case["out/feat_pooled"]
    for name, batch in (("running_mean", features.mean(0)), ("running_var", features.var(0))):
        assert torch.equal(case[f"state/head.fc.0.{name}"], case[f"train/bn_{name}_after"])
        getattr(head.norm, name).copy_((case[f"train/bn_{name}_after"] - 0.1 * batch) / 0.9)
    head.fc.load_state_dict({n: case[f"state/head.fc.1.{n}"] for n in ("weight", "bias")})
    return head


def close(ours: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-5 * max(1.0, float(wanted.abs().max())))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_training_step_equals_the_released_one(shared: Path, seed: int) -> None:
    case = recorded(shared, seed)
    head = released_head(case).train()
    logits = head(case["out/feat_pooled"])
    loss = functional.cross_entropy(logits, case["train/labels"])
    loss.backward()
    close(logits, case["train/logits"])
    close(loss, case["train/loss"])
    close(head.fc.weight.grad, case["train/grad_fc_weight"])
    close(head.fc.bias.grad, case["train/grad_fc_bias"])
    close(head.norm.running_mean, case["train/bn_running_mean_after"])
    close(head.norm.running_var, case["train/bn_running_var_after"])


@pytest.mark.parametrize("seed", SEEDS)
def test_logits_in_eval_mode_equal_the_released_ones(shared: Path, seed: int) -> None:
    case = recorded(shared, seed)
    close(released_head(case).eval()(case["out/feat_pooled"]), case["out/logits"])


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
