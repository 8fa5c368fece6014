"""Runs the cells of a grid that are missing, writes their records, and hands over the board.

A finished cell is never run again, an interrupted one continues, and one pretraining
serves every protocol that asks for it.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import nn

from sslskel.api.distributed import is_first, of_first, rank, world_size
from sslskel.data.prepare import open_benchmark
from sslskel.data.store.store import StoredDataset
from sslskel.encoders.adapt import reading_of
from sslskel.encoders.foreign import ForeignModule
from sslskel.encoders.joint_map import joints_in_words
from sslskel.encoders.open import OpenedEncoders, open_encoders
from sslskel.encoders.reuse import resolved_for
from sslskel.engine.accelerator import join
from sslskel.engine.device import own_defaults, resolve_device
from sslskel.engine.train import TrainResult
from sslskel.errors import DataError, Diverged, PluginError, RunError, SslskelError, UsageError
from sslskel.evaluation.judge import Target
from sslskel.evaluation.spread import leading
from sslskel.grid.buildable import Checked, check_each
from sslskel.grid.cell import Cell, evaluation_identity, require_cross_dataset
from sslskel.grid.claim import POLL_SECONDS, claimed
from sslskel.grid.failures import OutOfStep, Unforeseen, ends_grid, in_a_sentence, keep, named, parts_of
from sslskel.grid.foreign import ForeignSubject, opened_or_declared
from sslskel.grid.judging import help_to_judge, judge_alone, judge_and_record
from sslskel.grid.pace import Pace, scored
from sslskel.grid.pretrain import pretrain_folder, pretrain_stage
from sslskel.grid.record import EvaluationTask
from sslskel.grid.request import GridRequest
from sslskel.grid.sources import SourceGuard, digests, of_cell, of_checkpoint
from sslskel.grid.supervised import require_labels
from sslskel.leaderboard.build import Board, build_board
from sslskel.leaderboard.folder import board_of
from sslskel.plugins.registry import BENCHMARKS, DEFAULT_BENCHMARK, DEFAULT_PROTOCOL, METHODS, looked_up_once
from sslskel.progress import SILENT, Reporter
from sslskel.results.failures import forget
from sslskel.results.record import Record
from sslskel.results.store import ResultStore


@dataclass
class BenchResult:
    """What a grid left behind."""

    board: Board
    records: list[Record] = field(default_factory=list)
    """Records of this grid's cells, new and reused."""
    failures: list[str] = field(default_factory=list)
    """One sentence per cell that failed."""
    ran: int = 0
    reused: int = 0


def bench(
    methods: Sequence[str],
    protocols: Sequence[str] = (DEFAULT_PROTOCOL,),
    benchmarks: Sequence[str] = (DEFAULT_BENCHMARK,),
    seeds: Sequence[int] = (0,),
    *,
    output: Path | str = "runs",
    split: str | None = None,
    backbone: str | None = None,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    init: Path | str | None = None,
    pretrain_on: str | None = None,
    keep_results: bool = False,
    reporter: Reporter = SILENT,
) -> BenchResult:
    """Pretrain (or reuse), evaluate, record and rank a grid of methods, protocols, benchmarks and seeds.

    The arguments are those of :class:`GridRequest`; raises and leaves behind as :func:`run_grid`.
    """
    request = GridRequest(
        methods=tuple(methods),
        protocols=tuple(protocols),
        benchmarks=tuple(benchmarks),
        seeds=tuple(seeds),
        output=Path(output),
        split=split,
        backbone=backbone,
        preset=preset,
        overrides=tuple(overrides),
        init=None if init is None else Path(init),
        pretrain_on=pretrain_on,
        keep_results=keep_results,
    )
    return run_grid(request, reporter)


