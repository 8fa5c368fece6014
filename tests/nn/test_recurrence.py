"""GRUs side by side give the numbers of ``nn.GRU``, and gradients that finite differences confirm."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sslskel.nn.recurrence import side_by_side


def some(count: int, channels: int, size: int, dtype: torch.dtype = torch.float64) -> list[nn.GRU]:
    torch.manual_seed(count)
    return [nn.GRU(channels, size, batch_first=True, dtype=dtype) for _ in range(count)]


def plain(grus: list[nn.GRU], x: Tensor) -> Tensor:
    return torch.cat([gru(x)[0] for gru in grus], -1)


def gradients(grus: list[nn.GRU], x: Tensor, states: Tensor) -> list[Tensor]:
    weight = torch.linspace(-1, 1, states.numel(), dtype=states.dtype).reshape(states.shape)
    parameters = [p for gru in grus for p in gru.parameters()]
    return list(torch.autograd.grad((states * weight).sum(), [x, *parameters]))


@pytest.mark.parametrize(("count", "clips", "frames"), [(1, 3, 5), (2, 2, 7), (2, 1, 1), (3, 4, 2)])
def test_states_and_gradients_are_those_of_plain_grus(count: int, clips: int, frames: int) -> None:
    grus = some(count, 6, 4)
    x = torch.randn(clips, frames, 6, dtype=torch.float64, requires_grad=True)
    ours, theirs = side_by_side(grus, x), plain(grus, x)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)
    for mine, wanted in zip(gradients(grus, x, ours), gradients(grus, x, theirs), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-12, atol=1e-13)


def test_gradients_are_those_of_finite_differences() -> None:
    grus = some(2, 3, 2)
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)

    def states(x: Tensor, *_: Tensor) -> Tensor:
        return side_by_side(grus, x)

    assert torch.autograd.gradcheck(states, (x, *(p for gru in grus for p in gru.parameters())))


def test_single_precision_differs_in_last_bits_alone() -> None:
    grus = some(2, 50, 32, torch.float32)
    x = torch.randn(8, 64, 50, requires_grad=True)
    ours, theirs = side_by_side(grus, x), plain(grus, x)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    for mine, wanted in zip(gradients(grus, x, ours), gradients(grus, x, theirs), strict=True):
        assert float((mine - wanted).abs().max()) <= 2e-6 * float(wanted.abs().max())


def test_an_input_without_gradient_gets_none_and_stays_as_it_was() -> None:
    grus, x = some(2, 6, 4), torch.randn(3, 5, 6, dtype=torch.float64)
    before = x.clone()
    side_by_side(grus, x).sum().backward()
    assert x.grad is None
    assert torch.equal(x, before)
    assert all(p.grad is not None for gru in grus for p in gru.parameters())


def test_one_forward_pass_can_be_used_twice() -> None:
    grus = some(1, 6, 4)
    x = torch.randn(3, 5, 6, dtype=torch.float64, requires_grad=True)
    states = side_by_side(grus, x)
    [once] = torch.autograd.grad(states.sum(), [x], retain_graph=True)
    [again] = torch.autograd.grad(states.sum(), [x])
    assert torch.equal(once, again)
