"""Pretrains the encoder of a cell, and states in its checkpoint how it was made.

Which cells are due is decided in ``run``; how encoders are judged is in ``sslskel.evaluation.judge``.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from sslskel.api.benchmark import Benchmark
from sslskel.api.dataset import Dataset
from sslskel.api.method import PretextMethod
from sslskel.api.view import ClipSpec
from sslskel.config.groups import TrainConfig
from sslskel.data.loader import ClipSource
from sslskel.data.mixture import Mixture
from sslskel.data.withheld import without_labels
from sslskel.encoders.adapt import reading_of
from sslskel.encoders.meta import BackboneMeta, BenchmarkMeta, CheckpointMeta, Construction, DatasetMeta, MethodMeta
from sslskel.encoders.open import build_method
from sslskel.engine.device import (
    check_precision,
    dtype_of,
    keep_freed_memory,
    resolve_device,
    set_threads,
)
from sslskel.engine.initial import Start
from sslskel.engine.origins import require_unchanged
from sslskel.engine.probing import Watch
from sslskel.engine.train import TrainResult, pretrain
from sslskel.evaluation.leakage import seen_part, seen_rows
from sslskel.grid.cell import Cell
from sslskel.grid.extra_data import ExtraDataset, extra_datasets, read_by
from sslskel.grid.initial import start_from
from sslskel.grid.origins import Inheritance, once_each
from sslskel.grid.probe import probe_of
from sslskel.grid.sources import digests, of_pretraining
from sslskel.grid.suite_data import suite_parts
from sslskel.plugins.registry import BACKBONES, METHODS
from sslskel.progress import SILENT, Reporter
from sslskel.results.facts import SeenFacts
from sslskel.transforms.clip import clip_spec

NOTHING = Inheritance()
"""What new weights bring with them."""


def pretrain_folder(output: Path, cell: Cell, identity: str) -> Path:
    """Where a pretraining lives: readable names first, identity last."""
    return output / "pretrain" / f"{cell.method}-{re.sub('[/:]', '-', cell.trained_on)}-s{cell.seed}-{identity[:10]}"


def seen_clips(cell: Cell, dataset: Dataset, benchmark: Benchmark) -> list[SeenFacts]:
    """Which data a pretraining reads, for records and the leakage guard."""
    if not METHODS.get(cell.method).trains:
        return []
    train = cell.resolved.train
    own = [] if train.suite else [seen_part(benchmark, dataset, cell.split, "train")]
    return own + [seen_rows(one.benchmark, one.dataset, one.rows, one.split, "train") for one in _others(train)]


def training_clips(cell: Cell, dataset: Dataset, benchmark: Benchmark) -> int:
    """Number of clips that a pretraining reads in an epoch."""
    train = cell.resolved.train
    own = 0 if train.suite else len(benchmark.split(cell.split).part(dataset, "train"))
    return own + sum(len(one.rows) for one in _others(train))


def _others(train: TrainConfig) -> Sequence[ExtraDataset]:
    """The datasets whose clips are trained on beside a benchmark's own, or in its place."""
    return suite_parts(train.suite) if train.suite else extra_datasets(train.also)


