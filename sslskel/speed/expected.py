"""What a training step would take on a GPU that is not here: computed from its operations, never measured.

A step is the longer of two times: that of the host, which launches one operation after the other, and that of the
device, which multiplies matrices at a share of its peak and does all else at the speed of its memory.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from sslskel.config.groups import Precision
from sslskel.text import duration

CHIP = "H100"
PEAKS = {"bf16": 989e12, "fp16": 989e12, "tf32": 494e12, "fp32": 67e12, "fp64": 67e12}
"""FLOP per second of matrix products of an H100 SXM, without sparsity, by the maker's data sheet."""
PEAK_SHARE = 0.4
"""Share of it that products of such sizes are taken to reach; ours."""
MEMORY_BYTES = 3.35e12
"""Bytes per second of its memory, by the same sheet."""
LAUNCH_SECONDS = 11e-6
"""Of the host for one operation; ours, from host code of a CUDA build of torch without a device."""
CLIPS = 40_091
"""Training clips of NTU RGB+D 60, cross-subject."""


class Work(NamedTuple):
    """What a step does."""

    clips: int
    operations: int
    flops: float
    """Of matrix products and convolutions."""
    moved: float
    """Bytes that all other operations read and write."""


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations, their arithmetic and the bytes that those without much of it move."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations, self.flops, self.moved = 0, 0.0, 0.0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Else torch would load its compiler, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        read, made = _tensors(args), _tensors((out,))
        places = {one.untyped_storage().data_ptr() for one in read}
        in_place = func.name().partition(".")[0].endswith("_")
        if not made or (not in_place and any(one.untyped_storage().data_ptr() in places for one in made)):
            return out
        self.operations += 1
        if func.overloadpacket in flop_registry:
            self.flops += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=out)
        else:
            self.moved += sum(one.numel() * one.element_size() for one in (*read, *made))
        return out


def _tensors(values: Any) -> list[Tensor]:
    flat: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            flat.append(value)
        elif isinstance(value, list | tuple):
            flat += _tensors(value)
    return flat


def work_of(step: Callable[[int], object], clips: int) -> Work:
    """Count one step of so many clips; it is taken, on the device that is here."""
    with _written_out(), _Counting() as counting:
        step(clips)
    return Work(clips, counting.operations, counting.flops, counting.moved)


def _written_out() -> AbstractContextManager[Any]:
    # What a CPU fuses here is not in the table of arithmetic.
    written: AbstractContextManager[Any] = sdpa_kernel(SDPBackend.MATH)
    return written


def step_seconds(work: Work, batch_size: int, precision: Precision) -> float:
    """Seconds of a step of ``batch_size`` clips; work grows with clips, operations do not."""
    more = batch_size / work.clips
    device = more * (work.flops / (PEAK_SHARE * PEAKS[precision.value]) + work.moved / MEMORY_BYTES)
    return max(device, work.operations * LAUNCH_SECONDS)


def sentence(method: str, work: Work, batch_size: int, precision: Precision, epochs: int) -> str:
    """What a pretraining on all of NTU RGB+D 60 would take."""
    seconds = step_seconds(work, batch_size, precision)
    steps = max(1, CLIPS // batch_size)
    alone = work.operations * LAUNCH_SECONDS
    return (
        f"{method}: computed, not measured: on one {CHIP} in {precision.value} a step of {batch_size} clips takes about"
        f" {seconds * 1e3:.0f} ms ({work.operations} launches alone {alone * 1e3:.0f} ms), and"
        f" {epochs} epochs of NTU RGB+D 60 ({CLIPS:,} clips) {duration(epochs * steps * seconds)}"
    )
