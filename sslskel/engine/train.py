"""The training loop of every pretext method, to be read from top to bottom.

It owns data order, precision, gradients over processes, checkpoints and faults; the
method owns the loss. On one machine the same call gives the same bytes, interrupted or not.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import torch

from sslskel.api.distributed import clips_known, rank, sum_over_processes, world_size
from sslskel.api.method import PretextMethod, Progress
from sslskel.api.noise import Noise
from sslskel.config.compose import UNSAID, WATCHING, chosen_by_probe, spoken
from sslskel.config.groups import EngineConfig, Precision, TrainConfig
from sslskel.data.loader import ClipSource
from sslskel.data.mixture import Mixture
from sslskel.engine import checkpoint as disk
from sslskel.engine.accelerator import compiling, launch, tracker, unwrap, wrap
from sslskel.engine.device import arithmetic, check_precision, forget_peak, peak_memory, resolve_device
from sslskel.engine.disguise import Disguised
from sslskel.engine.heartbeat import contact
from sslskel.engine.initial import Start, load_whole
from sslskel.engine.log_file import LogFile
from sslskel.engine.misfits import refuse_misfits
from sslskel.engine.parts import clips_everywhere, step_parts
from sslskel.engine.probing import UNWATCHED, Probing, Watch
from sslskel.engine.sampler import EpochSampler
from sslskel.engine.signals import StopRequest, interrupted
from sslskel.engine.step_log import Outlets, RunLog, StepReport
from sslskel.engine.training_clips import SourceClips
from sslskel.engine.turns import Turns
from sslskel.errors import RunError
from sslskel.files import writing_in
from sslskel.results.facts import PROBE


@dataclass(frozen=True)
class TrainResult:
    """What a finished pretraining left, and what it cost over all its attempts."""

    checkpoint: Path
    steps: int
    seconds: float
    samples_per_second: float
    peak_memory: int
    """Bytes."""
    loss: float
    """Of the last step; NaN where nothing was trained."""


@dataclass
class _Run:
    """One pretraining: what stays the same over its steps, and where it stands."""

    method: PretextMethod
    source: ClipSource | Mixture
    train: TrainConfig
    engine: EngineConfig
    seed: int
    folder: Path
    meta: Mapping[str, object]
    device: torch.device
    sampler: EpochSampler
    total: int
    """Steps; 0 where the method does not train."""
    step: int = 0
    seconds: float = 0.0
    loss: float = float("nan")
    memory: int = 0
    turns: Turns = field(init=False)
    probing: Probing = field(init=False)
    log: LogFile = field(init=False)
    shown: Disguised = field(init=False)
    """The source as the method sees it."""

    def __post_init__(self) -> None:
        self.log = LogFile(self.folder)
        self.shown = Disguised(self.source, f"{self.meta.get('identity')} {self.seed}")

    @property
    def progress(self) -> Progress:
        """Where it stands, as the method sees it."""
        of_epoch, clips = self.sampler.steps_per_epoch, len(self.source)
        return Progress(self.step, of_epoch, self.train.epochs, clips, self.sampler.largest, self.seed)

    @property
    def settings(self) -> dict[str, Any]:
        """What a continued run must share with its start, beyond ``meta['identity']``."""
        free = {"checkpoint_epochs", "keep_checkpoints", "accumulate"}
        plain = {k: v.value if isinstance(v, Enum) else v for k, v in dataclasses.asdict(self.train).items()}
        free |= set() if chosen_by_probe("train", plain) else set(WATCHING)
        shared = {f"train.{name}": value for name, value in spoken("train", plain).items() if name not in free}
        return {**shared, "engine.precision": self.engine.precision.value, "clips": len(self.source)}


def pretrain(
    method: PretextMethod,
    source: ClipSource | Mixture,
    train: TrainConfig,
    engine: EngineConfig,
    seed: int,
    folder: Path,
    meta: Mapping[str, object],
    *,
    init: Start | None = None,
    watch: Watch = UNWATCHED,
) -> TrainResult:
    """Train ``method`` on ``source``, continuing from the newest valid checkpoint in ``folder``.

    Returns at once where that one is finished. ``meta`` (JSON) is kept in every checkpoint;
    ``init`` puts weights into the method of a new run. ``source`` must be on the
    run's device and in its dtype. ``watch`` sees every step, and its probe changes none of them.

    Raises ``UsageError`` for settings that cannot work, ``CheckpointError`` where ``folder``
    or ``init`` belongs to something else, ``RunError`` on a non-finite loss or a full disk,
    and ``Interrupted`` after a signal, state saved.
    """
    device = resolve_device(engine.device)
    check_precision(device, engine.precision)
    sampler = EpochSampler(len(source), train.batch_size, seed, train.drop_last)
    total = train.trained_epochs * sampler.steps_per_epoch if method.trains else 0
    with arithmetic(engine), contact():
        accelerator = launch(engine, device, folder)
        refuse_misfits(method, train, sampler)
        method.to(device=device, dtype=torch.float64 if engine.precision is Precision.fp64 else None)
        run = _Run(method, source, train, engine, seed, folder, meta, device, sampler, total)
        run.probing = Probing(watch.probe, train, sampler.steps_per_epoch, total)
        if method.trains:
            run.turns = Turns(method, train, engine.precision, device)
        checkpoint = _start(run, init)
        if checkpoint is None or run.step < run.total:
            if run.step < run.total:
                with run.log.kept(f"step {run.step} of {run.total}, {world_size()} process(es), {run.device}"):
                    _loop(run, accelerator, watch)
            else:
                _save(run)
            checkpoint = disk.step_folder(folder, run.step)
    rate = sampler.clips_until(run.step) / run.seconds if run.seconds else 0.0
    return TrainResult(checkpoint, run.step, run.seconds, rate, run.memory, run.loss)


def _start(run: _Run, init: Start | None) -> Path | None:
    """Put the run where its newest valid checkpoint was, and return that; None for a new run."""
    at = -1
    if rank() == 0:
        with writing_in(run.folder, "the run"):
            run.folder.mkdir(parents=True, exist_ok=True)
            disk.remove_leftovers(run.folder)
        newest = disk.latest(run.folder)
        at = -1 if newest is None else int(newest.name[5:])
    # All processes go on from the one that the first has verified.
    at = int(sum_over_processes(torch.tensor(at if rank() == 0 else 0, device=run.device)))
    if at < 0:
        with torch.no_grad():
            run.method.load_start()
            if init is not None:
                init(run.method)
        return None
    checkpoint = disk.step_folder(run.folder, at)
    state = disk.read_state(checkpoint)
    theirs = {"identity": state["meta"].get("identity"), "seed": state["seed"], **state.get("settings", {})}
    ours = {"identity": run.meta.get("identity"), "seed": run.seed, **run.settings}
    late = [name for name in ours if name.partition(".")[2] in UNSAID["train"]]
    for name, value in {**dict.fromkeys(late), **theirs}.items():
        # A method that does not train is the same whatever the options of training are.
        if value != ours.get(name) and (run.method.trains or not name.startswith("train.")):
            raise disk.OtherRun(
                f"{checkpoint} belongs to another run: its {name} is {value}, not {ours.get(name)}; remove it or choose"
                " another output folder"
            )
    load_whole(run.method, checkpoint)
    if run.method.trains:
        run.turns.restore(run.probing.restore(state, disk.load_optimiser(checkpoint)))
    run.step, run.seconds, run.memory = int(state["step"]), float(state["seconds"]), int(state.get("peak_memory", 0))
    run.loss = float("nan") if state["loss"] is None else float(state["loss"])
    return checkpoint


def _loop(run: _Run, accelerator: Any, watch: Watch) -> None:
    """Steps until the end, a signal or a fault. What a step gave is read after the next one was queued."""
    model = wrap(accelerator, run.method, run.engine, exchanges=not run.turns.several)
    outlets = Outlets(tracker(accelerator, run.engine, run.settings), watch.reporter, run.log)
    again = PROBE if run.probing.due(run.step) else ""
    log = RunLog(run.folder, run.sampler, run.step, run.total, run.engine.log_every, run.device, outlets, again)
    pending: deque[StepReport] = deque()
    lag = 1 if run.device.type == "cuda" else 0
    before, began = run.seconds, time.perf_counter()
    forget_peak(run.device)
    run.method.train()
    try:
        with StopRequest() as stop, compiling(run.engine):
            began += _probe(run, log)
            while run.step < run.total:
                if run.step % run.sampler.steps_per_epoch == 0:
                    _start_epoch(run)
                pending.append(_step(run, model, stop.flags))
                run.step += 1
                run.seconds = before + time.perf_counter() - began
                epoch, within = divmod(run.step, run.sampler.steps_per_epoch)
                due = run.step == run.total or (within == 0 and epoch % run.train.checkpoint_epochs == 0)
                code = _read(run, log, pending, 0 if due or run.probing.due(run.step) else lag)
                if world_size() == 1:
                    code = max(code, stop.code)
                if not code or run.step == run.total:
                    # Whoever wants the run to stop will not wait for a score: it is made up for when it goes on.
                    began += _probe(run, log)
                if run.step == run.total:
                    code = max(code, stop.code)
                if due or code:
                    code = max(code, _read(run, log, pending, 0))
                    _save(run)
                if code:
                    raise interrupted(code, f"step {run.step} of {run.total} is saved in {run.folder}")
    finally:
        unwrap(accelerator, run.method, run.engine)


def _read(run: _Run, log: RunLog, pending: deque[StepReport], keep: int) -> int:
    """Take in all reports but the last ``keep``; returns the exit code that a process requests, or 0."""
    code = 0
    while len(pending) > keep:
        values = pending.popleft().read()
        if values.fault:
            raise log.failure(values, run.source.names)
        run.loss, code = values.loss, max(code, values.code)
        log.write(values)
    return code


def _probe(run: _Run, log: RunLog) -> float:
    """Score the weights where that is due; returns the seconds it took, which count as no training."""
    if not run.probing.due(run.step):
        return 0.0
    began, run.memory = time.perf_counter(), max(run.memory, peak_memory(run.device))
    score = run.probing.score(run.step, run.method.state_dict())
    forget_peak(run.device)
    seconds = time.perf_counter() - began
    log.probe(run.step, run.probing.name, score, seconds)
    return seconds


def _start_epoch(run: _Run) -> None:
    """Let the method pass over the training clips; every epoch, and never inside one."""
    run.method.eval()
    with torch.no_grad():
        noise = Noise(run.seed, run.step, run.device).sealed(run.shown.seal).between_steps()
        run.method.on_epoch_start(SourceClips(run.shown), noise, run.progress)
    run.method.train()


def _step(run: _Run, model: Any, stops: tuple[float, float]) -> StepReport:
    """One update of every optimiser whose turn it is, from one global batch."""
    progress, rows = run.progress, run.sampler.batch(run.step)
    noise = Noise(run.seed, run.step, run.device).over(run.source.keys[rows]).sealed(run.shown.seal)
    with torch.no_grad():
        run.method.on_step_start(progress, noise)
        parts = step_parts(run.method, run.shown, run.sampler, run.train.accumulate, run.step, noise)
    accumulate = run.train.accumulate
    with clips_known(clips_everywhere(run.method, run.sampler, accumulate, run.step)):
        rate, facts = run.turns.step(model, parts, accumulate == 1, len(rows), noise, progress, stops)
        with torch.no_grad():
            run.method.on_step_end(progress, noise)
    return StepReport(run.step, rows, rate, facts)


def _save(run: _Run) -> None:
    """Write a checkpoint, by the first process alone; all of them fail where it fails."""
    fault: RunError | None = None
    run.memory = max(run.memory, peak_memory(run.device))
    if rank() == 0:
        state = {
            "epoch": run.step / run.sampler.steps_per_epoch,
            "seconds": run.seconds,
            "loss": run.loss if run.loss == run.loss else None,
            "peak_memory": run.memory,
            "seed": run.seed,
            "finished": run.step == run.total,
            "settings": run.settings,
            "meta": dict(run.meta),
            **run.probing.state(run.step),
        }
        tensors = {**run.turns.tensors(), **run.probing.tensors(run.step)} if run.method.trains else {}
        weights = run.probing.left(run.method.state_dict(), run.step)
        try:
            disk.save_checkpoint(run.folder, run.step, weights, tensors, state, run.train.keep_checkpoints)
        except RunError as error:
            fault = error
    failed = bool(sum_over_processes(torch.tensor(float(fault is not None), device=run.device)))
    if failed:
        raise fault or RunError(f"the first process could not write the checkpoint of step {run.step}; see its error")
