"""Networks without gradients: frozen ones, and teachers that follow a student."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """teacher = momentum * teacher + (1 - momentum) * student, parameters alone.

    A parameter that occurs twice moves once.
    """
    ours: list[Tensor] = list(teacher.parameters())
    theirs: list[Tensor] = list(student.parameters())
    torch._foreach_mul_(ours, momentum)
    torch._foreach_add_(ours, theirs, alpha=1 - momentum)


class Frozen(nn.Module, Generic[Network]):
    """A network whose weights and statistics do not change; always in eval mode. Called like the network, without
    gradients. Its weights are in every checkpoint, below ``network``; fill them in ``load_start``.
    """

    network: Network

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Frozen[Network]:
        """Set the mode of this module; the network stays in eval mode."""
        super().train(mode)
        self.network.eval()
        return self

    @torch.no_grad()
    def forward(self, *inputs: object, **options: object) -> Tensor:
        """The network's output."""
        result: Tensor = self.network(*inputs, **options)
        return result


class Teacher(Frozen[Network]):
    """A copy of a student that follows it slowly; call :meth:`follow` in ``on_step_start`` or ``on_step_end``.

    In eval mode, its buffers (statistics of BatchNorm) are the student's. With ``own_statistics``
    it is in its method's mode and its buffers come from its own passes, as the keys of momentum contrast.
    """

    def __init__(self, student: Network, *, own_statistics: bool = False) -> None:
        super().__init__(copy.deepcopy(student))
        self.own_statistics = own_statistics

    def train(self, mode: bool = True) -> Teacher[Network]:
        """Set the mode of this module, and with ``own_statistics`` of the network too."""
        super().train(mode)
        self.network.train(mode and self.own_statistics)
        return self

    @torch.no_grad()
    def follow(self, student: Network, momentum: float) -> None:
        """Move towards the student: ``momentum`` is the share that stays, 0 to 1, for instance from a schedule."""
        follow(self.network, student, momentum)
        if not self.own_statistics:
            for ours, theirs in zip(self.network.buffers(), student.buffers(), strict=True):
                ours.copy_(theirs)