@looked_up_once()
@own_defaults()
def run_grid(request: GridRequest, reporter: Reporter = SILENT) -> BenchResult:
    """Pretrain (or reuse), evaluate, record and rank what a request asks for.

    Everything is composed and checked before the first cell runs: a wrong name, key or type raises ``UsageError`` and
    leaves nothing behind, and a method or protocol that the body does not fit, or whose code fails, takes its own cells
    out alone. A cell that fails later, for whatever reason, is kept in ``failures/`` until it succeeds, with the
    traceback of an error that nobody foresaw. Both are named in the result; the others go on. Where several processes
    train together, such an error raises ``RunError``, since the others wait for the one that failed. Interrupting
    leaves a state that the same call continues. The results folder gets ``records/``, ``predictions/``, ``pretrain/``
    and ``failures/``.
    """
    cells = request.cells()
    join(resolve_device(cells[0].resolved.engine.device))
    run = Run(request, reporter)
    checked = run.open(cells)
    cells = checked.cells
    result = BenchResult(build_board([]), failures=checked.failures)
    for failure in checked.failures:
        reporter.line(f"left out: {failure}")
    for cell, fault in checked.broken if is_first() else ():
        keep(run.store, run.identity(cell), fault, named(cell))
    named_cells = [(run.identity(cell), cell) for cell in cells]
    due = {key: run.pretrain_identity(cell) for key, cell in named_cells if not run.store.path(key).exists()}
    pace = Pace([*due.values()])
    for number, (identity, cell) in enumerate(named_cells, 1):
        reporter.line(f"[{number}/{len(cells)}] {cell.title}{pace.left()}")
        pace.start()
        try:
            with in_a_sentence(parts_of(cell)):
                done = run.finish(cell, identity)
                record = run.store.read(identity) if is_first() else None
        except OutOfStep as fault:
            raise RunError(f"{cell.title}: {keep(run.store, identity, fault, named(cell))}") from fault
        except SslskelError as fault:
            if ends_grid(fault):
                raise
            words = keep(run.store, identity, fault, named(cell)) if is_first() else str(fault)
            result.failures.append(f"{cell.title}: {words}")
            reporter.line(f"  failed: {words}")
            if identity in due:
                pace.end(due[identity])
            continue
        result.ran, result.reused = result.ran + done, result.reused + (not done)
        result.records += [record] if record else []
        if done:
            pace.end(run.pretrain_identity(cell))
        if record:
            reporter.line(f"  {scored(record)}{'' if done else ', already there'}")
    if run.guard.unknown and is_first():
        reporter.line(f"{len(run.guard.unknown)} reused records do not say which code made them")
    if (request.output / "records").is_dir():
        result.board = board_of(request.output, request.benchmarks, reporter.line)
    return result


def run_each(requests: Sequence[GridRequest], reporter: Reporter = SILENT, titles: Sequence[str] = ()) -> BenchResult:
    """Several grids one after the other, as one; ``titles`` are printed before each.

    One whose every cell is left out leaves the others to run. Raises as :func:`run_grid` where that is so of all;
    the board is that of the last one that ran.
    """
    whole, faults = BenchResult(build_board([])), list[UsageError]()
    for number, one in enumerate(requests):
        if titles:
            reporter.line(titles[number])
        try:
            part = run_grid(one, reporter)
        except (DataError, PluginError) as fault:
            reporter.line(f"left out: {fault}")
            faults.append(fault)
            continue
        whole.records += part.records
        whole.failures += part.failures
        whole.ran, whole.reused, whole.board = whole.ran + part.ran, whole.reused + part.reused, part.board
    if len(faults) == len(requests):
        raise faults[0]
    whole.failures = list(dict.fromkeys([*map(str, faults), *whole.failures]))
    return whole


@looked_up_once()
@own_defaults()
def pretrain(request: GridRequest, reporter: Reporter = SILENT) -> tuple[Path, TrainResult]:
    """Pretrain one method, or continue or reuse what is there; returns the folder of its checkpoints.

    Protocols of the request are not looked at. Raises ``UsageError`` where it is of several cells.
    """
    cell = request.single_pretraining()
    join(resolve_device(cell.resolved.engine.device))
    run = Run(request, reporter)
    run.open([cell])
    reporter.line(cell.title)
    identity = run.pretrain_identity(cell)
    try:
        with in_a_sentence(parts_of(cell)):
            made = run.pretrain(cell)
    except Unforeseen as fault:
        raise RunError(f"{cell.title}: {keep(run.store, identity, fault, named(cell))}") from fault
    forget(run.store.folder, identity)
    return made


