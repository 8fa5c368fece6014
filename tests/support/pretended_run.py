"""Runs on a device that is not there, and what each of their training steps asks of it and of other processes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from pretended import PRETENDED, Pretence, pretending

from sslskel.api.noise import Noise
from sslskel.engine import train as loop
from sslskel.engine.step_log import StepReport


class StepCounts(NamedTuple):
    """What one training step asked for."""

    waits: Counter[str]
    """By ``file:line what``."""
    launches: Counter[str]
    """By operation."""
    collectives: Counter[str]
    """By name; none on one process."""


@contextmanager
def in_this_process() -> Iterator[pytest.MonkeyPatch]:
    """Inside, the loop trains without Accelerate, which knows other devices and processes alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("launch", "tracker", "unwrap"):
            patch.setattr(loop, name, lambda *_: None)
        patch.setattr(loop, "wrap", lambda accelerator, method, *_, **__: method)
        yield patch


@contextmanager
def training_there() -> Iterator[Pretence]:
    """The pretended device, with fused optimisers as a GPU has them."""
    kinds = ["cpu", "cuda", PRETENDED.type]
    with in_this_process() as patch:
        # torch hides the module behind the package's own name.
        patch.setattr(sys.modules["torch.optim.optimizer"], "_get_fused_kernels_supported_devices", lambda: kinds)
        patch.setattr("sslskel.engine.optim.FUSED", tuple(kinds))
        patch.setattr("sslskel.engine.device.available_devices", lambda: ["cpu", str(PRETENDED)])
        with pretending() as there:
            yield there


@contextmanager
def steps_counted(pretence: Pretence | None = None, calls: Counter[str] | None = None) -> Iterator[list[StepCounts]]:
    """Inside, receives the counts of each training step: of the device, and of ``calls`` to other processes."""
    counted: list[StepCounts] = []
    exchanges = Counter[str]() if calls is None else calls

    def taken() -> StepCounts:
        exchanged = Counter(exchanges)
        exchanges.clear()
        if pretence is None:
            return StepCounts(Counter(), Counter(), exchanged)
        return StepCounts(pretence.taken(), pretence.launched(), exchanged)

    def begun(*arguments: Any) -> Noise:
        taken()
        return Noise(*arguments)

    def ended(*arguments: Any) -> StepReport:
        counted.append(taken())
        return StepReport(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        # A step makes its noise first and its report last.
        patch.setattr(loop, "Noise", begun)
        patch.setattr(loop, "StepReport", ended)
        yield counted
