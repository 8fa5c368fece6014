"""Runs a grid's pretrainings side by side on one machine, each in a process of its own.

A job is one method, benchmark and seed with all its protocols: what shares an encoder stays
together. Jobs are ordinary ``sslskel bench`` commands on the same results folder, so a job
that is killed is continued by giving the command again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sslskel.api.dataset import Dataset
from sslskel.config.compose import option_names
from sslskel.data.prepare import open_benchmark
from sslskel.engine.signals import INTERRUPTED, PREEMPTED, StopWish, interrupted
from sslskel.errors import RunError, UsageError
from sslskel.grid.cell import Cell, grid
from sslskel.grid.record import COMMAND, command_line
from sslskel.grid.run import BenchResult, check_buildable, init_digest
from sslskel.grid.stages import silent
from sslskel.hashing import digest
from sslskel.leaderboard import build_board
from sslskel.leaderboard.folder import board_of
from sslskel.plugins.registry import BENCHMARKS, looked_up_once
from sslskel.results.store import ResultStore

POLL_SECONDS = 0.2
TELL_SECONDS = 20.0
"""How often the last word of each running job is passed on."""
PATIENCE_SECONDS = 60.0
"""How long jobs may take to end themselves once the command is interrupted."""


@dataclass
class Job:
    """One pretraining and what is judged of it."""

    cells: list[Cell]
    identities: list[str]
    title: str
    log: Path
    options: Sequence[str] = ()
    """Flags and overrides of its command, beside what its cells say."""
    process: subprocess.Popen[bytes] | None = None
    output: IO[bytes] | None = None
    device: int = 0
    told: str = ""
    """Its last word that was passed on."""


def bench_in_jobs(
    methods: Sequence[str],
    protocols: Sequence[str] = ("linear",),
    benchmarks: Sequence[str] = ("synthetic",),
    seeds: Sequence[int] = (0,),
    *,
    jobs: int,
    output: Path | str = "runs",
    split: str | None = None,
    backbone: str | None = None,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    init: Path | str | None = None,
    pretrain_on: str | None = None,
    variants: Sequence[Sequence[str]] = ((),),
    say: Callable[[str], None] = silent,
) -> BenchResult:
    """As :func:`sslskel.bench`, with up to ``jobs`` pretrainings at a time, for every variant of the grid.

    The cores are shared out among the jobs, and each gets one of several GPUs in turn. What a
    job prints goes to ``OUTPUT/logs``. Raises ``UsageError`` before anything starts where a
    cell does not fit, and ``Interrupted`` once all jobs have written their checkpoints.
    """
    named = (methods, protocols, benchmarks, seeds, Path(output))
    given = Given(*named, split, backbone, preset, overrides, init, pretrain_on, variants)
    [work], failures = side_by_side([given], jobs, say)
    store, due = work.store, [identity for job in work.jobs for identity in job.identities]
    ran = sum(map(store.has, due))
    result = BenchResult(build_board([]), failures=failures, ran=ran, reused=len(work.cells) - len(due))
    result.records = [store.read(identity) for identity in work.identities if store.has(identity)]
    if (given.output / "records").is_dir():
        result.board = board_of(given.output, benchmarks, say)
    return result


def side_by_side(
    grids: Sequence[Given], jobs: int, say: Callable[[str], None] = silent
) -> tuple[list[Work], list[str]]:
    """Run what is due of several grids of one results folder, ``jobs`` at a time whichever grid they are of.

    Returns the grids as they were found and one sentence per job that failed. Raises as
    :func:`bench_in_jobs`.
    """
    if jobs < 1:
        raise UsageError(f"--jobs is {jobs}; it must be at least 1")
    works = [find_jobs(given) for given in grids]
    queue = [job for work in works for job in work.jobs]
    return works, _Floor(queue, jobs, grids[0].output, say).run() if queue else []


@dataclass(frozen=True)
class Given:
    """What a person asked for; as the arguments of :func:`bench_in_jobs`."""

    methods: Sequence[str]
    protocols: Sequence[str]
    benchmarks: Sequence[str]
    seeds: Sequence[int]
    output: Path
    split: str | None = None
    backbone: str | None = None
    preset: str | None = None
    overrides: Sequence[str] = ()
    init: Path | str | None = None
    pretrain_on: str | None = None
    variants: Sequence[Sequence[str]] = ((),)
    """More overrides: the grid is run once for each of these lists."""

    @property
    def flags(self) -> list[str]:
        """Flags and overrides that every job's command repeats."""
        named = (("--split", self.split), ("--init", self.init), ("--pretrain-on", self.pretrain_on))
        return [*(flag for name, value in named if value for flag in (name, str(value))), *self.overrides]


