"""Whether a device's keyed noise is drawn by one kernel: where it is a GPU, and Triton is there and can build it.

Everywhere else the passes of ``noise.py`` draw the same bits.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Draws = Callable[[Tensor, Sequence[int], int, torch.dtype], Tensor]
"""``noise_kernel.draws``."""
FUSED = ("cuda",)
"""Devices for which there is a kernel; torch calls ROCm's so too."""

_log = logging.getLogger("sslskel")


def kernel_for(device: torch.device) -> Draws | None:
    """What draws on this device in one launch; None where torch's own operations have to."""
    return _built(device) if device.type in FUSED else None


def forget() -> None:
    """Try again to build a kernel that could not be built."""
    _built.cache_clear()


@functools.cache
def _built(device: torch.device) -> Draws | None:
    try:
        from sslskel.api.noise_kernel import draws
    except ImportError:
        return None
    try:
        draws(torch.zeros(1, dtype=torch.int64, device=device), (0,), 1, torch.float32)
    except Exception as fault:  # Triton raises whatever its compiler, the system's and the driver raise
        _log.warning(
            "keyed noise is drawn by several kernels on %s, slower and to the same numbers: Triton cannot build"
            " one (%s: %s); a C compiler on the path is what it lacks most often",
            device,
            type(fault).__name__,
            fault,
        )
        return None
    return draws
