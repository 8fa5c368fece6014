"""Devices, precision and memory: what there is, what fits, and how it is described in a record."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from sslskel.config.groups import EngineConfig, Precision
from sslskel.errors import UsageError

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 1 << 30
AUTOCAST = {Precision.bf16: torch.bfloat16, Precision.fp16: torch.float16}


def available_devices() -> list[str]:
    """Names that :func:`resolve_device` accepts on this machine."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *(["cuda"] if cuda else []), *cuda, *mps]


def resolve_device(name: str) -> torch.device:
    """``auto`` takes a GPU where there is one; raises ``UsageError`` for a device that is not there.

    Where a launcher started several processes, ``auto`` and ``cuda`` mean each one's own GPU: the one with the
    process's number, or the only one that the launcher shows it.
    """
    have = available_devices()
    if name == "auto":
        name = next((device for device in ("cuda", "mps") if device in have), "cpu")
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        only = "cuda:1" not in have and "CUDA_VISIBLE_DEVICES" in os.environ
        name = "cuda:0" if only else f"cuda:{os.environ['LOCAL_RANK']}"
    if name not in have:
        raise UsageError(f"there is no device '{name}' on this machine (there are: auto, {', '.join(have)})")
    return torch.device(name)


def check_precision(device: torch.device, precision: Precision) -> None:
    """Raise ``UsageError`` for a precision the device cannot train in."""
    refused = {
        "cpu": {Precision.fp16, Precision.tf32},
        "mps": {Precision.fp64, Precision.fp16, Precision.tf32},
    }.get(device.type, set())
    if precision in refused:
        raise UsageError(f"device '{device}' cannot train in {precision.value}; take fp32 or bf16")
    if device.type == "cuda" and precision is Precision.tf32 and torch.cuda.get_device_capability(device) < (8, 0):
        raise UsageError(f"device '{device}' has no TF32, which GPUs have from compute capability 8.0; take fp32")
    if device.type == "cuda" and precision is Precision.bf16 and not torch.cuda.is_bf16_supported():
        raise UsageError(f"device '{device}' has no bf16; take fp32 or fp16")


def dtype_of(engine: EngineConfig) -> torch.dtype:
    """Type of weights and data: float64 in fp64 runs, else float32."""
    return torch.float64 if engine.precision is Precision.fp64 else torch.float32


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """Mixed precision where the run asked for it, else nothing."""
    if precision not in AUTOCAST:
        return nullcontext()
    return torch.autocast(device.type, dtype=AUTOCAST[precision])


def set_threads(engine: EngineConfig) -> None:
    """As many CPU threads as the configuration says; where it says 0, as ``OMP_NUM_THREADS`` says.

    Without either, torch's own choice, but no more than the CPUs that this process may use:
    torch does not see the limit of a container. It depends on the machine and never on its
    load, since the number of threads decides the last bits of a sum.
    """
    if engine.threads:
        torch.set_num_threads(engine.threads)
    elif not os.environ.get("OMP_NUM_THREADS", "").isdigit():
        from joblib import cpu_count

        torch.set_num_threads(min(torch.get_num_threads(), cpu_count()))


@contextmanager
def own_defaults() -> Iterator[None]:
    """Tensors of single precision on the host unless said otherwise, whatever a program asks of torch for its own.

    Works as a decorator as well.
    """
    usual = torch.get_default_dtype()
    host = nullcontext() if torch.get_default_device().type == "cpu" else torch.device("cpu")
    torch.set_default_dtype(torch.float32)
    try:
        with host:
            yield
    finally:
        torch.set_default_dtype(usual)


@contextmanager
def arithmetic(engine: EngineConfig) -> Iterator[None]:
    """Threads, determinism, full float32 or TF32 as the configuration says, and torch's own defaults.

    Attention on a GPU takes no kernel that makes a plan for each shape: the number of persons differs from batch to
    batch, and each would wait for its plan.

    All is as it was before on leaving. Whatever computes numbers of a run does it inside.
    """
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    short = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    planned = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    set_threads(engine)
    if engine.deterministic:
        # cuBLAS reads it when it starts; without it deterministic matrix products raise.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    chosen = engine.precision is Precision.tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = chosen
    torch.backends.cuda.enable_cudnn_sdp(False)
    try:
        with own_defaults():
            yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(planned)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = short
        # Asking for what is so already would import torch's compiler, which takes a second.
        if torch.are_deterministic_algorithms_enabled() != strict:
            torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)


def keep_freed_memory() -> str:
    """Let glibc keep freed blocks instead of returning them to the system, for the whole process; says what was done.

    By default each large block is mapped and cleared every time: loading a batch then takes four times
    as long, and code with large attention matrices up to twice. What a comparison gives to one
    side it must give to the other.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return "the system's default"
    library = ctypes.CDLL(None)
    done = library.mallopt(_MMAP_THRESHOLD, _KEPT) and library.mallopt(_TRIM_THRESHOLD, _KEPT)
    return "freed blocks kept up to 1 GiB (glibc mmap and trim threshold)" if done else "the system's default"


def forget_peak(device: torch.device) -> None:
    """Start :func:`peak_memory` of a GPU again. A process on a CPU has one peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """Bytes: most that was allocated on a GPU, or most that this process held on a CPU (0 on Windows)."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return 0
    if platform.system() == "Linux":
        # The system's usage figures count what the process that started this one held at that moment, too.
        with contextlib.suppress(OSError, ValueError):
            return memory_status("VmHWM")
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most if sys.platform == "darwin" else most * 1024)


def memory_status(name: str) -> int:
    """Bytes that Linux tells of this process under ``name``: VmRSS what it holds, VmHWM the most it held."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


def hardware() -> dict[str, Any]:
    """Processor, cores and GPUs of this machine."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"cpu": _processor(), "cores": os.cpu_count() or 1, "threads": torch.get_num_threads(), "gpus": gpus}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
