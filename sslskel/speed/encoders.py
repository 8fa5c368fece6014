"""A whole training step against only the passes of its encoders: what a method adds to them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sslskel.api.backbone import Backbone, Features, SequenceBackbone
from sslskel.api.method import PretextMethod
from sslskel.errors import UsageError
from sslskel.speed.clock import paired, timed
from sslskel.speed.workload import PROGRESS, Workload


class Pass(NamedTuple):
    """One call of a backbone inside a step."""

    call: Callable[[], Tensor | Features]
    """Makes it again, with the same inputs."""
    trained: bool
    """Whether its weights get gradients."""

    def outputs(self) -> list[Tensor]:
        """All that the backbone gives: its grid, then its token and its further levels where it has them."""
        output = Features.of(self.call())
        return [part for part in (output.grid, output.token, *output.levels.values()) if part is not None]


def against_encoders(workload: Workload, pairs: int) -> dict[str, Any]:
    """A step over its encoders' passes with the same inputs, in bracketed pairs; the optimiser is in neither.

    A step cuts and augments its views, moves key encoders, computes the loss and its gradients
    and fills queues. The other side is the encoders that are trained, forward and backward, and those
    that are not, forward. Raises ``UsageError`` for a method that does not train, or that makes no such passes.
    """
    method = workload.method
    if not method.trains:
        raise UsageError(f"method '{workload.cell.method}' does not train, so it has no step to measure")
    method.train()

    def step() -> None:
        method.on_step_start(PROGRESS, workload.noise(0))
        workload.learn(0)
        method.on_step_end(PROGRESS, workload.noise(0))

    with passes_of(method) as passes:
        step()
    if not passes:
        raise UsageError(
            f"method '{workload.cell.method}' does not pass whole clips through its backbone; try --against as_released"
        )
    with torch.no_grad(), workload.autocast():
        weights = [[torch.randn_like(part) for part in one.outputs()] for one in passes]

    def encoders() -> None:
        for one, gradients in zip(passes, weights, strict=True):
            with torch.set_grad_enabled(one.trained), workload.autocast():
                outputs = one.outputs()
            # What a backbone gives besides need not depend on its weights.
            trained = [number for number, part in enumerate(outputs) if part.requires_grad]
            if trained:
                torch.autograd.backward([outputs[n] for n in trained], [gradients[n] for n in trained])

    report = paired(timed(workload.device, step), timed(workload.device, encoders), pairs)
    method.zero_grad(set_to_none=True)
    trained = sum(one.trained for one in passes)
    return {"passes": {"trained": trained, "not trained": len(passes) - trained}, "works": {"step": report}}


@contextmanager
def passes_of(method: PretextMethod) -> Iterator[list[Pass]]:
    """Collects every pass of a backbone inside the block, in order."""
    seen: list[Pass] = []
    backbones = [module for module in method.modules() if isinstance(module, Backbone)]

    def noted(module: Backbone, call: Callable[..., Tensor | Features]) -> Callable[..., Tensor | Features]:
        def run(*inputs: object, **named: object) -> Tensor | Features:
            trained = torch.is_grad_enabled() and any(p.requires_grad for p in module.parameters())
            kept = {name: _detached(value) for name, value in named.items()}
            seen.append(Pass(functools.partial(call, *map(_detached, inputs), **kept), trained))
            return call(*inputs, **named)

        return run

    # Methods with prompts enter a recurrent backbone behind its input, where its forward() passes too.
    entries = [(module, "encode" if isinstance(module, SequenceBackbone) else "forward") for module in backbones]
    for module, name in entries:
        setattr(module, name, noted(module, getattr(module, name)))
    try:
        yield seen
    finally:
        for module, name in entries:
            delattr(module, name)


def _detached(value: object) -> object:
    return value.detach() if isinstance(value, Tensor) else value
