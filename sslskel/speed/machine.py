"""What a measurement must know about the machine: peak arithmetic, memory, allocator, versions and load."""

from __future__ import annotations

import ctypes
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sslskel.config.groups import Precision
from sslskel.engine.device import AUTOCAST, hardware, memory_status, peak_memory
from sslskel.version import __version__

PRODUCT = {"cpu": 1024, "cuda": 8192}
"""Rows and columns of the matrices whose product measures the peak."""


def matmul_peak(device: torch.device, dtype: torch.dtype, seconds: float = 0.5, size: int = 0) -> float:
    """Largest FLOP/s that repeated square matrix products reached in about ``seconds`` seconds."""
    size = size or PRODUCT.get(device.type, 1024)
    a, b = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
    _product(a, b, device)
    best, until = 0.0, time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < until:
        best = max(best, 2 * size**3 / _product(a, b, device))
    return best


def _product(a: torch.Tensor, b: torch.Tensor, device: torch.device) -> float:
    start = _now(device)
    a @ b
    return _now(device) - start


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def arithmetic_type(precision: Precision) -> torch.dtype:
    """The type in which a run of this precision multiplies."""
    return AUTOCAST.get(precision, torch.float64 if precision is Precision.fp64 else torch.float32)


def extra_memory(device: torch.device, work: Callable[[], object]) -> int | None:
    """Most bytes that ``work`` held beyond those held before it; None where the system does not report them."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return peak_memory(device) - before
    if not _forget_peak():
        return None
    before = memory_status("VmRSS")
    work()
    return max(0, memory_status("VmHWM") - before)


def _forget_peak() -> bool:
    """Return freed pages to the system and reset the peak; only Linux can do that."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return True


def free_memory(device: torch.device) -> int:
    """Bytes that a process may still take on a device, within the limit of its container."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        most, now = (
            Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii").strip() for name in ("max", "current")
        )
        return min(free, int(most) - int(now)) if most != "max" else free
    except (OSError, ValueError):
        return free


def surroundings() -> dict[str, Any]:
    """Versions, hardware and how busy the machine is."""
    load = [round(value, 1) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None
    return {
        "versions": {"sslskel": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "system": platform.platform(),
        "hardware": hardware(),
        "load": load,
    }
