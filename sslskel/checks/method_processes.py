"""The contract of a method on several processes: they train as one does, and where not, what the cause looks like.

The processes are started in ``processes``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sslskel.api.method import PretextMethod
from sslskel.checks.fixtures import make_source
from sslskel.checks.method_case import MethodCase
from sslskel.checks.processes import CLIPS, Pass, Trained, train_in_processes
from sslskel.data.loader import ClipSource

WORLDS = {1: 3, 2: 3, 4: 2}
"""Numbers of processes, and the steps that each takes: two epochs of two, as far as they show something new."""
TOLERANCE = 1e-6
"""Relative for numbers above 1. Right ones are 1e-12 apart; wider, for methods that go through float32 somewhere."""


@dataclass(frozen=True)
class Maker:
    """Builds the method of a case and its clips, in any process."""

    case: MethodCase

    def __call__(self) -> tuple[PretextMethod, ClipSource]:
        method = self.case.build(started=False, clips=CLIPS)
        return method, make_source(self.case.info, CLIPS, method.clip, torch.float64)


def processes_train_as_one(case: MethodCase) -> str:
    """Float64 steps in 2 and 4 real processes, into a second epoch, give the losses, gradients and weights of one."""
    case.require_training()
    # A copy, without what the other checks made of it.
    runs = train_in_processes(Maker(dataclasses.replace(case)), WORLDS)
    [alone] = runs[1]
    method = case.build(started=False)
    largest = {world: _Comparison(method, alone, run).largest() for world, run in runs.items() if world > 1}
    return "largest difference from one process: " + ", ".join(f"{largest[n]:.1e} on {n} processes" for n in largest)


class _Comparison:
    """One process against several, pass by pass, so that the first difference is the one that is named."""

    def __init__(self, method: PretextMethod, alone: Trained, several: Sequence[Trained]) -> None:
        self.method, self.several = method, several
        last = several[0]["passes"][-1]["step"]
        passes = [each for each in alone["passes"] if each["step"] < last]
        # Where several stop, one goes on: of what comes then, the weights before it are compared.
        next_ones = [each["state"] for each in alone["passes"] if each["step"] == last]
        passes += [Pass(step=last, state=state, totals={}, counts={}) for state in next_ones[:1]]
        self.alone = Trained(passes=passes, norms=alone["norms"])
        self.trained = {name for name, p in method.named_parameters() if p.requires_grad}
        self.where = f"on {len(several)} processes"
        self.most = 0.0

    def largest(self) -> float:
        """The largest difference; ``AssertionError`` with its cause where it is more than rounding."""
        counts = {len(each["passes"]) for each in (self.alone, *self.several)}
        if len(counts) > 1:
            raise AssertionError(f"{self.where} it takes a different number of steps or forward passes")
        for at in range(counts.pop()):
            self._states(at)
            self._losses(at)
            self._norms(at)
        return self.most

    def _close(self, value: Tensor | float, wanted: Tensor | float) -> bool:
        one, other = torch.as_tensor(value), torch.as_tensor(wanted)
        if one.shape != other.shape:
            return False
        if not one.numel():
            return True
        one, other = one.double(), other.double()
        apart = float((one - other).abs().max()) / max(1.0, float(other.abs().max()))
        self.most = max(self.most, apart)
        return apart <= TOLERANCE

    def _states(self, at: int) -> None:
        single, [first, *others] = self.alone["passes"][at], [each["passes"][at] for each in self.several]
        when = f"after step {single['step']}" if single["step"] else "before the first step"
        for name, value in first["state"].items():
            if not all(self._close(other["state"][name], value) for other in others):
                raise AssertionError(
                    f"{self.where} '{name}' differs between processes {when}: each of them fills it from its own clips"
                    f" alone{self._norm_hint(name)}; give what goes into it to gather_rows first, sums over the batch"
                    " to sum_over_processes (sslskel.gather_rows, sslskel.sum_over_processes)"
                )
        wrong = [name for name, value in first["state"].items() if not self._close(value, single["state"][name])]
        wrong.sort(key=lambda name: name not in self.trained)
        if wrong and wrong[0] in self.trained:
            raise AssertionError(
                f"{self.where} '{wrong[0]}' is another {when} than on one process, though losses were equal until"
                f" then: its gradient is another; {_GRADIENT}"
            )
        if wrong:
            raise AssertionError(
                f"{self.where} '{wrong[0]}' is another {when} than on one process, though it is the same on all of"
                " them: it was made from parts of the batch, for instance as a mean of unequal parts or in an order"
                " that is not the global one; make it from the rows that gather_rows gives"
            )

    def _losses(self, at: int) -> None:
        single, parts = self.alone["passes"][at], [each["passes"][at] for each in self.several]
        step = f"at step {single['step'] + 1}"
        for name, total in single["totals"].items():
            if not all(name in part["totals"] for part in parts):
                raise AssertionError(f"{self.where} there is no loss term '{name}' {step}")
            totals, counts = ([part[key][name] for part in parts] for key in ("totals", "counts"))
            count = single["counts"][name]
            mean, wanted = sum(totals) / sum(counts), total / count
            if not self._close(mean, wanted):
                raise AssertionError(
                    f"{self.where} the loss term '{name}' is {mean:.9g} {step}, but {wanted:.9g} on one process: "
                    + self._cause_of_loss(totals, counts, count)
                )

    def _cause_of_loss(self, totals: Sequence[float], counts: Sequence[float], count: float) -> str:
        same_count = all(each == count for each in counts)
        if same_count and len(set(totals)) > 1:
            return (
                f"every process gives a mean with a count of {count:g}, so that parts of unequal size weigh the same;"
                " give the sum over the own clips, and how many values it is of: Term(values.sum(), number of values)"
            )
        if not same_count and abs(sum(counts) - count) > TOLERANCE * count:
            return (
                f"its counts add up to {sum(counts):g} over the processes, but one process counts {count:g}; count"
                " what the total is a sum of, of the own clips alone"
            )
        own = self._own_norm()
        if own:
            return own
        return (
            "its counts add up, so its clips see the clips of their own process alone; give what they are compared"
            " with to gather_rows, sums over the batch to sum_over_processes (and draw random numbers from"
            " noise.on(view), by clip, not by place)"
        )

    def _own_norm(self) -> str:
        for name, module in self.method.named_modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and not getattr(module, "batch_statistics", False):
                return (
                    f"'{name}' is a {type(module).__name__} of torch, which sees the rows of its own process alone; use"
                    " GlobalBatchNorm of sslskel.nn.batch_norm"
                )
        return ""

    def _norm_hint(self, name: str) -> str:
        owner = self.method.get_submodule(name.rpartition(".")[0])
        own = isinstance(owner, nn.modules.batchnorm._BatchNorm) and not getattr(owner, "batch_statistics", False)
        return f" ({self._own_norm()})" if own else ""

    def _norms(self, at: int) -> None:
        passes = self.alone["passes"]
        step = passes[at]["step"]
        last_of_step = at + 1 < len(passes) and passes[at + 1]["step"] != step
        norms: Mapping[str, Sequence[float]] = {"one": self.alone["norms"], "several": self.several[0]["norms"]}
        if last_of_step and not self._close(norms["several"][step], norms["one"][step]):
            raise AssertionError(
                f"{self.where} the gradient of step {step + 1} has norm {norms['several'][step]:.9g}, but"
                f" {norms['one'][step]:.9g} on one process, though the losses are equal; {_GRADIENT}"
            )


_GRADIENT = (
    "rows of other processes come without their gradient, as torch.distributed.all_gather and no_grad bring them; take"
    " them from gather_rows, which sends gradients back"
)

PROCESS_CHECKS = (processes_train_as_one,)