@dataclass(frozen=True)
class Work:
    """A grid, looked at: its cells, and the jobs that make those which have no record."""

    cells: list[Cell]
    identities: list[str]
    jobs: list[Job]
    store: ResultStore


@looked_up_once()
def find_jobs(given: Given) -> Work:
    """Compose and check the whole grid; raises ``UsageError`` where a cell does not fit."""
    store, datasets = ResultStore(given.output), dict[str, Dataset]()
    work = Work([], [], [], store)
    init = init_digest(None if given.init is None else Path(given.init))
    for options in given.variants:
        cells = grid(
            given.methods,
            given.protocols,
            given.benchmarks,
            given.seeds,
            split=given.split,
            backbone=given.backbone,
            preset=given.preset,
            overrides=[*given.overrides, *options],
            init=init,
            pretrain_on=given.pretrain_on,
        )
        for name in {name for cell in cells for name in (cell.benchmark, cell.judged_on[0])} - datasets.keys():
            datasets[name] = open_benchmark(BENCHMARKS.get(name))
        for cell in {(c.method, c.judged_on, c.protocol): c for c in cells}.values():
            check_buildable(cell, datasets[cell.benchmark], datasets[cell.judged_on[0]])
        identities = [cell.identity(datasets[cell.benchmark], datasets[cell.judged_on[0]]) for cell in cells]
        # An option that a method lacks leaves its cell as it was in an earlier variant.
        before, named = set(work.identities), dict(zip(identities, cells, strict=True))
        due = {one: cell for one, cell in named.items() if one not in before and not store.has(one)}
        work.cells.extend(cells)
        work.identities.extend(identities)
        work.jobs.extend(_jobs(due, given, options))
    return work


def _jobs(due: Mapping[str, Cell], given: Given, variant: Sequence[str]) -> list[Job]:
    grouped: dict[tuple[str, str, int], list[str]] = {}
    for identity, cell in due.items():
        grouped.setdefault((cell.method, cell.judged_on[0], cell.seed), []).append(identity)
    options = [*given.flags, *variant]
    named = [word for word in (given.backbone, given.preset) if word]
    shown = [*([given.backbone] if given.backbone else []), *variant]
    more = f", {' '.join(shown)}" if shown else ""
    tail = f"-{digest({'options': [*named, *options]})[:8]}" if named or options else ""
    jobs = []
    for (method, benchmark, seed), identities in grouped.items():
        cells = [due[identity] for identity in identities]
        split = cells[0].judged_on[1]
        log = given.output / "logs" / f"{method}-{benchmark}-{split}-s{seed}{tail}.log"
        title = f"{method} on {benchmark}/{split}, seed {seed}{more}"
        jobs.append(Job(cells, identities, title, log, options))
    return jobs


def job_command(job: Job, output: Path) -> list[str]:
    """The ``sslskel bench`` command that does a job."""
    cell = job.cells[0]
    protocols = list(dict.fromkeys(one.protocol for one in job.cells if one.protocol is not None))
    known = set[str]().union(*(option_names(cell.method, cell.backbone, protocol) for protocol in protocols))
    return [
        *(sys.executable, "-m", "sslskel", "bench", "--method", cell.method, "--protocol", ",".join(protocols)),
        *("--benchmark", cell.judged_on[0], "--seeds", f"{cell.seed},", "--output", str(output)),
        *("--backbone", cell.backbone, "--preset", cell.preset),
        # An option that other methods of the grid have means nothing to this one.
        *(flag for flag in job.options if "=" not in flag or flag.partition("=")[0] in known),
    ]


