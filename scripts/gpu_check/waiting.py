"""How often a training step makes the host wait for the device, and at which lines."""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from cases import CLIPS, begin_epoch, case_of, engine_of, methods, source_of
from pretended import PRETENDED, pretending
from sections import Facts, Settings, checked

from sslskel.api.noise import Noise
from sslskel.checks.method_case import forward
from sslskel.config.groups import Precision
from sslskel.data.step_views import step_views
from sslskel.engine.device import arithmetic

ROOT = Path(__file__).resolve().parents[2]
STEPS = 2
"""Of which the last is looked at: what is made once on a device is there then."""


def by_line(settings: Settings, seconds: float) -> Facts:
    """Waits of views, passes and update of one step; without a GPU those that the pretended device counts."""
    until, faults, shown = time.monotonic() + seconds, list[str](), Facts()
    for name in methods(settings.small):
        if time.monotonic() > until:
            faults.append(f"{name} and those behind it were not reached in {seconds:.0f} s")
            break
        try:
            shown[name] = dict(_waits(name, settings.device).most_common())
        except Exception as fault:  # of this method alone
            faults.append(f"{name}: {type(fault).__name__}: {fault}")
    return checked(faults, shown)


def _waits(name: str, device: torch.device) -> Counter[str]:
    if device.type == "cuda":
        step = _steps(name, device)
        for _ in range(STEPS - 1):
            next(step)
        torch.cuda.synchronize(device)
        with _told_by_cuda() as waits:
            next(step)
        return waits
    with pretending() as pretence:
        step = _steps(name, PRETENDED)
        for _ in range(STEPS):
            pretence.taken()
            next(step)
        return pretence.taken()


def _steps(name: str, device: torch.device) -> Iterator[None]:
    """A training step for each time it is asked."""
    with arithmetic(engine_of(torch.device("cpu"), Precision.fp32)):
        case = case_of(name)
        method = case.build(clips=CLIPS, started=False).to(device)
        source, rows = source_of(case, device, torch.float32), torch.arange(CLIPS)
        with torch.no_grad():
            method.load_start()
        begin_epoch(method, source)
        trained = [p for p in method.parameters() if p.requires_grad]
        optimiser = torch.optim.SGD(trained, lr=1e-3, foreach=False, fused=False)
        for number in range(STEPS):
            noise = Noise(7, number, device).over(source.keys)
            forward(method, list(step_views(source, rows, method.views(), noise)), noise).loss().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            yield


@contextmanager
def _told_by_cuda() -> Iterator[Counter[str]]:
    """Counts what torch warns of in its debug mode, by the innermost line of the package or a plugin."""
    waits: Counter[str] = Counter()

    def note(message: object, *_: object, **__: object) -> None:
        if "synchroniz" in str(message):
            waits[_line()] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        shown, warnings.showwarning = warnings.showwarning, note
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode("default")
            warnings.showwarning = shown


def _line() -> str:
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(f"{ROOT}/") and not path.startswith(f"{ROOT}/scripts/"):
            return f"{Path(path).relative_to(ROOT)}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "in torch"