class Run:
    """A results folder at work, with the datasets that are open for it."""

    def __init__(self, request: GridRequest, reporter: Reporter = SILENT) -> None:
        self.store, self.reporter = ResultStore(request.output), reporter
        self.guard = SourceGuard(self.store, request.keep_results, reporter)
        self._initial = request.initial()
        self._datasets: dict[str, StoredDataset] = {}
        self._failed: dict[str, RunError] = {}

    def open(self, cells: Sequence[Cell]) -> Checked:
        """Open the data of all cells, find those that can run, and read the data once per machine."""
        for name in dict.fromkeys(name for cell in cells for name in (cell.benchmark, cell.judged_on[0])):
            self._datasets[name] = _opened(name)
        checked = check_each(cells, self._datasets)
        for dataset in self._datasets.values():
            _verify(dataset, self.reporter)
        for cell in cells:
            # Of the code that was just loaded, whatever is edited while the cells run.
            of_cell(cell)
        return checked

    def identity(self, cell: Cell) -> str:
        """Hex id of a cell's record."""
        return cell.identity(self._datasets[cell.benchmark], self._datasets[cell.judged_on[0]])

    def pretrain_identity(self, cell: Cell) -> str:
        """Hex id of a cell's pretraining."""
        return cell.pretrain_identity(self._datasets[cell.benchmark])

    def finish(self, cell: Cell, identity: str) -> bool:
        """Run one cell unless its record exists; True where it ran.

        Of several processes all pretrain and encode, and the first alone decides, evaluates and writes.
        """
        with ExitStack() as held:
            code = " ".join((identity, *digests(of_cell(cell)).values()))

            def decide() -> str:
                if not self.guard.done(cell, identity):
                    held.enter_context(claimed(self.store, identity, self.reporter, self._needs(cell)))
                if self.guard.done(cell, identity):
                    return ""
                self.guard.make_room(identity)
                return code

            due = of_first(decide)
            if due not in ("", code):
                raise RunError(
                    f"process {rank()} composed a different configuration of '{cell.title}' than the first process did:"
                    " the same versions, plugins, data and command must be on every machine"
                )
            if not due:
                return False
            folder, trained = self.pretrain(cell)
            if is_first():
                # The others wait for what this process says next, not inside a collective.
                with in_a_sentence(parts_of(cell), alone=True), leading():
                    self._judge(cell, identity, folder, trained)
            else:
                help_to_judge(cell, folder, self._target(cell))
        return True

    def _judge(self, cell: Cell, identity: str, folder: Path, trained: TrainResult) -> None:
        assert cell.protocol is not None
        target, opened = self._target(cell), open_encoders(folder)
        task = EvaluationTask(identity, opened, cell.protocol, cell.resolved, target, cell.seed)
        cost = {"pretrain_seconds": trained.seconds, "samples_per_second": trained.samples_per_second}
        judge_and_record(task, self.store, self.reporter, cost)

    def _target(self, cell: Cell) -> Target:
        benchmark, split = cell.judged_on
        return Target(BENCHMARKS.get(benchmark), self._datasets[benchmark], split)

    def pretrain(self, cell: Cell) -> tuple[Path, TrainResult]:
        """Pretrain a cell's encoder unless it exists already; returns its folder and what it cost.

        Stages before it are pretrained first, each as a run of its own that other cells share. One that failed
        for a reason that would make it fail again fails at once for other cells.
        """
        dataset = self._datasets[cell.benchmark]
        identity = cell.pretrain_identity(dataset)
        if world_size() == 1 and identity in self._failed:
            raise self._failed[identity]
        init, earlier = None, 0.0
        if cell.former:
            self.reporter.line(f"  stage {len(cell.former.stages)}: {cell.former.method}")
            former, trained = self.pretrain(cell.former)
            init, earlier = (former, cell.part), trained.seconds
        elif cell.init:
            start = self._initial[cell.seed]
            init = start.path, start.part
        folder = pretrain_folder(self.store.folder, cell, identity)
        with claimed(self.store, f"pretrain-{identity}", self.reporter, self._needs(cell)):
            # The claim may take as long as another run does; the others must not wait for it in a collective.
            of_first(functools.partial(self._checked, cell, folder))
            benchmark = BENCHMARKS.get(cell.benchmark)
            try:
                with in_a_sentence(parts_of(cell)):
                    trained = pretrain_stage(cell, dataset, benchmark, folder, init=init, reporter=self.reporter)
            except (Unforeseen, Diverged) as fault:
                self._failed[identity] = fault
                raise
        return folder, replace(trained, seconds=trained.seconds + earlier)

    def _needs(self, cell: Cell) -> list[str]:
        """Identities of the pretrainings without which a cell would have to be run again."""
        dataset = self._datasets[cell.benchmark]
        own = [stage.pretrain_identity(dataset) for stage in cell.stages]
        teachers = [one.meta.identity for stage in cell.stages for one in stage.origins if one.meta]
        start = [self._initial[cell.seed].identity] if cell.stages[0].init else []
        return list(dict.fromkeys([*own, *teachers, *start]))

    def _checked(self, cell: Cell, folder: Path) -> str:
        self.guard.check_pretraining(cell, folder)
        return "checked"


