"""Trains a small method in real processes of this machine and brings back what each of them saw.

The engine's own loop runs in them, over gloo. What equal runs must have in common is
decided in ``method_processes``.
"""

from __future__ import annotations

import datetime
import importlib
import json
import multiprocessing
import os
import pickle
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypedDict

import torch
import torch.distributed as dist

from sslskel.api.batch import StepOutput
from sslskel.api.method import PretextMethod, Progress
from sslskel.checks.runner import Skip, expect
from sslskel.config.groups import EngineConfig, Optimiser, Precision, TrainConfig
from sslskel.data.loader import ClipSource
from sslskel.engine.elastic import CONTACT
from sslskel.engine.metrics_file import NAME
from sslskel.engine.train import pretrain
from sslskel.errors import SslskelError, UsageError
from sslskel.files import replacing

Make = Callable[[], tuple[PretextMethod, ClipSource]]
"""Builds the same method, and float64 clips for it, in every process."""

BATCH, CLIPS, EPOCHS = 7, 13, 2
"""Steps of 7 and of 6 clips: 4 + 3 and 3 + 3 on two processes, 2 + 2 + 2 + 1 and 2 + 2 + 1 + 1 on four."""
FIRST_WAIT, WAIT_PER_SECOND, LAST_WORDS = 60.0, 30.0, 10.0
"""Seconds that processes may take, more for each second that one alone took, and after the first has failed."""


class Pass(TypedDict):
    """What a process saw of one forward pass, or after the last step."""

    step: int
    """Optimiser updates done before it."""
    state: dict[str, torch.Tensor]
    """Parameters and buffers before it."""
    totals: dict[str, float]
    """Of the loss terms."""
    counts: dict[str, float]


class Trained(TypedDict):
    """What one process brings back."""

    passes: list[Pass]
    norms: list[float]
    """Gradient norm of each step; of the first process alone."""


@dataclass
class Failed:
    """Why a process did not get to the end."""

    sentence: str
    refused: bool = False
    """It was a UsageError."""
    victim: bool = False
    """Another process went first."""


class _Enough(Exception):
    """So many steps were to be taken, and have been."""


@dataclass
class _Recorder:
    steps: int
    """After which nothing more is recorded."""
    passes: list[Pass] = field(default_factory=list)

    def before(self, method: torch.nn.Module, inputs: tuple[object, ...]) -> None:
        progress = inputs[2]
        if not isinstance(progress, Progress):
            raise TypeError("the third argument of forward is not a Progress")
        self.passes.append(Pass(step=progress.step, state=_state(method), totals={}, counts={}))
        if progress.step == self.steps:
            raise _Enough

    def after(self, method: torch.nn.Module, inputs: tuple[object, ...], output: StepOutput) -> None:
        for name, term in output.terms.items():
            self.passes[-1]["totals"][name] = float(term.total.detach())
            self.passes[-1]["counts"][name] = float(torch.as_tensor(term.count))


def _state(method: torch.nn.Module) -> dict[str, torch.Tensor]:
    named = (*method.named_parameters(), *method.named_buffers())
    return {name: value.detach().clone() for name, value in named}


def require_processes() -> None:
    """Skip the running check where this machine starts no processes that could train together."""
    if sys.platform != "linux":
        raise Skip(f"processes are started for it on Linux alone, and this is {sys.platform}")
    if not dist.is_available() or not dist.is_gloo_available():
        raise Skip("this torch has no gloo")
    if dist.is_initialized():
        raise Skip("a process group is running already")


def train_in_processes(make: Make, worlds: Mapping[int, int], method: str = "") -> dict[int, list[Trained]]:
    """What each process saw of its steps, by rank; ``worlds`` are numbers of processes and how many steps they take.

    All numbers of processes run at the same time. ``method`` is ``fork`` or ``spawn``; by default
    ``spawn`` where there is a GPU, since its threads do not outlive a fork. Raises ``Skip`` where
    no processes can be started or the method refuses such a run, ``AssertionError`` with the
    reason where a process fails or where all wait for each other.
    """
    require_processes()
    for module in ("accelerate", "torch._dynamo", "torch.distributed.tensor"):
        # What processes of a run load sooner or later: once here, not in each of the children.
        importlib.import_module(module)
    context = multiprocessing.get_context(method or ("spawn" if torch.cuda.is_available() else "fork"))
    with tempfile.TemporaryDirectory(prefix="sslskel-check-") as name:
        folder, running = Path(name), dict[tuple[int, int], BaseProcess]()
        try:
            work: Make | bytes = make if context.get_start_method() == "fork" else pickle.dumps(make)
            for world, steps in worlds.items():
                for rank in range(world):
                    running[world, rank] = context.Process(target=_run, args=(work, folder, world, rank, steps))  # type: ignore[attr-defined]
            with warnings.catch_warnings():
                # Python warns of forks beside threads; the children use none of those that this process has.
                warnings.simplefilter("ignore", DeprecationWarning)
                for process in running.values():
                    process.start()
        except (OSError, AssertionError, pickle.PicklingError, AttributeError, TypeError) as fault:
            _end(running.values())
            raise Skip(f"processes cannot be started here: {fault}") from fault
        try:
            return _collect(running, folder, list(worlds))
        finally:
            _end(running.values())


