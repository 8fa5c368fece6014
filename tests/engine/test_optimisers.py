"""Adam as TensorFlow has it: against its formula, and continued from its state."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sslskel.config.groups import Optimiser, TrainConfig
from sslskel.engine.optim import build_optimiser, optimiser_tensors, restore_optimiser

RATE, BETAS, EPSILON = 0.01, (0.9, 0.999), 1e-8
GRADIENTS = [torch.tensor([1.0, 1e-4, 1e-6, -1e-8, 0.0]) * scale for scale in (1.0, 3.0, 0.5, 1.0)]


def built(weight: Tensor, optimiser: Optimiser) -> tuple[nn.Parameter, torch.optim.Optimizer]:
    parameter = nn.Parameter(weight.clone())
    train = TrainConfig(optimiser=optimiser, lr=RATE, beta1=BETAS[0], beta2=BETAS[1], weight_decay=0.0)
    return parameter, build_optimiser([{"params": [parameter]}], train)


def stepped(optimiser: Optimiser, gradients: list[Tensor]) -> Tensor:
    parameter, taking = built(torch.zeros(5), optimiser)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        taking.step()
    return parameter.detach()


def formula(gradients: list[Tensor]) -> Tensor:
    weight, first, second = (torch.zeros(5, dtype=torch.float64) for _ in range(3))
    for step, gradient in enumerate(gradients, start=1):
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient.double()
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient.double().square()
        rate = RATE * math.sqrt(1 - BETAS[1] ** step) / (1 - BETAS[0] ** step)
        weight = weight - rate * first / (second.sqrt() + EPSILON)
    return weight.float()


def test_steps_are_those_of_the_formula() -> None:
    torch.testing.assert_close(stepped(Optimiser.adam_tensorflow, GRADIENTS), formula(GRADIENTS), rtol=1e-4, atol=0)
    usual = stepped(Optimiser.adam, GRADIENTS)
    assert float((usual - formula(GRADIENTS))[2:4].abs().min()) > 0.1 * RATE, "small gradients tell the two apart"


def test_it_goes_on_from_its_state() -> None:
    parameter, taking = built(torch.zeros(5), Optimiser.adam_tensorflow)
    for gradient in GRADIENTS[:2]:
        parameter.grad = gradient.clone()
        taking.step()
    again, continued = built(parameter.detach(), Optimiser.adam_tensorflow)
    restore_optimiser(continued, optimiser_tensors(taking))
    for gradient in GRADIENTS[2:]:
        again.grad = gradient.clone()
        continued.step()
    assert torch.equal(again.detach(), stepped(Optimiser.adam_tensorflow, GRADIENTS))