@own_defaults()
def evaluate(
    encoder: Path | str | OpenedEncoders | nn.Module | ForeignModule,
    protocol: str,
    *,
    seen: str | None = None,
    benchmark: str | None = None,
    split: str | None = None,
    seed: int | None = None,
    output: Path | str = "runs",
    overrides: Sequence[str] = (),
    reporter: Reporter = SILENT,
) -> Record:
    """Judge a checkpoint directory, a released ``.pth`` file or any module under one protocol and record it.

    A module maps clips (N, C, T, V, M), zeros for missing persons, to features (N, D); it may have
    methods ``steps`` and ``tokens``, which give (N, T', D) and (N, M, T', V', D). ``seen`` is what its
    owner declares that it was pretrained on: NAME/SPLIT of a benchmark, a comma list of them, or
    ``none``; a checkpoint says it itself. Benchmark, split and seed default to those the encoder was
    pretrained with. Raises ``UsageError`` where the encoder does not fit, ``CheckpointError`` where it
    is damaged. Of several processes the first one works, and the others wait for its record.
    """
    subject = opened_or_declared(encoder, seen)
    home = subject.home if isinstance(subject, ForeignSubject) else subject.meta.benchmark
    name = benchmark or home.name
    if not name:
        raise UsageError("the encoder does not say what it was pretrained on; name a benchmark to evaluate it on")
    judged_on = BENCHMARKS.get(name)
    dataset = open_benchmark(judged_on)
    dataset.verify()
    chosen = judged_on.split(split or (home.split if name == home.name else None)).name
    if isinstance(subject, ForeignSubject):
        resolved = subject.resolved(protocol, judged_on, overrides)
        opened = subject.open(judged_on, dataset, resolved, seed or 0)
    else:
        opened, resolved = subject, resolved_for(subject.meta, protocol, name, overrides)
        if subject.meta.construction is not None:
            require_labels(subject.meta.method.name, METHODS.get(subject.meta.method.plugin), protocol)
    meta = opened.meta
    number = meta.seed if seed is None else seed
    require_cross_dataset(protocol, (name, chosen) != (home.name, home.split))
    spec = next(iter(opened.encoders.values())).spec
    joints = reading_of(spec, dataset.info).joints
    if joints is not None and is_first():
        reporter.line(joints_in_words(spec.layout, dataset.info.layout))
    identity = evaluation_identity(meta.identity, protocol, resolved, judged_on, chosen, dataset, number, joints)
    store = ResultStore(Path(output))
    guard, sources = SourceGuard(store, reporter=reporter), of_checkpoint(meta, protocol)
    while not is_first() and not guard.holds(identity, sources):
        time.sleep(POLL_SECONDS)
    if not guard.holds(identity, sources):
        task = EvaluationTask(identity, opened, protocol, resolved, Target(judged_on, dataset, chosen), number)
        with claimed(store, identity, reporter, [meta.identity]):
            if not guard.holds(identity, sources):
                guard.make_room(identity)
                judge_alone(task, store, reporter)
    return store.read(identity)


def _opened(name: str) -> StoredDataset:
    """A benchmark's dataset; of several processes the first one prepares it where it may be."""
    benchmark = BENCHMARKS.get(name)
    of_first(lambda: open_benchmark(benchmark).fingerprint)
    return open_benchmark(benchmark)


def _verify(dataset: StoredDataset, reporter: Reporter) -> None:
    """Read all of it once per machine, and search it for copies where that was never done."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        dataset.verify()
        dataset.copies(reporter)
