"""Runs a grid's pretrainings side by side on one machine, each in a process of its own.

A job is one method, benchmark and seed with all its protocols: what shares an encoder stays
together. Jobs are ordinary ``sslskel bench`` commands on the same results folder, so a job
that is killed is continued by giving the command again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from sslskel.data.prepare import open_benchmark
from sslskel.data.store.store import StoredDataset
from sslskel.engine.interpreter import sslskel_command
from sslskel.engine.provenance import COMMAND, command_line
from sslskel.engine.signals import INTERRUPTED, PREEMPTED, StopRequest, interrupted
from sslskel.errors import DataError, PluginError, RunError, SslskelError, UsageError
from sslskel.grid.buildable import check_each
from sslskel.grid.cell import Cell
from sslskel.grid.failures import keep, named
from sslskel.grid.pace import scored
from sslskel.grid.request import GridRequest
from sslskel.grid.run import BenchResult
from sslskel.grid.sources import SourceGuard
from sslskel.hashing import digest
from sslskel.leaderboard import build_board
from sslskel.leaderboard.folder import board_of
from sslskel.plugins.registry import BENCHMARKS, looked_up_once
from sslskel.progress import SILENT, Reporter
from sslskel.results.failures import attempts
from sslskel.results.failures import failures as noted
from sslskel.results.record import UnknownRecord
from sslskel.results.store import ResultStore
from sslskel.text import duration

POLL_SECONDS = 0.2
REPORT_SECONDS = 20.0
"""How often the last line of each running job is passed on."""
PATIENCE_SECONDS = 60.0
"""How long jobs may take to end themselves once the command is interrupted."""


@dataclass
class Job:
    """One pretraining and what is judged of it."""

    request: GridRequest
    """What its process is asked for."""
    cells: dict[str, Cell]
    """What it makes, by the identities of the records."""
    title: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    output: IO[bytes] | None = None
    device: int = 0
    reported: str = ""
    """Its last line that was passed on."""
    noted: Mapping[str, int] = field(default_factory=dict)
    """How many failures of each cell were noted before it started."""

    @property
    def identities(self) -> list[str]:
        """Of the records that it makes."""
        return list(self.cells)

    @property
    def store(self) -> ResultStore:
        """Where it keeps them."""
        return ResultStore(self.request.output)

    def notes(self) -> dict[str, int]:
        """How many failures of each cell are noted."""
        return {identity: len(attempts(self.request.output, identity)) for identity in self.cells}


@dataclass(frozen=True)
class GridJobs:
    """A grid's cells, and the jobs that make those which have no record."""

    cells: list[Cell]
    identities: list[str]
    jobs: list[Job]
    store: ResultStore
    guard: SourceGuard
    failures: list[str] = field(default_factory=list)
    """One sentence per method and per protocol that the data do not fit, whose cells are left out."""
    broken: list[tuple[str, Cell, PluginError]] = field(default_factory=list)
    """Identity of each cell that was left out since the code of a plugin fails, and how."""


def bench_in_jobs(request: GridRequest, jobs: int, reporter: Reporter = SILENT) -> BenchResult:
    """As :func:`run_grid`, with up to ``jobs`` pretrainings at a time, for every variant of the request.

    The cores are shared out among the jobs, and each gets one of several GPUs in turn. What a
    job prints goes to ``RESULTS/logs``. Raises ``UsageError`` before anything starts where a
    cell does not fit, and ``Interrupted`` once all jobs have written their checkpoints.
    """
    result = result_of(*side_by_side([request], jobs, reporter))
    if (request.output / "records").is_dir():
        result.board = board_of(request.output, request.benchmarks, reporter.line)
    return result


def side_by_side(
    requests: Sequence[GridRequest], jobs: int, reporter: Reporter = SILENT
) -> tuple[list[GridJobs], list[str]]:
    """Run what is due of several grids of one results folder, ``jobs`` at a time whichever grid they are of.

    Returns the grids as they were before, and one sentence per cell that failed or method that does not fit. Raises as
    :func:`bench_in_jobs`.
    """
    if jobs < 1:
        raise UsageError(f"--jobs is {jobs}; it must be at least 1")
    grids = _grids(requests, reporter)
    queue = [job for grid in grids for job in grid.jobs]
    failures = [failure for grid in grids for failure in grid.failures]
    for grid in grids:
        for identity, cell, fault in grid.broken:
            keep(grid.store, identity, fault, named(cell))
    return grids, failures + (_JobRunner(queue, jobs, reporter).run() if queue else [])


