"""The grid: runs the cells that are missing, writes their records, and hands over the board.

A finished cell is never run again, an interrupted one continues, and one pretraining
serves every protocol that asks for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sslskel.api.dataset import Dataset
from sslskel.api.distributed import is_first, of_first, rank
from sslskel.config.compose import Resolved
from sslskel.data.prepare import open_benchmark
from sslskel.data.store.store import StoredDataset
from sslskel.encoders.adapt import reading
from sslskel.encoders.meta import CheckpointMeta
from sslskel.encoders.open import OpenedEncoders, build_method, open_encoders, weights_digest
from sslskel.encoders.reuse import features_of, resolved_for
from sslskel.engine.accelerator import join
from sslskel.engine.device import check_precision, resolve_device
from sslskel.engine.train import TrainResult
from sslskel.errors import Interrupted, RunError, SslskelError, UsageError
from sslskel.evaluation.judge import check_judgeable, evaluate_stage
from sslskel.grid.cell import Cell, evaluation_identity, grid, refuse_at_home
from sslskel.grid.record import command_line, make_record, predictions_of
from sslskel.grid.stages import pretrain_stage, silent
from sslskel.leaderboard.build import Board, build_board
from sslskel.leaderboard.folder import board_of
from sslskel.plugins.registry import BENCHMARKS, PROTOCOLS, looked_up_once
from sslskel.results.record import Record
from sslskel.results.store import ResultStore
from sslskel.transforms.clip import clip_spec

Say = Callable[[str], None]
POLL_SECONDS = 1.0


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


def pretrain_folder(output: Path, cell: Cell, identity: str) -> Path:
    """Where a pretraining lives: readable names first, identity last."""
    return output / "pretrain" / f"{cell.method}-{cell.benchmark}-{cell.split}-s{cell.seed}-{identity[:10]}"


@looked_up_once()
def bench(
    methods: Sequence[str],
    protocols: Sequence[str] = ("linear",),
    benchmarks: Sequence[str] = ("synthetic",),
    seeds: Sequence[int] = (0,),
    *,
    output: Path | str = "runs",
    split: str | None = None,
    backbone: str | None = None,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    init: Path | str | None = None,
    pretrain_on: str | None = None,
    say: Say = silent,
    advance: Callable[..., None] = silent,
) -> BenchResult:
    """Pretrain (or reuse), evaluate, record and rank a grid of methods, protocols, benchmarks and seeds.

    ``pretrain_on`` (``NAME`` or ``NAME/SPLIT``) names another benchmark to pretrain on.

    Everything is composed and checked before the first cell runs: a wrong name, key or
    type raises ``UsageError`` and leaves nothing behind. A cell that fails later is kept in
    ``failures/`` and named in the result; the others go on. Interrupting leaves a state
    that the same call continues. ``output`` gets ``records/``, ``predictions/``,
    ``pretrain/`` and ``failures/``.
    """
    output = Path(output)
    start = None if init is None else Path(init)
    cells = grid(
        methods,
        protocols,
        benchmarks,
        seeds,
        split=split,
        backbone=backbone,
        preset=preset,
        overrides=overrides,
        init=init_digest(start),
        pretrain_on=pretrain_on,
    )
    join(resolve_device(cells[0].resolved.engine.device))
    used = dict.fromkeys(name for cell in cells for name in (cell.benchmark, cell.judged_on[0]))
    datasets = {name: _opened(name) for name in used}
    for cell in {(c.method, c.benchmark, c.protocol, c.target): c for c in cells}.values():
        check_buildable(cell, datasets[cell.benchmark], datasets[cell.judged_on[0]])
    for dataset in datasets.values():
        _verify(dataset)
    store = ResultStore(output)
    result = BenchResult(build_board([]))
    for number, cell in enumerate(cells, 1):
        say(f"[{number}/{len(cells)}] {cell.title}")
        dataset, target = datasets[cell.benchmark], datasets[cell.judged_on[0]]
        identity = cell.identity(dataset, target)
        try:
            if _run_cell(cell, identity, dataset, target, store, start, say, advance):
                result.ran += 1
            else:
                result.reused += 1
            if is_first():
                result.records.append(store.read(identity))
        except (Interrupted, UsageError):
            raise
        except SslskelError as fault:
            if is_first():
                store.fail(identity, fault, command_line())
            result.failures.append(f"{cell.title}: {fault}")
    if (output / "records").is_dir():
        result.board = board_of(output, benchmarks, say)
    return result


def check_buildable(cell: Cell, dataset: Dataset, target: Dataset | None = None) -> int:
    """Find before any work what cannot run: device, precision, sizes, protocol. Returns the number of weights.

    ``target`` is the dataset to be judged on where that is another one. The method is built
    on the meta device, which takes no memory.
    """
    resolved = cell.resolved
    check_precision(resolve_device(resolved.engine.device), resolved.engine.precision)
    spec = clip_spec(dataset.info, resolved.clip)
    with torch.device("meta"):
        method = build_method(cell.method, resolved.method, cell.backbone, resolved.backbone, spec, cell.seed)
    if cell.protocol is not None:
        protocol = PROTOCOLS.get(cell.protocol)
        for stream, encoder in method.encoders().items():
            missing = protocol.needs - encoder.abilities
            if missing:
                raise UsageError(
                    f"protocol '{cell.protocol}' needs {', '.join(sorted(missing))}, which the {stream} encoder of"
                    f" '{cell.method}' does not give (it gives: {', '.join(sorted(encoder.abilities))})"
                )
        benchmark, split = cell.judged_on
        check_judgeable(protocol(resolved.protocol), BENCHMARKS.get(benchmark), target or dataset, split, spec)
    if method.cross_batch and resolved.train.accumulate > 1:
        raise UsageError(f"train.accumulate cannot be used with '{cell.method}', whose clips see each other")
    return sum(p.numel() for p in method.parameters())


def pretrain(
    method: str,
    *,
    benchmark: str = "synthetic",
    seed: int = 0,
    split: str | None = None,
    backbone: str | None = None,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    init: Path | str | None = None,
    output: Path | str = "runs",
    say: Say = silent,
    advance: Callable[..., None] = silent,
) -> tuple[Path, TrainResult]:
    """Pretrain one method, or continue or reuse what is there; returns the folder of its checkpoints."""
    start = None if init is None else Path(init)
    [cell] = grid(
        [method],
        [None],
        [benchmark],
        [seed],
        split=split,
        backbone=backbone,
        preset=preset,
        overrides=overrides,
        init=init_digest(start),
    )
    join(resolve_device(cell.resolved.engine.device))
    dataset = _opened(benchmark)
    check_buildable(cell, dataset)
    _verify(dataset)
    say(cell.title)
    return pretrain_cell(cell, dataset, Path(output), start, say, advance)


def pretrain_cell(
    cell: Cell,
    dataset: Dataset,
    output: Path,
    init: Path | None = None,
    say: Say = silent,
    advance: Callable[..., None] = silent,
) -> tuple[Path, TrainResult]:
    """Pretrain a cell's encoder unless it exists already; returns its folder and what it cost."""
    identity = cell.pretrain_identity(dataset)
    folder = pretrain_folder(output, cell, identity)
    with claimed(ResultStore(output), f"pretrain-{identity}", say):
        # The claim may take as long as another run does; the others must not wait for it in a collective.
        of_first(lambda: "claimed")
        trained = pretrain_stage(cell, dataset, BENCHMARKS.get(cell.benchmark), folder, init=init, advance=advance)
    return folder, trained