class _Floor:
    """Where jobs wait, run and end."""

    def __init__(self, queue: Sequence[Job], slots: int, output: Path, say: Callable[[str], None]) -> None:
        self.queue, self.slots, self.output, self.say = list(queue), slots, output, say
        self.running: list[Job] = []
        self.failures: list[str] = []
        self.total, self.ended = len(queue), 0
        self.told = time.monotonic()

    def run(self) -> list[str]:
        """One sentence per job that failed, when all have ended."""
        with StopWish() as wish:
            try:
                while self.queue or self.running:
                    while self.queue and len(self.running) < self.slots and not wish.code:
                        self._start(self.queue.pop(0))
                    if wish.code:
                        self._stop(wish.code)
                    self._collect()
                    self._tell()
                    time.sleep(POLL_SECONDS)
            finally:
                for job in self.running:
                    assert job.process is not None
                    job.process.kill()
        return self.failures

    def _start(self, job: Job) -> None:
        taken = {other.device for other in self.running}
        job.device = next(slot for slot in range(self.slots) if slot not in taken)
        try:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            job.output = job.log.open("wb")
            job.process = subprocess.Popen(
                job_command(job, self.output),
                stdin=subprocess.DEVNULL,
                stdout=job.output,
                stderr=subprocess.STDOUT,
                env=self._environment(job.device),
                # Ctrl-C is passed on by this process, once, and not by the terminal too.
                start_new_session=True,
            )
        except OSError as fault:
            raise RunError(f"{job.title} could not be started: {fault}") from fault
        self.running.append(job)
        self.say(f"[{self.ended + len(self.running)}/{self.total}] {job.title}: started, see {job.log}")

    def _environment(self, slot: int) -> Mapping[str, str]:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        environment = {**os.environ, COMMAND: command_line()}
        environment.setdefault("OMP_NUM_THREADS", str(max(1, cores // self.slots)))
        gpus = _visible_gpus()
        if len(gpus) > 1:
            environment["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]
        return environment

    def _collect(self) -> None:
        for job in [job for job in self.running if job.process is not None and job.process.poll() is not None]:
            assert job.process is not None
            assert job.output is not None
            job.output.close()
            self.running.remove(job)
            self.ended += 1
            code = job.process.returncode
            if code == 0:
                self.say(f"[{self.ended}/{self.total}] {job.title}: done")
            elif code not in (INTERRUPTED, PREEMPTED):
                self.failures.append(f"{job.title} ended with code {code}: {_last_line(job.log)} (see {job.log})")
                self.say(f"[{self.ended}/{self.total}] {self.failures[-1]}")

    def _tell(self) -> None:
        if time.monotonic() - self.told >= TELL_SECONDS:
            self.told = time.monotonic()
            for job in self.running:
                word = _last_line(job.log).strip()
                if word != job.told:
                    job.told = word
                    self.say(f"  {job.title}: {word}")

    def _stop(self, code: int) -> None:
        """Let every job write its checkpoint, then end as the signal asks."""
        number = signal.SIGINT if code == INTERRUPTED else signal.SIGTERM
        for job in self.running:
            assert job.process is not None
            job.process.send_signal(number)
        until = time.monotonic() + PATIENCE_SECONDS
        while self.running and time.monotonic() < until:
            self._collect()
            time.sleep(POLL_SECONDS)
        raise interrupted(code, f"{len(self.queue)} jobs were not begun")


def _visible_gpus() -> list[str]:
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(index) for index in range(torch.cuda.device_count())]


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("sslskel: ") if lines else "it said nothing"