def _grids(requests: Sequence[GridRequest], reporter: Reporter) -> list[GridJobs]:
    """One for each request; raises what leaves out every cell of a request where that is so of all of them."""
    grids, faults = list[GridJobs](), list[UsageError]()
    for request in requests:
        try:
            grids.append(find_jobs(request, reporter))
        except (DataError, PluginError) as fault:
            faults.append(fault)
    if not grids:
        raise faults[0]
    grids[0].failures.extend(map(str, faults))
    return grids


def result_of(grids: Sequence[GridJobs], failures: Sequence[str]) -> BenchResult:
    """What :func:`side_by_side` left behind, without a board."""
    result = BenchResult(build_board([]), failures=list(failures))
    for grid in grids:
        due = [identity for job in grid.jobs for identity in job.identities]
        done = {key for key, cell in zip(grid.identities, grid.cells, strict=True) if not grid.guard.is_due(cell, key)}
        result.ran += len(done.intersection(due))
        result.reused += len(grid.cells) - len(due)
        result.records += [grid.store.read(identity) for identity in grid.identities if identity in done]
    return result


@looked_up_once()
def find_jobs(request: GridRequest, reporter: Reporter = SILENT) -> GridJobs:
    """Compose and check the whole grid; raises ``UsageError`` where the options of a cell do not fit.

    A variant whose every cell is left out raises only where that is so of all variants.
    """
    store, datasets, faults = ResultStore(request.output), dict[str, StoredDataset](), list[UsageError]()
    grid = GridJobs([], [], [], store, SourceGuard(store, request.keep_results, reporter))
    for one in request.each_variant():
        cells = one.cells()
        for name in {name for cell in cells for name in (cell.benchmark, cell.judged_on[0])} - datasets.keys():
            datasets[name] = open_benchmark(BENCHMARKS.get(name))
        try:
            checked = check_each(cells, datasets)
        except (DataError, PluginError) as fault:
            faults.append(fault)
            continue
        cells = checked.cells
        grid.failures.extend(checked.failures)
        grid.broken.extend((_identity(cell, datasets), cell, fault) for cell, fault in checked.broken)
        identities = [_identity(cell, datasets) for cell in cells]
        # An option that a method lacks leaves its cell as it was in an earlier variant.
        before, named = set(grid.identities), dict(zip(identities, cells, strict=True))
        due = {key: cell for key, cell in named.items() if key not in before and grid.guard.is_due(cell, key)}
        grid.cells.extend(cells)
        grid.identities.extend(identities)
        grid.jobs.extend(_jobs(due, one, one.overrides[len(request.overrides) :]))
    if len(faults) == len(request.variants):
        raise faults[0]
    grid.failures.extend(dict.fromkeys(map(str, faults)))
    return grid


def _identity(cell: Cell, datasets: Mapping[str, StoredDataset]) -> str:
    return cell.identity(datasets[cell.benchmark], datasets[cell.judged_on[0]])


def _jobs(due: Mapping[str, Cell], request: GridRequest, variant: Sequence[str]) -> list[Job]:
    """One job per method, benchmark and seed of the cells that are due, by their identities."""
    grouped: dict[tuple[str, str, str, int], list[str]] = {}
    for identity, cell in due.items():
        grouped.setdefault((cell.method, *cell.judged_on, cell.seed), []).append(identity)
    options = request.options()
    shown = [*([request.backbone] if request.backbone else []), *variant]
    more = f", {' '.join(shown)}" if shown else ""
    tail = f"-{digest({'options': options})[:8]}" if options else ""
    jobs = []
    for (method, benchmark, split, seed), identities in grouped.items():
        cells = [due[identity] for identity in identities]
        log = request.output / "logs" / f"{method}-{benchmark}-{split}-s{seed}{tail}.log"
        own, title = dict(zip(identities, cells, strict=True)), f"{method} on {benchmark}/{split}, seed {seed}{more}"
        jobs.append(Job(_of_one_encoder(cells, request), own, title, log))
    return jobs


def _of_one_encoder(cells: Sequence[Cell], request: GridRequest) -> GridRequest:
    """The part of a request that is of these cells, which share their encoder."""
    cell = cells[0]
    protocols = tuple(dict.fromkeys(one.protocol for one in cells if one.protocol is not None))
    known = set[str]().union(*(one.option_names() for one in cells))
    named = dict(zip(request.judged_on(), request.benchmarks, strict=True))
    return replace(
        request,
        methods=(cell.method,),
        protocols=protocols,
        benchmarks=(named[cell.judged_on],),
        seeds=(cell.seed,),
        backbone=cell.backbone,
        preset=cell.preset,
        # An option that other methods of the grid have means nothing to this one.
        overrides=tuple(one for one in request.overrides if one.partition("=")[0] in known),
    )


