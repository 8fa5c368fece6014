"""Lets a step's gradient change weights only where it is finite, decided on the device.

From the first fault on nothing passes, so the host may learn of it a step later. The loss
scale of fp16 lives here too. The loop decides what to report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sslskel.api.devices import constant
from sslskel.engine.gradients import StepSums
from sslskel.engine.optim import skips_on_device

FIRST_SCALE, GROW_AFTER = 2.0**16, 2000


class StepFacts(NamedTuple):
    """What the host may want to know of a step: names, and one vector that is read in one copy."""

    terms: tuple[str, ...]
    metrics: tuple[str, ...]
    watched: tuple[str, ...]
    """What was tested for being finite: terms, then gradients."""
    values: Tensor
    """Index of the first fault or -1, gradient norm, whether to stop by Ctrl-C and by the scheduler, terms, metrics."""


class StepGuard:
    """The last thing between gradients and weights: scale, clip, test, update."""

    def __init__(
        self,
        parameters: Sequence[tuple[str, nn.Parameter]],
        optimiser: torch.optim.Optimizer,
        clip_norm: float,
        scaled: bool,
        shut: Tensor,
    ) -> None:
        """``parameters`` are those of the optimiser, by name; ``shut`` () bool is shared by all guards of a run."""
        self._parameters, self._optimiser, self._scaled, self._shut = parameters, optimiser, scaled, shut
        self._limits = _limits(parameters, optimiser, clip_norm)
        self.scale = torch.full((), FIRST_SCALE if scaled else 1.0, device=shut.device)
        """What the loss is multiplied by before it is differentiated."""
        self._since = torch.zeros((), dtype=torch.int64, device=shut.device)

    def tensors(self) -> dict[str, Tensor]:
        """State to keep in checkpoints; none without a loss scale."""
        return {"loss_scale.scale": self.scale, "loss_scale.since": self._since} if self._scaled else {}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what :meth:`tensors` gave; what is not there stays at its start."""
        if self._scaled and "loss_scale.scale" in tensors:
            self.scale.copy_(tensors["loss_scale.scale"])
            self._since.copy_(tensors["loss_scale.since"])

    def update(self, sums: StepSums) -> StepFacts:
        """One optimiser step from the accumulated gradients, or none from the first fault on."""
        named = [(name, p.grad) for name, p in self._parameters if p.grad is not None]
        gradients = [gradient for _, gradient in named]
        if self._scaled or sums.rescale is not None:
            factor = 1.0 if sums.rescale is None else sums.rescale
            torch._foreach_mul_(gradients, (factor / self.scale).to(gradients[0]))
        terms = torch.stack(list(sums.terms.values()))
        norms = torch.stack(torch._foreach_norm(gradients)).to(terms)
        norm = torch.linalg.vector_norm(norms)
        for limit, held in self._limits:
            rows = [row for row, (name, _) in enumerate(named) if held is None or name in held]
            if not rows:
                continue
            size = norm if held is None else torch.linalg.vector_norm(norms[constant(tuple(rows), norms.device)])
            torch._foreach_mul_([gradients[r] for r in rows], (limit / (size + 1e-6)).clamp(max=1).to(gradients[0]))
        finite = torch.cat([terms, norms]).isfinite()
        terms_finite, overflow = finite[: len(terms)].all(), ~finite[len(terms) :].all()
        fault = ~terms_finite | overflow
        if self._scaled:
            # A loss scale overflows now and then by design; only one that cannot shrink further is a fault.
            fault &= ~(terms_finite & (self.scale > 1))
        self._shut |= fault
        self._step(self._shut | overflow)
        if self._scaled:
            self._adapt(overflow)
        first = torch.where(fault, (~finite).to(torch.int64).argmax(), -1)
        return _facts(sums, first, norm, [name for name, _ in named])

    def watch(self, sums: StepSums) -> StepFacts:
        """The facts of a step without an update; a term that is not finite is a fault here too."""
        finite = torch.stack(list(sums.terms.values())).isfinite()
        fault = ~finite.all()
        self._shut |= fault
        first = torch.where(fault, (~finite).to(torch.int64).argmax(), -1)
        return _facts(sums, first, torch.zeros_like(sums.stops[0]), [])

    def _step(self, skip: Tensor) -> None:
        if skips_on_device(self._optimiser):
            self._optimiser.grad_scale = None  # type: ignore[attr-defined]  # both are read by fused kernels
            self._optimiser.found_inf = skip.to(torch.float32)  # type: ignore[attr-defined]
            self._optimiser.step()
        elif not bool(skip):
            self._optimiser.step()

    def _adapt(self, overflow: Tensor) -> None:
        """Halve the loss scale on overflow, double it after a long while without."""
        since = torch.where(overflow, 0, self._since + 1)
        grow = since >= GROW_AFTER
        self.scale.copy_(torch.where(overflow, self.scale / 2, torch.where(grow, self.scale * 2, self.scale)))
        self._since.copy_(torch.where(grow, 0, since))


def _facts(sums: StepSums, first: Tensor, norm: Tensor, gradients: Sequence[str]) -> StepFacts:
    """Facts of a step; ``first`` () is the index of the first fault, ``norm`` () that of all gradients."""
    terms = torch.stack(list(sums.terms.values()))
    values = [first.to(terms)[None], norm.to(terms)[None], sums.stops.to(terms), terms]
    values += [value.to(terms)[None] for value in sums.metrics.values()]
    return StepFacts(tuple(sums.terms), tuple(sums.metrics), (*sums.terms, *gradients), torch.cat(values))


def _limits(
    parameters: Sequence[tuple[str, nn.Parameter]], optimiser: torch.optim.Optimizer, clip_norm: float
) -> list[tuple[float, frozenset[str] | None]]:
    """Largest gradient norms, each with the names whose gradients it holds for together; None for all.

    Groups with the same ``clip_part`` are clipped together, by the limit of the first of them.
    """
    alone = [group for group in optimiser.param_groups if "clip_norm" in group]
    if not alone:
        return [(clip_norm, None)] if clip_norm > 0 else []
    parts: dict[object, tuple[float, set[int]]] = {}
    for number, group in enumerate(alone):
        _, own = parts.setdefault(group.get("clip_part", number), (float(group["clip_norm"]), set()))
        own |= {id(p) for p in group["params"]}
    limits = list(parts.values())
    rest = {id(p) for group in optimiser.param_groups if "clip_norm" not in group for p in group["params"]}
    named = [
        (limit, frozenset(n for n, p in parameters if id(p) in own)) for limit, own in (*limits, (clip_norm, rest))
    ]
    return [(limit, names) for limit, names in named if limit > 0 and names]
