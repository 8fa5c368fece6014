"""What a step tells the host, and where it goes: metrics file, tracker, progress, error.

A report is queued on the device with the step and read later, so that reading it never
holds up the step after it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from sslskel.api.distributed import rank
from sslskel.engine.device import peak_memory
from sslskel.engine.guard import StepFacts
from sslskel.engine.log_file import LogFile
from sslskel.engine.metrics_file import MetricsFile
from sslskel.engine.sampler import EpochSampler
from sslskel.engine.signals import INTERRUPTED, PREEMPTED
from sslskel.errors import Diverged, RunError
from sslskel.files import publish, writing_in
from sslskel.progress import Reporter
from sslskel.results.facts import PROBE
from sslskel.text import percent

FAULT_FILE = "non_finite.json"
SHOWN_CLIPS = 8


class StepValues(NamedTuple):
    """A step's numbers on the host."""

    step: int
    """Updates done with it, from 1."""
    rows: Tensor
    rate: float
    fault: str
    """What was not finite; empty where all was."""
    norm: float
    code: int
    """Exit code that a process requests; 0 to continue."""
    terms: dict[str, float]
    metrics: dict[str, float]

    @property
    def loss(self) -> float:
        """Sum of the terms."""
        return sum(self.terms.values())


class StepReport:
    """The numbers of one step on their way to the host."""

    def __init__(self, step: int, rows: Tensor, rate: float, facts: StepFacts) -> None:
        self._step, self._rows, self._rate, self._facts = step, rows, rate, facts
        self._values, self._ready = facts.values, None
        if facts.values.device.type == "cuda":
            self._values = torch.empty_like(facts.values, device="cpu", pin_memory=True)
            self._values.copy_(facts.values, non_blocking=True)
            self._ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._ready.record(torch.cuda.current_stream(facts.values.device))

    def read(self) -> StepValues:
        """Wait for this step, and for no later one."""
        if self._ready is not None:
            self._ready.synchronize()
        first, norm, by_hand, by_scheduler, *rest = self._values.tolist()
        count = len(self._facts.terms)
        terms = dict(zip(self._facts.terms, rest[:count], strict=True))
        code = INTERRUPTED if by_hand else PREEMPTED if by_scheduler else 0
        fault = "" if first < 0 else self._fault(int(first), terms)
        metrics = dict(zip(self._facts.metrics, rest[count:], strict=True))
        return StepValues(self._step + 1, self._rows, self._rate, fault, norm, code, terms, metrics)

    def _fault(self, first: int, terms: dict[str, float]) -> str:
        name = self._facts.watched[first]
        if first < len(terms):
            return f"the loss term '{name}' is {terms[name]}"
        return f"the gradient of '{name}' is not finite"


class Outlets(NamedTuple):
    """Where the numbers of steps go besides the metrics file."""

    track: Callable[[dict[str, float], int], None] | None
    reporter: Reporter
    log: LogFile


class RunLog:
    """Writes down what steps gave. Only the first process writes; all of them see a fault."""

    def __init__(
        self,
        folder: Path,
        sampler: EpochSampler,
        step: int,
        total: int,
        every: int,
        device: torch.device,
        outlets: Outlets,
        repeated: str = "",
    ) -> None:
        self._folder, self._sampler, self._total, self._every = folder, sampler, total, every
        self._device, self._outlets = device, outlets
        self._file = MetricsFile(folder, step, repeated) if rank() == 0 else None
        self._since = (step, time.perf_counter())
        self._speed = 0.0
        self._memory = ""
        self._probed: dict[str, str] = {}

    def write(self, values: StepValues) -> None:
        """Show a step; keep every ``every``-th and the last."""
        step, epoch = values.step, values.step / self._sampler.steps_per_epoch
        if step % self._every == 0 or step == self._total:
            self._measure(step)
            line = {
                "step": step,
                "epoch": epoch,
                "loss": values.loss,
                "lr": values.rate,
                "gradient_norm": values.norm,
                "samples_per_second": self._speed,
                **{f"term/{name}": value for name, value in values.terms.items()},
                **{f"metric/{name}": value for name, value in values.metrics.items()},
            }
            if self._file is not None:
                self._file.write(line)
            if self._outlets.track is not None:
                self._outlets.track(line, step)
        if rank() == 0:
            facts = {"epoch": f"{epoch:.1f}", "loss": values.loss, "samples/s": round(self._speed, 1)}
            facts |= {"memory": self._memory} if self._memory else {}
            facts |= self._probed
            self._outlets.reporter.step("pretraining", step, self._total, **facts)
            if step % self._sampler.steps_per_epoch == 0 or step == self._total:
                text = f"epoch {epoch:.6g}, step {step} of {self._total}, loss {values.loss:.6g}, lr {values.rate:.6g}"
                self._outlets.log.line(f"{text}, memory {self._memory}" if self._memory else text)

    def probe(self, step: int, name: str, score: float, seconds: float) -> None:
        """Keep what a probe gave, which took so many seconds that were no training."""
        epoch, (before, then) = step / self._sampler.steps_per_epoch, self._since
        self._since = (before, then + seconds)
        line = {"step": step, "epoch": epoch, f"{PROBE}{name}": score}
        if self._file is not None:
            self._file.write(line)
        if self._outlets.track is not None:
            self._outlets.track(line, step)
        self._probed = {"probe": percent(score)}
        self._outlets.log.line(f"epoch {epoch:.6g}, step {step} of {self._total}, probe {name} {percent(score)}")

    def _measure(self, step: int) -> None:
        before, then = self._since
        now = time.perf_counter()
        self._speed = (self._sampler.clips_until(step) - self._sampler.clips_until(before)) / max(now - then, 1e-9)
        self._since = (step, now)
        self._memory = f"{peak_memory(self._device) / 2**30:.2f} GiB"

    def failure(self, values: StepValues, names: Callable[[Tensor], list[str]]) -> Diverged:
        """The error that ends a run at a step that was not finite; all its clips go to a file."""
        clips = names(values.rows)
        where = self._keep({"step": values.step, "fault": values.fault, "lr": values.rate, "clips": clips})
        more = f" and {len(clips) - SHOWN_CLIPS} more" if len(clips) > SHOWN_CLIPS else ""
        return Diverged(
            f"step {values.step}: {values.fault}; clips of the step: {', '.join(clips[:SHOWN_CLIPS])}{more}"
            f" ({where}); it changed no weight and nothing was saved after it: lower train.lr, set"
            " train.clip_norm, or look at these clips"
        )

    def _keep(self, fault: Mapping[str, object]) -> str:
        """Write down a step that was not finite; returns where it was written, or why it was not."""
        path = self._folder / FAULT_FILE
        if rank() == 0:
            try:
                with writing_in(path.parent, path.name):
                    publish(path, (json.dumps(fault, indent=1) + "\n").encode(), replace_existing=True)
            except RunError as refusal:
                return str(refusal)
        return f"all in {path}"