def job_command(job: Job) -> list[str]:
    """The ``sslskel bench`` command that does a job."""
    return sslskel_command("bench", *job.request.argv())


def _scores(job: Job) -> str:
    """Of all cells of a job that has ended well."""
    try:
        records = [job.store.read(identity) for identity in job.identities]
    except SslskelError:
        # Whoever makes the board says what is wrong with a record.
        return "done"
    return ", ".join(f"{record.protocol['name']} {scored(record)}" for record in records)


class _JobRunner:
    """Starts jobs as others end, so many at a time, and passes on what they print."""

    def __init__(self, queue: Sequence[Job], slots: int, reporter: Reporter) -> None:
        self.queue, self.slots, self.reporter = list(queue), slots, reporter
        self.running: list[Job] = []
        self.failures: list[str] = []
        self.total, self.ended = len(queue), 0
        self.began = self.reported = time.monotonic()

    def run(self) -> list[str]:
        """One sentence per cell that failed, when all jobs have ended."""
        with StopRequest() as stop:
            try:
                while self.queue or self.running:
                    while self.queue and len(self.running) < self.slots and not stop.code:
                        self._start(self.queue.pop(0))
                    if stop.code:
                        self._stop(stop.code)
                    self._collect()
                    self._report()
                    time.sleep(POLL_SECONDS)
            finally:
                for job in self.running:
                    assert job.process is not None
                    job.process.kill()
        return self.failures

    def _start(self, job: Job) -> None:
        taken = {other.device for other in self.running}
        job.noted = job.notes()
        job.device = next(slot for slot in range(self.slots) if slot not in taken)
        try:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            job.output = job.log.open("wb")
            job.process = subprocess.Popen(
                job_command(job),
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
        self.reporter.line(f"[{self.ended + len(self.running)}/{self.total}] {job.title}: started, see {job.log}")

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
                self.reporter.line(f"[{self.ended}/{self.total}] {job.title}: {_scores(job)}{self._left()}")
            elif code not in (INTERRUPTED, PREEMPTED):
                failures = _failures(job, code)
                self.failures += failures
                self.reporter.line(f"[{self.ended}/{self.total}] {job.title}: failed: {'; '.join(failures)}")

    def _left(self) -> str:
        """At the pace of the jobs so far; empty after the last."""
        seconds = (time.monotonic() - self.began) / self.ended * (self.total - self.ended)
        return f", about {duration(seconds)} left" if self.ended < self.total else ""

    def _report(self) -> None:
        if time.monotonic() - self.reported >= REPORT_SECONDS:
            self.reported = time.monotonic()
            for job in self.running:
                line = _last_line(job.log).strip()
                if line not in ("", job.reported):
                    job.reported = line
                    self.reporter.line(f"  {job.title}: {line}")

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
        raise interrupted(code, f"{len(self.queue)} jobs were not started")


def _failures(job: Job, code: int) -> list[str]:
    """What a failed job left unfinished, in the words of a grid in one process.

    A cell of which the job could not note why it failed, for instance since it was killed, is noted here.
    """
    ended = f"ended with code {code}"
    if code < 0:
        name = signal.Signals(-code).name
        ended = f"was killed by {name}" + (", as the system does when memory runs out" if name == "SIGKILL" else "")
    fault = RunError(f"its process {ended}: {_last_line(job.log) or 'it printed nothing'} (see {job.log})")
    now, known = job.notes(), {one.identity: one.words(job.request.output) for one in noted(job.request.output)}
    words = []
    for identity, cell in job.cells.items():
        if not _recorded(job.store, identity):
            fresh = now[identity] > job.noted[identity] and identity in known
            why = known[identity] if fresh else keep(job.store, identity, fault, named(cell))
            words.append(f"{cell.title}: {why}")
    return words or [f"{job.title}: {fault}"]


def _recorded(store: ResultStore, identity: str) -> bool:
    try:
        return store.has(identity)
    except UnknownRecord:
        return False


def _visible_gpus() -> list[str]:
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(index) for index in range(torch.cuda.device_count())]


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("sslskel: ") if lines else ""
