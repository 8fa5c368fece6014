"""Training steps: each way to train against the plain form of released code, and contrastive methods alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from sections import Facts, Settings, checked

from sslskel.config.groups import Precision
from sslskel.engine.accelerator import compiling
from sslskel.engine.device import arithmetic, check_precision
from sslskel.engine.optim import build_optimiser
from sslskel.errors import UsageError
from sslskel.grid.request import GridRequest
from sslskel.speed import measure_speed
from sslskel.speed.clock import paired, timed
from sslskel.speed.equal import same_step
from sslskel.speed.released import PaddedFeeder, released_optimiser, released_step
from sslskel.speed.workload import build_workload

METHOD, BENCHMARK = "mamp", "synthetic_pairs"
CONTRASTIVE = ("skeletonclr", "aimclr", "crossclr", "isc", "cmd", "pcm3")
SMALL = ("train.batch_size=4", "clip.frames=32", "clip.min_frames=32", "engine.threads=1")
SHORT = Precision.tf32, Precision.bf16


def ways(device: torch.device, small: bool) -> dict[str, tuple[str, ...]]:
    """Names of ways to train that the device has, and what sets them; compiling takes a CPU longer than all else."""
    present, compiled = "method.empty_bodies=present", "engine.compile=true"
    short = {one.value: f"engine.precision={one.value}" for one in SHORT if _has(device, one)}
    known = {"exact": ("method.empty_bodies=reference",), "present": (present,)}
    known |= {name: (present, option) for name, option in short.items()}
    if small:
        return known
    known["compiled"] = (present, compiled)
    return known | {f"compiled, {name}": (present, compiled, option) for name, option in short.items()}


def _has(device: torch.device, precision: Precision) -> bool:
    try:
        check_precision(device, precision)
    except UsageError:
        return False
    return True


def against_released(settings: Settings, seconds: float) -> Facts:
    """How many times faster a step is, its share of the peak, its memory, and the share of waiting for data."""
    until, faults, shown = time.monotonic() + seconds, list[str](), Facts()
    for name, overrides in ways(settings.device, settings.small).items():
        if time.monotonic() > until:
            faults.append(f"'{name}' and those behind it were not reached in {seconds:.0f} s")
            break
        try:
            shown[name] = _compared(settings, overrides)
        except Exception as fault:  # of this way alone
            faults.append(f"{name}: {type(fault).__name__}: {fault}")
            continue
        if shown[name]["equal"] and "theirs_seconds" in shown.get("present", {}):
            # The other side of a pair is in the same precision; this is over that in full float32.
            shown[name]["over_released_fp32"] = shown["present"]["theirs_seconds"] / shown[name]["ours_seconds"]
        if not shown[name]["equal"]:
            faults.append(f"{name}: the two sides are {shown[name]['difference']:.1e} apart, so there is no ratio")
    return checked(faults, shown)


def contrastive(settings: Settings, seconds: float) -> Facts:
    """Steps of six methods alone; their plain forms are slow in the same places."""
    until, faults, shown = time.monotonic() + seconds, list[str](), Facts()
    for name in CONTRASTIVE[: 1 if settings.small else None]:
        if time.monotonic() > until:
            faults.append(f"{name} and those behind it were not reached in {seconds:.0f} s")
            break
        try:
            shown[name] = _alone(_request(settings, name, ()), 2 if settings.small else 5)
        except Exception as fault:  # of this method alone
            faults.append(f"{name}: {type(fault).__name__}: {fault}")
    return checked(faults, shown)


def _request(settings: Settings, method: str, overrides: Sequence[str]) -> GridRequest:
    every = (f"engine.device={settings.device}", *overrides, *(SMALL if settings.small else ()))
    preset = "quick" if settings.small else "released"
    return GridRequest(methods=(method,), benchmarks=(BENCHMARK,), protocols=(), preset=preset, overrides=every)


def _compared(settings: Settings, overrides: Sequence[str]) -> dict[str, Any]:
    request, few = _request(settings, METHOD, overrides), settings.small
    facts = _paired(request, 1 if few else 5)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return {**facts, **_alone(request, 2 if few else 5)} if facts["equal"] else facts


def _paired(request: GridRequest, pairs: int) -> dict[str, Any]:
    """Bracketed pairs of steps on the same clips, or by how much the two sides differ."""
    cell = request.single_pretraining()
    engine = cell.resolved.engine
    with arithmetic(engine), compiling(engine):
        workload = build_workload(cell)
        equality = same_step(workload)
        facts: dict[str, Any] = {"difference": equality.difference, "equal": equality.holds}
        if not equality.holds:
            return facts
        feeder = PaddedFeeder(workload.source, workload.rows(0))
        theirs = released_step(workload, feeder, released_optimiser(workload))
        optimiser = build_optimiser(workload.method.parameter_groups(), cell.resolved.train)
        workload.method.train()

        def ours() -> None:
            workload.learn(0)
            optimiser.step()

        report = paired(timed(workload.device, lambda: theirs(0)), timed(workload.device, ours), pairs)
    return {**facts, **{name: report[name] for name in ("ratio", "theirs_seconds", "ours_seconds")}}


def _alone(request: GridRequest, steps: int) -> dict[str, Any]:
    part = measure_speed(request, steps=steps, works=("pretraining",))["pretraining"]
    names = ("samples_per_second", "mfu", "step_memory_bytes", "waits_for_data")
    return {"clips": part["clips"], "step_seconds": part["step_seconds"]["median"], **{n: part[n] for n in names}}
