"""One step's gradient, however its batch is cut over processes and parts.

The loss is ``sum over terms of scale * sum(total) / sum(count)``, sums over everything that
the step sees. Whether the gradient may change a weight is decided in ``guard.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.devices import longest_float, on_device
from sslskel.api.distributed import sum_over_processes, world_size
from sslskel.api.method import PretextMethod, Progress
from sslskel.api.noise import Noise
from sslskel.api.unbound import unbound_named
from sslskel.errors import RunError

_FICKLE = "a method must return the same loss terms for every part of a batch; one part gave other terms than the first"


class Part(NamedTuple):
    """Clips that one forward pass of this process sees."""

    views: tuple[Batch, ...]
    share: float
    """Of the step's clips. 0 marks a stand-in: a process without clips must still take part."""


class StepSums(NamedTuple):
    """What a step's forward passes gave, over all processes; scalars on the device, no graph."""

    terms: dict[str, Tensor]
    """Scaled means, whose sum is the loss."""
    metrics: dict[str, Tensor]
    """Means over clips."""
    stops: Tensor
    """(2,) how many processes want to stop: by Ctrl-C, by a scheduler."""
    rescale: Tensor | None
    """What the gradients still lack as a factor."""


def backward(
    model: Any,
    method: PretextMethod,
    parts: Sequence[Part],
    whole: bool,
    clips: int,
    noise: Noise,
    progress: Progress,
    loss_scale: Tensor,
    stops: tuple[float, float],
) -> StepSums:
    """Add the step's gradient, times ``loss_scale``, to the parameters of ``method``.

    ``model`` is the method as wrapped for processes and precision; ``clips`` are those of
    the global batch; ``whole`` says that no process cuts its batch. The divisors must be
    known before a term is differentiated. A cut batch with one term is divided by the
    number of clips and put right at the end (``rescale``); with several terms, the counts
    come from forward passes without gradients first, one third more work.
    """
    with _silent(model, len(parts) > 1), unbound_named(method):
        first = model(parts[0].views, noise, progress)
    known = whole or len(first.terms) > 1
    if known:
        with torch.no_grad():
            ahead = [_values(first), *(_values(method(part.views, noise, progress)) for part in parts[1:])]
        sums = _sum(ahead, parts, stops)
        divisors = sums.counts
    else:
        divisors = {
            name: term.total.new_full((), clips, dtype=longest_float(term.total.device))
            for name, term in first.terms.items()
        }
    seen = []
    for number, part in enumerate(parts):
        with _silent(model, number + 1 < len(parts)):
            output = first if number == 0 else model(part.views, noise, progress)
            if list(output.terms) != list(first.terms):
                raise RunError(_FICKLE)
            factor = world_size() * float(part.share > 0)
            terms = [
                term.scale * term.total * factor / divisors[name].to(term.total) for name, term in output.terms.items()
            ]
            loss = torch.stack(terms).sum() * loss_scale.to(terms[0])
            if not loss.requires_grad:
                of_turn = f" of turn '{progress.turn}'" if progress.turn else ""
                raise RunError(f"no loss term{of_turn} depends on a parameter that trains: {', '.join(output.terms)}")
            loss.backward()  # type: ignore[no-untyped-call]
        seen.append(_values(output))
    if known:
        return sums.result(None)
    sums = _sum(seen, parts, stops)
    [count] = sums.counts.values()
    return sums.result(clips / count)


@torch.no_grad()
def outcome(
    model: Callable[..., StepOutput],
    method: PretextMethod,
    parts: Sequence[Part],
    noise: Noise,
    progress: Progress,
    stops: tuple[float, float],
) -> StepSums:
    """What the step's forward passes give where nothing is differentiated; arguments as of :func:`backward`."""
    with unbound_named(method):
        return _sum([_values(model(part.views, noise, progress)) for part in parts], parts, stops).result(None)


class _Sums(NamedTuple):
    totals: dict[str, Tensor]
    counts: dict[str, Tensor]
    scales: dict[str, Any]
    metrics: dict[str, Tensor]
    stops: Tensor

    def result(self, rescale: Tensor | None) -> StepSums:
        terms = {name: self.scales[name] * self.totals[name] / self.counts[name] for name in self.totals}
        return StepSums(terms, self.metrics, self.stops, rescale)


def _values(output: StepOutput) -> StepOutput:
    """The numbers of an output without their graph."""
    terms = {name: term._replace(total=term.total.detach()) for name, term in output.terms.items()}
    return StepOutput(terms, {name: value.detach() for name, value in output.metrics.items()})


def _sum(outputs: Sequence[StepOutput], parts: Sequence[Part], stops: tuple[float, float]) -> _Sums:
    """Add up parts and processes in one exchange."""
    names, watched = list(outputs[0].terms), list(outputs[0].metrics)
    if any(list(output.terms) != names for output in outputs):
        raise RunError(_FICKLE)
    device = outputs[0].terms[names[0]].total.device
    dtype = longest_float(device)
    own = torch.zeros(2 * len(names) + len(watched), dtype=dtype, device=device)
    for output, part in zip(outputs, parts, strict=True):
        live = float(part.share > 0)
        own += torch.stack(
            [
                *(term.total.to(dtype) * live for term in output.terms.values()),
                *(torch.as_tensor(term.count, device=device).to(dtype) * live for term in output.terms.values()),
                *(value.to(device, dtype) * part.share for value in output.metrics.values()),
            ]
        )
    every = sum_over_processes(torch.cat([own, on_device(torch.tensor(stops, dtype=dtype, device="cpu"), device)]))
    values = every[:-2].unbind()
    return _Sums(
        dict(zip(names, values, strict=False)),
        dict(zip(names, values[len(names) :], strict=False)),
        {name: term.scale for name, term in outputs[0].terms.items()},
        dict(zip(watched, values[2 * len(names) :], strict=True)),
        every[-2:],
    )


def _silent(model: Any, silent: bool) -> AbstractContextManager[Any]:
    """Where ``silent``, gradients stay in this process until a later part sends the sum."""
    quiet: AbstractContextManager[Any] = model.no_sync() if silent and hasattr(model, "no_sync") else nullcontext()
    return quiet