def _end(processes: Collection[BaseProcess]) -> None:
    for process in processes:
        if process.pid is not None and process.is_alive():
            process.kill()
            process.join()


def _collect(
    running: Mapping[tuple[int, int], BaseProcess], folder: Path, worlds: Sequence[int]
) -> dict[int, list[Trained]]:
    began, alone, failed = time.monotonic(), 0.0, 0.0
    while any(process.is_alive() for process in running.values()):
        for process in running.values():
            process.join(0.02)
        now = time.monotonic() - began
        if not alone and not running[worlds[0], 0].is_alive():
            alone = now
        if not failed and any(process.exitcode for process in running.values()):
            failed = now
        if now > FIRST_WAIT + WAIT_PER_SECOND * alone or (failed and now > failed + LAST_WORDS):
            break
    results: dict[int, list[Trained]] = {}
    for world in worlds:
        ended = [_result(folder, world, rank, running[world, rank]) for rank in range(world)]
        faults = sorted((one for one in ended if isinstance(one, Failed)), key=lambda one: one.victim)
        if faults:
            where = "one process" if world == 1 else f"{world} processes"
            if faults[0].refused:
                raise Skip(f"it refuses {where}: {faults[0].sentence}")
            raise AssertionError(f"on {where} it does not work: {faults[0].sentence}")
        results[world] = [one for one in ended if not isinstance(one, Failed)]
    return results


def _result(folder: Path, world: int, rank: int, process: BaseProcess) -> Trained | Failed:
    with suppress(OSError):
        kept: Trained | Failed = torch.load(_place(folder, world, rank), weights_only=False)
        return kept
    if process.is_alive():
        return Failed(
            "the processes wait for each other; every one of them must call gather_rows and sum_over_processes, in the"
            " same order and the same number of times",
            victim=True,
        )
    return Failed(f"process {rank} ended with exit code {process.exitcode}")


def _place(folder: Path, world: int, rank: int) -> Path:
    return folder / f"{world}-{rank}.pt"


def _run(work: Make | bytes, folder: Path, world: int, rank: int, steps: int) -> None:
    """What a process does from start to end; leaves with a code if it failed."""
    kept: Trained | Failed
    with open(os.devnull, "wb") as nothing:
        for stream in (1, 2):
            os.dup2(nothing.fileno(), stream)
    torch.set_num_threads(1)
    try:
        with _joined(folder, world, rank):
            kept = _trained(work, folder / f"{world}", steps)
    except UsageError as fault:
        kept = Failed(str(fault), refused=True)
    except SslskelError as fault:
        kept = Failed(str(fault), victim=CONTACT in str(fault))
    except BaseException as fault:
        last = traceback.extract_tb(fault.__traceback__)[-1]
        kept = Failed(f"{type(fault).__name__}: {fault} ({last.filename}, line {last.lineno})")
    place = _place(folder, world, rank)
    with replacing(place) as file:
        torch.save(kept, file)
    # Threads of gloo and of the heartbeat would hold up an orderly end.
    os._exit(int(isinstance(kept, Failed)))


@contextmanager
def _joined(folder: Path, world: int, rank: int) -> Iterator[None]:
    """This process as one of several; through a file, so that no port is needed."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        os.environ.pop(name, None)
    os.environ["OMP_NUM_THREADS"] = "1"
    if world > 1:
        where = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
        os.environ.update({name: str(value) for name, value in where.items()})
        if Path("/sys/class/net/lo").exists():
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        store = dist.FileStore(str(folder / f"{world}.store"), world)  # type: ignore[attr-defined]
        limit = datetime.timedelta(seconds=10 * FIRST_WAIT)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=limit)
    yield


def _trained(work: Make | bytes, folder: Path, steps: int) -> Trained:
    make: Make = pickle.loads(work) if isinstance(work, bytes) else work
    method, source = make()
    recorder = _Recorder(steps)
    method.register_forward_pre_hook(recorder.before)
    method.register_forward_hook(recorder.after)
    train = TrainConfig(
        epochs=EPOCHS,
        batch_size=BATCH,
        optimiser=Optimiser.sgd,
        lr=0.05,
        min_lr=0.0,
        warmup_epochs=0,
        clip_norm=1.0,
        drop_last=False,
    )
    engine = EngineConfig(device="cpu", precision=Precision.fp64, threads=1, log_every=1)
    with suppress(_Enough):
        done = pretrain(method, source, train, engine, 0, folder, {})
        recorder.passes.append(Pass(step=done.steps, state=_state(method), totals={}, counts={}))
    expect(len(recorder.passes) > 1, "no step was taken")
    return Trained(passes=recorder.passes, norms=_norms(folder / NAME))


def _norms(metrics: Path) -> list[float]:
    if dist.is_initialized() and dist.get_rank() > 0:
        return []
    return [json.loads(line)["gradient_norm"] for line in metrics.read_text(encoding="utf-8").splitlines()]
