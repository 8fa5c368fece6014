"""Batch norm over the rows of several processes, against the same on one: numbers, gradients, collectives."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from pretended_processes import in_threads
from torch import Tensor

from sslskel.nn.batch_norm import GlobalBatchNorm

WIDTH = 3


class Passed(NamedTuple):
    """What a pass forth and back leaves."""

    out: Tensor
    slope: Tensor
    weight: Tensor
    bias: Tensor
    mean: Tensor
    variance: Tensor


def rows(count: int, dtype: torch.dtype) -> Tensor:
    """(R, D, 4), far from zero, so that sums of squares alone would cancel."""
    values = torch.arange(count * WIDTH * 4, dtype=torch.float64).reshape(count, WIDTH, 4)
    return (values * 1.7).sin().to(dtype) + 100


def passed(x: Tensor, *, affine: bool = True) -> Passed:
    norm = GlobalBatchNorm(WIDTH, affine=affine).to(torch.promote_types(x.dtype, torch.float32))
    if affine:
        with torch.no_grad():
            norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
            norm.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    leaf = x.clone().requires_grad_()
    out = norm(leaf)
    (out * (leaf.detach() * 0.3).cos()).sum().backward()
    assert leaf.grad is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    none = torch.zeros(WIDTH)
    weight, bias = (norm.weight.grad, norm.bias.grad) if affine else (none, none)
    assert weight is not None
    assert bias is not None
    return Passed(out.detach(), leaf.grad, weight, bias, norm.running_mean, norm.running_var)


@pytest.mark.parametrize("counts", [(3, 4), (1, 5, 2, 3), (0, 6, 1, 2)])
@pytest.mark.parametrize("affine", [True, False])
def test_several_processes_norm_as_one_by_one_exchange_each_way(counts: tuple[int, ...], affine: bool) -> None:
    x = rows(sum(counts), torch.float64)
    parts = x.split(counts)
    several, calls = in_threads(len(counts), lambda rank: passed(parts[rank], affine=affine))
    one = passed(x, affine=affine)
    assert calls == {"all_gather": 1, "all_reduce": 1}
    for name in ("out", "slope"):
        torch.testing.assert_close(torch.cat([getattr(p, name) for p in several]), getattr(one, name))
    for name in ("weight", "bias"):
        torch.testing.assert_close(sum(getattr(p, name) for p in several), getattr(one, name))
    for each in several:
        torch.testing.assert_close((each.mean, each.variance), (one.mean, one.variance))


def test_float32_far_from_zero_keeps_its_digits() -> None:
    x = rows(8, torch.float32)
    several, _ = in_threads(2, lambda rank: passed(x.chunk(2)[rank]))
    exact = passed(x.double())
    torch.testing.assert_close(torch.cat([p.out for p in several]).double(), exact.out, rtol=1e-4, atol=1e-4)


def test_half_precision_stays_what_it_is_and_has_statistics_of_float32() -> None:
    x = rows(8, torch.float32).to(torch.bfloat16)
    several, _ = in_threads(2, lambda rank: passed(x.chunk(2)[rank]))
    one = passed(x)
    for each in several:
        assert each.out.dtype == each.slope.dtype == torch.bfloat16
        torch.testing.assert_close((each.mean, each.variance), (one.mean, one.variance))
    torch.testing.assert_close(torch.cat([p.out for p in several]), one.out)
