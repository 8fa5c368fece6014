"""What the machine is, and which kernels it takes for the work that costs most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from sections import Facts, Settings
from torch.profiler import ProfilerActivity, profile

from sslskel.config.groups import EngineConfig
from sslskel.engine.device import arithmetic
from sslskel.engine.optim import FUSED
from sslskel.nn.attention import attention, kernel_name
from sslskel.speed.machine import free_memory, matmul_peak, surroundings

SHAPE = 64, 8, 120, 32
"""Bodies, heads, tokens and numbers of a head."""
SHOWN = 4
TYPES = torch.float32, torch.bfloat16


def facts(settings: Settings, seconds: float) -> Facts:
    """Versions, memory, flags of the arithmetic, peaks of products, kernels of attention and of a product."""
    device = settings.device
    with arithmetic(EngineConfig(device=str(device))):
        tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        return {
            **surroundings(),
            "device": _properties(device),
            "free_memory": free_memory(device),
            "tf32_of_products_and_convolutions": list(tf32),
            "fused_optimisers_on": list(FUSED),
            "peak_of_products": {str(kind): matmul_peak(device, kind, 0.2) for kind in TYPES},
            "attention": {str(kind): _of_attention(device, kind) for kind in TYPES},
            "product": {str(kind): _of_product(device, kind) for kind in TYPES},
        }


def _properties(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"kind": device.type}
    known = torch.cuda.get_device_properties(device)
    return {
        "name": known.name,
        "capability": f"{known.major}.{known.minor}",
        "memory": known.total_memory,
        "multiprocessors": known.multi_processor_count,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "bf16": torch.cuda.is_bf16_supported(),
    }


def _of_attention(device: torch.device, kind: torch.dtype) -> dict[str, Any]:
    q, k, v = (torch.randn(SHAPE, device=device, dtype=kind, requires_grad=True) for _ in range(3))
    return {
        "choice": kernel_name(device, kind),
        "kernels": _kernels(lambda: attention(q, k, v).sum().backward(), device),
    }


def _of_product(device: torch.device, kind: torch.dtype) -> dict[str, Any]:
    a, b = (torch.randn(1024, 1024, device=device, dtype=kind) for _ in range(2))
    return {"kernels": _kernels(lambda: a @ b, device)}


def _kernels(work: Callable[[], object], device: torch.device) -> list[str]:
    """Names of the device's kernels, or of torch's operations on a CPU, those that take longest first."""
    work()
    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    with profile(activities=kinds) as seen:
        work()
    taken: Counter[str] = Counter()
    for event in seen.events():
        on_device = device.type == "cuda" and str(event.device_type).endswith("CUDA")
        if on_device or device.type != "cuda":
            taken[event.name] += int(event.device_time_total if on_device else event.self_cpu_time_total)
    return [name for name, _ in taken.most_common(SHOWN)]
