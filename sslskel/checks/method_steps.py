"""Contract checks of a method over several steps: what trains, and gradients over processes."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.method import PretextMethod
from sslskel.api.noise import Noise
from sslskel.api.turn import Turn
from sslskel.checks.fixtures import make_source
from sslskel.checks.method_case import CLIPS, FEW, MethodCase, forward, start_epoch, step_at
from sslskel.checks.runner import Skip, expect, global_generators_untouched
from sslskel.checks.watched_io import opens_only
from sslskel.config.groups import Precision, TrainConfig
from sslskel.engine.gradients import Part
from sslskel.engine.origins import hashed_origins
from sslskel.engine.turns import Turns


def declares_what_it_reads(case: MethodCase) -> None:
    """load_start opens no file but those that origins() names, and a step opens none."""
    method, declared = case.build(started=False), hashed_origins(case.plugin, case.config)
    undeclared = "load_start opens files that origins() does not name, so that no run knows what is in them"
    with torch.no_grad(), opens_only([origin.path for origin in declared], undeclared):
        method.load_start()
    if case.plugin.trains:
        views, noise = case.views(method, clips=FEW)
        with opens_only((), "files are read after the start; read them in load_start and name them in origins()"):
            start_epoch(method.eval(), make_source(case.info, CLIPS, method.clip))
            forward(method.train(), views, noise)


def keeps_what_trains(case: MethodCase) -> None:
    """Which parameters require a gradient stays the same over steps; another choice is another stage or turn."""
    case.require_training()
    method = case.build()
    views, noise = case.views(method, clips=FEW)
    before = {name: p.requires_grad for name, p in method.named_parameters()}
    for step in range(3):
        forward(method, views, noise, step)
        method.on_step_end(step_at(step), noise)
        changed = [name for name, p in method.named_parameters() if p.requires_grad != before.get(name)]
        expect(
            not changed, f"requires_grad of {', '.join(changed[:5])} changes in a step; settle it in the constructor"
        )


def epochs_start_the_same_way(case: MethodCase) -> None:
    """A pass over the clips between epochs is bit-equal when repeated, and leaves trained weights alone."""
    case.require_training()
    if case.plugin.on_epoch_start is PretextMethod.on_epoch_start:
        raise Skip("it does nothing between epochs (no on_epoch_start)")
    method = case.build(started=False).eval()
    source = make_source(case.info, CLIPS, method.clip)
    twice = []
    with global_generators_untouched():
        for _ in range(2):
            made = copy.deepcopy(method)
            start_epoch(made, source)
            twice.append(made.state_dict())
    changed = [name for name, value in twice[0].items() if not torch.equal(value, twice[1][name])]
    expect(not changed, f"on_epoch_start gives another {', '.join(changed[:3])} the second time; draw from its noise")
    trained = [(name, p) for name, p in method.named_parameters() if p.requires_grad]
    moved = [name for name, p in trained if not torch.equal(p, twice[0][name])]
    expect(not moved, f"on_epoch_start changes {', '.join(moved[:3])}, which the optimiser trains; keep it in a buffer")


_newest_parallel: list[DistributedDataParallel] = []
"""Keeps the newest process group until the next one. A group that is freed waits for its threads while it
holds the interpreter's lock; threads that are still letting go of their work may want that lock, and neither ends."""


def runs_under_ddp(case: MethodCase) -> None:
    """Three steps under DistributedDataParallel with find_unused_parameters=False; several turns as the engine does."""
    case.require_training()
    method = case.build()
    views, noise = case.views(method, clips=FEW)
    turns = method.turns()
    with _one_process():
        if len(turns) > 1:
            _take_turns(method, turns, views, noise)
        else:
            _parallel_steps(method, views, noise)


def _parallel_steps(method: PretextMethod, views: Sequence[Batch], noise: Noise) -> None:
    with warnings.catch_warnings():
        # Newer torch renames the option; the old name works from 2.4 on.
        warnings.simplefilter("ignore", FutureWarning)
        parallel = DistributedDataParallel(method, broadcast_buffers=False, find_unused_parameters=False)
    _newest_parallel[:] = [parallel]
    for step in range(3):
        method.on_step_start(step_at(step), noise)
        output: StepOutput = parallel(views, noise, step_at(step))
        output.loss().backward()  # type: ignore[no-untyped-call]
        method.on_step_end(step_at(step), noise)
    without = [name for name, p in method.named_parameters() if p.requires_grad and p.grad is None]
    expect(not without, f"no gradient under DDP for {', '.join(without[:5])}")


def _take_turns(method: PretextMethod, turns: Sequence[Turn], views: Sequence[Batch], noise: Noise) -> None:
    """The engine averages the gradients of each turn itself; every turn is due in one of these steps."""
    optimisers = Turns(method, TrainConfig(warmup_epochs=0), Precision.fp32, torch.device("cpu"))
    parts = [Part(tuple(views), 1.0)]
    for step in sorted({0, 1, 2, *(turn.every - 1 for turn in turns)}):
        method.on_step_start(step_at(step), noise)
        optimisers.step(method, parts, True, views[0].num_clips, noise, step_at(step), (0.0, 0.0))
        method.on_step_end(step_at(step), noise)


@contextmanager
def _one_process() -> Iterator[None]:
    if not dist.is_available() or not dist.is_gloo_available():
        raise Skip("this torch has no gloo")
    if dist.is_initialized():
        raise Skip("a process group is running already")
    named = os.environ.get("GLOO_SOCKET_IFNAME")
    if named is None and Path("/sys/class/net/lo").exists():
        # Otherwise gloo asks the network for this machine's name, and waits where no answer comes.
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    try:
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
    except RuntimeError as fault:
        raise Skip(f"gloo does not start here: {fault}") from fault
    finally:
        if named is None:
            os.environ.pop("GLOO_SOCKET_IFNAME", None)
    try:
        yield
    finally:
        dist.destroy_process_group()


STEP_CHECKS = (declares_what_it_reads, keeps_what_trains, epochs_start_the_same_way, runs_under_ddp)