def evaluate(
    checkpoint: Path | str,
    protocol: str,
    *,
    benchmark: str | None = None,
    split: str | None = None,
    seed: int | None = None,
    output: Path | str = "runs",
    overrides: Sequence[str] = (),
    num_heads: int = 8,
    say: Say = silent,
    advance: Callable[..., None] = silent,
) -> Record:
    """Judge a checkpoint directory, or a released ``.pth`` file, under one protocol and record it.

    Benchmark, split and seed default to those the encoder was pretrained with. Raises
    ``UsageError`` where the encoder does not fit, ``CheckpointError`` where it is damaged. Of
    several processes the first one works, and the others wait for its record.
    """
    opened = open_encoders(checkpoint, num_heads=num_heads)
    meta = opened.meta
    name = benchmark or meta.benchmark.name
    bench_mark = BENCHMARKS.get(name)
    dataset = open_benchmark(bench_mark)
    dataset.verify()
    chosen = bench_mark.split(split or (meta.benchmark.split if name == meta.benchmark.name else None)).name
    resolved = resolved_for(meta, protocol, overrides)
    number = meta.seed if seed is None else seed
    refuse_at_home(protocol, (name, chosen) != (meta.benchmark.name, meta.benchmark.split))
    spec = next(iter(opened.encoders.values())).spec
    joints = reading(spec.layout, spec.coordinates, dataset.info).joints
    identity = evaluation_identity(meta.identity, protocol, resolved, bench_mark, chosen, dataset, number, joints)
    store = ResultStore(Path(output))
    while not is_first() and not store.has(identity):
        time.sleep(POLL_SECONDS)
    if not store.has(identity):
        with claimed(store, identity, say):
            _judge_and_record(
                identity, opened, meta, protocol, resolved, name, chosen, dataset, number, {}, store, advance
            )
    return store.read(identity)


