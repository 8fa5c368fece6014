"""What is asked of those who compute on devices: tables copied in one piece, without a wait, and types that exist."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

NO_FLOAT64 = ("mps",)
"""Devices without float64."""
PINNING = ("cuda",)
"""Devices that read pinned memory of the host while both go on."""
ALIGNED = 16
"""Bytes; every table begins at a multiple of it, as its type asks."""


def longest_float(device: torch.device) -> torch.dtype:
    """float64, or float32 on a device without it."""
    return torch.float32 if device.type in NO_FLOAT64 else torch.float64


def sent(tables: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Tensors of the host, of any shapes and types, on ``device``: one copy, for which a GPU need not be waited for."""
    if device.type == "cpu":
        return list(tables)
    sizes = [table.numel() * table.element_size() for table in tables]
    begins = [0]
    for size in sizes:
        begins.append(begins[-1] + -(-size // ALIGNED) * ALIGNED)
    pinned = device.type in PINNING
    here = torch.empty(begins[-1], dtype=torch.uint8, pin_memory=pinned)
    for table, begin, size in zip(tables, begins, sizes, strict=False):
        here[begin : begin + size].view(table.dtype).copy_(table.reshape(-1))
    there = here.to(device, non_blocking=pinned)
    return [
        there[begin : begin + size].view(table.dtype).reshape(table.shape)
        for table, begin, size in zip(tables, begins, sizes, strict=False)
    ]


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host or of a kind of device, on that kind of device."""
    if tensor.device.type == device.type:
        return tensor
    # A compiler has a copy of its own for this.
    return tensor.to(device) if torch.compiler.is_compiling() else sent([tensor], device)[0]


def constant(values: tuple[float, ...], device: torch.device, dtype: torch.dtype = torch.int64) -> Tensor:
    """(n,) numbers that never change, on a device; made there once. Nobody may write to them."""
    if torch.compiler.is_compiling():
        return torch.tensor(values, dtype=dtype, device=device)
    return _constant(values, device, dtype)


@functools.lru_cache(maxsize=256)
def _constant(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    return sent([torch.tensor(values, dtype=dtype, device="cpu")], device)[0]
