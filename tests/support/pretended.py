"""A device that is not there: tensors that claim to lie on it, hold real values, and count waits and launches.

Within :func:`pretending`, ``torch.device("lazy")`` works like a GPU: what is made there stays there, mixing it with
tensors of the host raises as on a GPU, and each call for which a GPU would make the host wait is noted with its line.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode

from sslskel.api import devices

PRETENDED = torch.device("lazy", 0)
ROOT = Path(__file__).resolve().parents[2]
WAITS = {
    "_local_scalar_dense": "reads a number",
    "equal": "compares whole tensors",
    "nonzero": "counts what is true",
    "masked_select": "counts what is true",
    "_unique2": "counts what differs",
    "unique_dim": "counts what differs",
    "unique_consecutive": "counts what differs",
    "bincount": "looks for the largest",
    "_linalg_check_errors": "reads a fault",
    "_linalg_svd": "reads a fault",
    "_linalg_eigh": "reads a fault",
}
"""Operations that make the host wait for a GPU, by name."""
PINNED = "pretends_to_be_pinned"
JOINING = ("cat", "stack")
"""Operations that take not even single numbers of the host."""
BOOLS = (torch.bool, torch.uint8)
NOTHING_TO_DO = ("_unsafe_view", "_reshape_alias", "detach", "alias", "lift_fresh", "resize_", "set_", "empty_like")
"""Operations that start no kernel, beside views and those that make memory without values."""


class OnDevice(Tensor):
    """A tensor of the pretended device; ``held`` has its values on the host."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        made: OnDevice = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=PRETENDED,
        )
        made.held = held
        return made

    def __repr__(self) -> str:
        return f"OnDevice({self.held!r})"

    def numpy(self, *, force: bool = False) -> Any:
        if not force:
            raise TypeError(f"tensors of {self.device} have no numpy arrays; use Tensor.cpu() first")
        return self.cpu().numpy()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {}, None)