def _run_cell(
    cell: Cell,
    identity: str,
    dataset: Dataset,
    target: Dataset,
    store: ResultStore,
    init: Path | None,
    say: Say,
    advance: Any,
) -> bool:
    """Run one cell unless its record exists; True where it ran.

    Of several processes all pretrain, and the first alone decides, evaluates and writes.
    """
    with ExitStack() as held:

        def decide() -> str:
            if not store.has(identity):
                held.enter_context(claimed(store, identity, say))
            return "" if store.has(identity) else identity

        due = of_first(decide)
        if due not in ("", identity):
            raise RunError(
                f"process {rank()} made another configuration of '{cell.title}' than the first process did: the same"
                " versions, plugins, data and command must be on every machine"
            )
        if not due:
            return False
        folder, trained = pretrain_cell(cell, dataset, store.folder, init, say, advance)
        if not is_first():
            return True
        opened = open_encoders(folder)
        cost = {"pretrain_seconds": trained.seconds, "samples_per_second": trained.samples_per_second}
        assert cell.protocol is not None
        _judge_and_record(
            identity,
            opened,
            opened.meta,
            cell.protocol,
            cell.resolved,
            *cell.judged_on,
            target,
            cell.seed,
            cost,
            store,
            advance,
        )
    return True


def _judge_and_record(
    identity: str,
    opened: OpenedEncoders,
    meta: CheckpointMeta,
    protocol_name: str,
    resolved: Resolved,
    benchmark_name: str,
    split: str,
    dataset: Dataset,
    seed: int,
    cost: dict[str, float],
    store: ResultStore,
    advance: Any,
) -> None:
    benchmark = BENCHMARKS.get(benchmark_name)
    protocol = PROTOCOLS.get(protocol_name)(resolved.protocol)
    made_for = meta.made_for
    kept = features_of(store.folder, opened, dataset, resolved.engine)
    judged = evaluate_stage(
        opened.encoders,
        protocol,
        benchmark,
        dataset,
        split,
        resolved.engine,
        seed,
        advance,
        opened.fresh,
        elsewhere=made_for != dataset.info.name,
        features=kept,
    )
    cost = {**cost, "encode_seconds": kept.seconds, "encoded_clips": kept.encoded, "reused_clips": kept.reused}
    # What saw no data is told apart by what it was built for alone.
    built = {"built_for": {"dataset": made_for}} if made_for != dataset.info.name and not meta.seen else {}
    record = make_record(
        identity=identity,
        meta=meta,
        encoders=opened.encoders,
        protocol_name=protocol_name,
        protocol=protocol,
        benchmark=benchmark,
        split=split,
        dataset=dataset,
        seed=seed,
        config={**resolved.plain(), **built},
        judged=judged,
        cost=cost,
    )
    store.write(record, predictions_of(judged))


@contextmanager
def claimed(store: ResultStore, identity: str, say: Say) -> Iterator[None]:
    """Hold a piece of work for this run; waits while another run on the same folder does it.

    Of several processes of one run the first holds it for all.
    """
    if not is_first():
        yield
        return
    told = False
    while (claim := store.claim(identity)) is None:
        if not told:
            say("  another process is working on this; waiting for it")
            told = True
        time.sleep(POLL_SECONDS)
    with claim:
        yield


def _opened(name: str) -> StoredDataset:
    """A benchmark's dataset; of several processes the first one prepares it where it may be."""
    benchmark = BENCHMARKS.get(name)
    of_first(lambda: open_benchmark(benchmark).fingerprint)
    return open_benchmark(benchmark)


def _verify(dataset: StoredDataset) -> None:
    """Read all of it once per machine."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        dataset.verify()


def init_digest(init: Path | None) -> str:
    """Identity of the weights that pretraining starts from; empty for none."""
    if init is None:
        return ""
    if init.is_file():
        raise UsageError(f"--init takes a checkpoint directory that `sslskel pretrain` wrote, but {init} is a file")
    return weights_digest(open_encoders(init).encoders)
