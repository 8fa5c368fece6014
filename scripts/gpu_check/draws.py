"""Keyed noise on the device: the bits of the CPU, and the time of the fused kernel against that of the passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from sections import Facts, Settings, checked
from torch import Tensor

from sslskel.api import fused
from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.speed.clock import paired, timed

PERSONS = 1, 7, 192
COUNTS = 1, 25, 1023, 1025, 60_000
SEEDS = 0, 3, 2**62 + 1
KINDS: dict[str, Callable[[Noise, int], Tensor]] = {
    "float32": lambda noise, count: noise.uniform("gpu-check", (count,)),
    "float64": lambda noise, count: noise.uniform("other", (count,), dtype=torch.float64),
    "integers": lambda noise, count: noise.integers("gpu-check", 1000, (count,)),
    "orders": lambda noise, count: noise.permutation("gpu-check", count),
}
PAIRS = 5


def against_cpu(settings: Settings, seconds: float) -> Facts:
    """Every kind of draw on both devices, and the times of many by the kernel and by passes."""
    device, faults, compared = settings.device, list[str](), 0
    for seed in SEEDS:
        for persons in PERSONS[: 2 if settings.small else None]:
            for count in COUNTS[: 3 if settings.small else None]:
                for kind, draw in KINDS.items():
                    here, there = (_drawn(draw, seed, persons, count, one) for one in (torch.device("cpu"), device))
                    compared += 1
                    if not torch.equal(here, there.cpu()):
                        faults.append(f"{kind}: {count} draws of each of {persons}, seed {seed}, differ from the CPU's")
    facts: Facts = {"compared": compared, "fused": fused.kernel_for(device) is not None}
    if device.type == "cuda" and not facts["fused"]:
        faults.append("there is no fused kernel: is Triton installed?")
    if facts["fused"]:
        facts |= _times(device, 192, COUNTS[-1])
    return checked(faults, facts)


def _drawn(draw: Callable[[Noise, int], Tensor], seed: int, persons: int, count: int, device: torch.device) -> Tensor:
    return draw(_noise(seed, persons, device), count)


def _noise(seed: int, persons: int, device: torch.device) -> Noise:
    rows = torch.arange(persons, device=device)
    tracks, valid = torch.zeros(persons, 1, 1, 3, device=device), torch.ones(persons, 1, device=device) > 0
    keys = rows * 7_919_191_919 - 5
    return Noise(seed, 1, device).on(Batch(tracks, valid, rows, rows * 0, keys, rows, rows))


def _times(device: torch.device, persons: int, count: int) -> Facts:
    noise = _noise(0, persons, device)

    def by_kernel() -> None:
        noise.uniform("time", (count,))

    def by_passes() -> None:
        with _unfused():
            noise.uniform("time", (count,))

    report = paired(timed(device, by_passes), timed(device, by_kernel), PAIRS)
    return {
        "draws": persons * count,
        "passes_seconds": report["theirs_seconds"],
        "fused_seconds": report["ours_seconds"],
        "times_as_fast": report["ratio"],
    }


@contextmanager
def _unfused() -> Iterator[None]:
    known, fused.FUSED = fused.FUSED, ()
    try:
        yield
    finally:
        fused.FUSED = known