def checkpoint_meta(cell: Cell, dataset: Dataset, benchmark: Benchmark, start: Inheritance = NOTHING) -> CheckpointMeta:
    """What a checkpoint must hold so that its encoder can be rebuilt and judged anywhere.

    ``start`` is what the weights it starts from bring with them.
    """
    plain, method = cell.resolved.plain(), METHODS.get(cell.method)
    plugin, network = METHODS.plugin_of(cell.method), BACKBONES.entry(cell.backbone)
    brought = [one.passes_on() for one in cell.origins]
    own = (*start.seen, *seen_clips(cell, dataset, benchmark))
    more = once_each(part for one in brought for part in one.seen if part not in own)
    return CheckpointMeta(
        identity=cell.pretrain_identity(dataset),
        method=MethodMeta(cell.method, plugin, method.version, METHODS.entry(plugin).origin),
        backbone=BackboneMeta(
            cell.backbone,
            BACKBONES.get(cell.backbone).version,
            method.uses_backbone,
            "" if network.source == "built-in" else network.origin,
        ),
        benchmark=BenchmarkMeta(benchmark.name, benchmark.version, cell.split),
        preset=cell.preset,
        seed=cell.seed,
        seen=(*more, *own),
        construction=Construction(
            method=plain["method"],
            backbone=plain["backbone"],
            clip=plain["clip"],
            train=plain["train"],
            precision=plain["engine"]["precision"],
            dataset=DatasetMeta.of(dataset.info, dataset.fingerprint),
        ),
        init=cell.init,
        init_of_seeds=cell.init_of_seeds,
        init_identity=start.identity if cell.init else "",
        stages=cell.stage_facts(dataset),
        origins=once_each(origin for one in (*brought, start) for origin in one.origins),
        sources=digests(of_pretraining(cell)),
    )


def pretrain_stage(
    cell: Cell,
    dataset: Dataset,
    benchmark: Benchmark,
    folder: Path,
    *,
    init: tuple[Path, str] | None = None,
    reporter: Reporter = SILENT,
) -> TrainResult:
    """Pretrain a cell's method on the official training part, or continue where it stopped.

    ``init`` is a checkpoint to start from, and the part of its weights that is taken.
    Returns at once where ``folder`` already holds the finished run. Raises ``UsageError``
    for a device or precision that is not there and ``RunError`` for a run that failed.
    """
    resolved, engine = cell.resolved, cell.resolved.engine
    device = resolve_device(engine.device)
    check_precision(device, engine.precision)
    set_threads(engine)
    keep_freed_memory()
    spec = clip_spec(dataset.info, resolved.clip)
    draw = functools.partial(ClipSource, spec=spec, device=device, dtype=dtype_of(engine), labels=False)
    source = _source(cell, dataset, benchmark, spec, draw)
    known = dataclasses.replace(spec, clips=len(source))
    make = (cell.method, resolved.method, cell.backbone, resolved.backbone, known, cell.seed)
    build = functools.partial(build_method, *make)
    method = build()
    meta = checkpoint_meta(cell, dataset, benchmark, NOTHING if init is None else Inheritance.read(init[0]))
    start = _start(cell, init)
    watch = Watch(reporter, probe_of(cell, dataset, benchmark, build, reporter) if method.trains else None)
    done = pretrain(method, source, resolved.train, engine, cell.seed, folder, meta.to_json(), init=start, watch=watch)
    if watch.probe is not None and not CheckpointMeta.read(done.checkpoint).probed:
        reporter.line("  it was finished before train.probe was asked for, so that it has no curve")
    return done


def _source(
    cell: Cell, dataset: Dataset, benchmark: Benchmark, spec: ClipSpec, draw: Callable[..., ClipSource]
) -> ClipSource | Mixture:
    """The training clips of a cell; ``draw`` makes a source of a dataset, rows and how joints are read."""
    train, clip, parts = cell.resolved.train, cell.resolved.clip, list[ClipSource]()
    if not train.suite:
        rows = benchmark.split(cell.split).part(dataset, "train")
        parts = [draw(without_labels(dataset), rows, joints=reading_of(spec, dataset.info).read)]
    option = "train.suite" if train.suite else "train.also"
    for one in _others(train):
        read = read_by(one, dataset.info, clip, option).read
        parts.append(draw(without_labels(one.dataset), one.rows, joints=read))
    return Mixture(parts) if len(parts) > 1 else parts[0]


def _start(cell: Cell, init: tuple[Path, str] | None) -> Start:
    """What follows ``load_start`` in a new run."""

    def start(method: PretextMethod) -> None:
        require_unchanged(one.origin for one in cell.origins)
        if init is not None:
            start_from(*init)(method)

    return start