class Pretence(TorchDispatchMode):
    """What :func:`pretending` gives: ``waits`` counts them by ``file:line what``, ``launches`` by operation.

    A GPU launches at least one kernel for each operation that computes; some take several.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self.launches: Counter[str] = Counter()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Else torch would load its compiler, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {}, self)

    def taken(self) -> Counter[str]:
        """Waits since the last call."""
        taken, self.waits = self.waits, Counter()
        return taken

    def launched(self) -> Counter[str]:
        """Launches since the last call."""
        launched, self.launches = self.launches, Counter()
        return launched


@contextmanager
def pretending() -> Iterator[Pretence]:
    """Inside, the pretended device is there."""
    before, pinning = torch._C._only_lift_cpu_tensors(), devices.PINNING
    devices.PINNING = (*pinning, PRETENDED.type)
    # `torch.tensor(..., device=...)` then makes a tensor of the host first and moves it, as it does for a GPU.
    torch._C._set_only_lift_cpu_tensors(True)
    try:
        with Pretence() as pretence:
            yield pretence
    finally:
        torch._C._set_only_lift_cpu_tensors(before)
        devices.PINNING = pinning


def hosted(tensor: Tensor) -> Tensor:
    """The values of a tensor of either side; it shares them."""
    return tensor.held if isinstance(tensor, OnDevice) else tensor.detach()


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _real(value: Any) -> Any:
    if isinstance(value, OnDevice):
        return value.held
    if isinstance(value, (list, tuple)):
        return type(value)(map(_real, value)) if not hasattr(value, "_fields") else value
    return value


def _wrapped(value: Any, known: dict[int, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return known[id(value)] if id(value) in known else OnDevice(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_wrapped(one, known) for one in value)
    return value


def _run(func: Any, args: Any, kwargs: dict[str, Any], pretence: Pretence | None) -> Any:
    given = [*_tensors(args), *_tensors(kwargs.values())]
    there = [tensor for tensor in given if isinstance(tensor, OnDevice)]
    wanted = kwargs.get("device")
    if wanted is not None:
        wanted = torch.device(wanted)
    moved = wanted is not None and wanted.type == PRETENDED.type
    if not there and not moved:
        pinned = kwargs.pop("pin_memory", False)
        out = func(*args, **kwargs)
        if pinned:
            setattr(out, PINNED, True)
        return out
    name = func.name().removeprefix("aten::").partition(".")[0]
    stays = moved or (bool(there) and wanted is None)
    if pretence is not None:
        reason = _wait(name, args, kwargs, given, there, stays)
        if reason:
            pretence.waits[f"{_line()} {reason}"] += 1
    _refuse_mixture(name, given, there)
    if moved:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    out = func(*map(_real, args), **{key: _real(value) for key, value in kwargs.items()})
    if pretence is not None and _launches(func, name, _tensors([out]), there):
        pretence.launches[name] += 1
    if torch.Tag.inplace_view in func.tags:
        # Shape and strides that the tensor claims change too.
        with no_dispatch(), _shapes_alone():
            func(*args, **kwargs)
    if name == "copy_":
        return args[0]
    if not stays:
        return out
    if PRETENDED.type in devices.NO_FLOAT64 and any(made.dtype == torch.float64 for made in _tensors([out])):
        raise TypeError(f"the device has no float64 ({_line()})")
    return _wrapped(out, {id(tensor.held): tensor for tensor in there})


@contextmanager
def _shapes_alone() -> Iterator[None]:
    """Inside, operations on tensors that hold nothing change what they claim."""
    torch._C._set_meta_in_tls_dispatch_include(True)
    try:
        yield
    finally:
        torch._C._set_meta_in_tls_dispatch_include(False)


def _launches(func: Any, name: str, made: Iterator[Tensor], there: Sequence[Tensor]) -> bool:
    """Whether an operation that ``made`` these starts a kernel: not a view, nor memory without values."""
    if name in NOTHING_TO_DO or name.startswith(("empty", "new_empty")) or torch.Tag.inplace_view in func.tags:
        return False
    if name.endswith("_"):
        return True
    held = {hosted(tensor).untyped_storage().data_ptr() for tensor in there}
    return not any(one.numel() and one.untyped_storage().data_ptr() in held for one in made)


def _wait(
    name: str,
    args: Any,
    kwargs: dict[str, Any],
    given: Sequence[Tensor],
    there: Sequence[Tensor],
    stays: bool,
) -> str:
    """Why the host would wait; empty where it would not."""
    if name in ("_to_copy", "copy_"):
        crosses = len(there) < len(given) if name == "copy_" else stays != bool(there)
        asked = kwargs.get("non_blocking") or (name == "copy_" and len(args) > 2 and args[2])
        free = asked and any(hasattr(tensor, PINNED) for tensor in given)
        to = "the device" if (isinstance(args[0], OnDevice) if name == "copy_" else stays) else "the host"
        return f"copies to {to}" if crosses and not free else ""
    if name == "repeat_interleave":
        return "" if kwargs.get("output_size") is not None else "sums up repeats"
    if name in ("index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_"):
        at = [index for index in args[1] if index is not None]
        if not all(isinstance(index, OnDevice) for index in at):
            return "copies indices to the device"
        single = name.startswith(("index_put", "_index_put")) and args[2].numel() == 1
        return "counts what is true" if any(index.dtype in BOOLS for index in at) and not single else ""
    return WAITS.get(name, "")


def _refuse_mixture(name: str, given: Sequence[Tensor], there: Sequence[Tensor]) -> None:
    if not there or name in ("copy_", "_to_copy") or "index" in name:
        return
    strange = [t for t in given if not isinstance(t, OnDevice) and (t.ndim > 0 or name in JOINING)]
    if strange:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in strange)
        raise RuntimeError(f"{name} mixes tensors of the device with some of the host of shape {shapes} ({_line()})")


def _line() -> str:
    """The innermost line of the package or a plugin on the stack, or ``backward``."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(f"{ROOT}/") and not path.startswith(f"{ROOT}/tests/"):
            return f"{Path(path).relative_to(ROOT)}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"
