"""Accelerate as this project uses it: places the model, wraps it for processes and precision, tracks.

Data order, gradients, checkpoints and faults are the loop's; nothing else of it is used.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from sslskel.api.method import PretextMethod
from sslskel.config.groups import EngineConfig
from sslskel.engine.device import AUTOCAST
from sslskel.engine.heartbeat import start_heartbeat
from sslskel.errors import RunError, UsageError

if TYPE_CHECKING:
    from accelerate import Accelerator

PROJECT = "sslskel"
OPTIONS_OF: Mapping[str, Callable[[Path], Mapping[str, str]]] = {
    "tensorboard": lambda folder: {"run_name": "tensorboard", "logging_dir": str(folder)},
    "wandb": lambda folder: {"run_name": PROJECT, "name": folder.name, "dir": str(folder)},
    "mlflow": lambda folder: {"experiment_name": PROJECT, "run_name": folder.name},
    "trackio": lambda folder: {"run_name": PROJECT, "name": folder.name},
}
"""What Accelerate's class for each tracker is made with, of the run's folder."""
Track = Callable[[dict[str, float], int], None]


def join(device: torch.device) -> None:
    """Meet the other processes that a launcher started; nothing where there are none."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState

        cpu = device.type == "cpu"
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)
        if not dist.is_initialized() or PartialState(cpu=cpu).num_processes != dist.get_world_size():
            # What an earlier run of one process has left would keep this one from joining the others.
            PartialState._reset_state()
            PartialState(cpu=cpu)
    start_heartbeat()


def launch(engine: EngineConfig, device: torch.device, folder: Path) -> Accelerator:
    """An Accelerator for ``device``, in every process that a launcher (torchrun, accelerate) started.

    Raises ``UsageError`` where a tracker is asked for and not installed, or where the
    launcher's device is another one.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedDataParallelKwargs

    trackers = _trackers(engine, folder)
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    join(device)
    # It keeps device and precision for the whole process, but one process may train many runs.
    AcceleratorState._reset_state(reset_partial_state=not dist.is_initialized())
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        mixed_precision=engine.precision.value if engine.precision in AUTOCAST else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False, find_unused_parameters=False)],
        log_with=trackers or None,
        project_dir=str(folder),
    )
    if accelerator.device.type != device.type:
        raise UsageError(f"engine.device asks for '{device}', but the processes were started for {accelerator.device}")
    return accelerator


def _trackers(engine: EngineConfig, folder: Path) -> list[object]:
    """Accelerate's trackers of the names asked for, not yet started."""
    from accelerate import utils
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    for name in engine.trackers:
        if not getattr(utils, f"is_{name}_available", lambda: False)():
            raise UsageError(
                f"engine.track={name} needs a package that is not installed: `pip install 'sslskel[{name}]'`"
            )
    return [LOGGER_TYPE_TO_CLASS[name](**OPTIONS_OF[name](folder)) for name in engine.trackers]


def tracker(accelerator: Accelerator, engine: EngineConfig, settings: Mapping[str, object]) -> Track | None:
    """Where numbers go besides the metrics file; None where nothing else was asked for.

    Trackers that keep settings get those of the run. Raises ``RunError`` for one that does not start.
    """
    if not engine.trackers:
        return None
    plain = {name: value if isinstance(value, int | float | str) else str(value) for name, value in settings.items()}
    try:
        accelerator.init_trackers(PROJECT)
        for one in accelerator.trackers:
            # TensorBoard would show them as a second run beside this one.
            if one.name != "tensorboard":
                one.store_init_configuration(plain)
    except Exception as fault:  # theirs have no common class
        raise RunError(f"engine.track={','.join(engine.trackers)} did not start: {fault}") from fault
    return lambda values, step: accelerator.log(values, step=step)


def wrap(accelerator: Accelerator, method: PretextMethod, engine: EngineConfig, *, exchanges: bool = True) -> Any:
    """The method as the loop calls it: in mixed precision, compiled if asked.

    Gradients are averaged over processes where ``exchanges``; else the caller does it.
    """
    if engine.compile:
        # Inside the wrappers for precision and processes, which would cut the graph.
        compile_forward(method)
    with warnings.catch_warnings():
        # The option that Accelerate warns of is the one that leaves buffers to the methods.
        warnings.simplefilter("ignore", FutureWarning)
        # Unasked, it decides on placement by a search for sharded weights, which loads a second of torch.
        return accelerator.prepare_model(method, device_placement=True, evaluation_mode=not exchanges)


def compile_forward(method: PretextMethod) -> None:
    """Make the method's own forward pass one compiled graph; the first call takes the time for it."""
    # The number of persons differs from batch to batch; static shapes would compile a graph for each.
    method.forward = torch.compile(method.forward, dynamic=True, fullgraph=True)  # type: ignore[method-assign]


@contextmanager
def compiling(engine: EngineConfig) -> Iterator[None]:
    """Within, ``RunError`` says what a compiler could not do."""
    try:
        yield
    except Exception as fault:
        if engine.compile and type(fault).__module__.startswith(("torch._dynamo", "torch._inductor")):
            reason = next((line.strip() for line in str(fault).splitlines() if line.strip()), type(fault).__name__)
            raise RunError(
                f"engine.compile=true does not work for this method here ({reason}); leave it out"
            ) from fault
        raise


def unwrap(accelerator: Accelerator, method: PretextMethod, engine: EngineConfig) -> None:
    """Give the method its own forward pass back, and end what :func:`tracker` began."""
    if engine.compile:
        # Graphs of one pass are counted over all runs of a process, and there is a limit.
        torch.compiler.reset()
    for one in accelerator.trackers:
        one.finish()
    # Accelerate's own way back loads the compiler. A model that keeps the mark is never wrapped again: its next
    # run would leave its mixed precision out.
    for name in ("_is_accelerate_prepared", "_original_forward", "forward"):
        vars(method).pop(name, None)
    accelerator.free_memory()
