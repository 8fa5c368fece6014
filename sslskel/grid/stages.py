"""The two things a cell does: pretrain an encoder, and judge encoders under a protocol.

Which cells are due, and where results go, is ``sslskel.grid.run``'s business.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslskel.api.backbone import Encoder
from sslskel.api.benchmark import Benchmark, Split
from sslskel.api.dataset import Dataset, Ints
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
from sslskel.api.view import ClipSpec
from sslskel.config.groups import EngineConfig, Precision
from sslskel.data.loader import ClipSource
from sslskel.data.mixture import Mixture
from sslskel.encoders.adapt import Reading, prepare_encoders, reading
from sslskel.encoders.open import build_method, info_json
from sslskel.engine.checkpoint import latest, read_meta
from sslskel.engine.device import autocast, check_precision, keep_freed_memory, peak_memory, resolve_device, set_threads
from sslskel.engine.train import TrainResult, pretrain
from sslskel.errors import DataError, RunError, UsageError
from sslskel.evaluation.comparison import best_test_epoch
from sslskel.evaluation.diagnostics import diagnose
from sslskel.evaluation.leakage import seen_part, seen_rows
from sslskel.grid.cell import Cell
from sslskel.grid.extra_data import additions, read_by
from sslskel.plugins.registry import BACKBONES, METHODS
from sslskel.results.feature_cache import FeatureCache
from sslskel.transforms.clip import clip_spec

Advance = Callable[..., None]
Fresh = Callable[[int], Mapping[str, Encoder]]


def silent(*_: object, **__: object) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Judged:
    """What evaluating one encoder under one protocol gave."""

    outcome: Outcome
    labels: Ints
    """(R,) true class of each row of the outcome."""
    scores: dict[str, float]
    counts: dict[str, int]
    seconds: float
    peak_memory: int
    details: dict[str, Any] = field(default_factory=dict)
    """What else the record should say: how joints were mapped, and numbers for comparison only."""
    diagnostics: dict[str, Any] = field(default_factory=dict)
    """By condition; see ``diagnostics.diagnose``."""
    tables: dict[str, Any] = field(default_factory=dict)
    """Confusion matrices by name."""


def dtype_of(engine: EngineConfig) -> torch.dtype:
    """Type of weights and data: float64 in fp64 runs, else float32."""
    return torch.float64 if engine.precision is Precision.fp64 else torch.float32


def seen_clips(cell: Cell, dataset: Dataset, benchmark: Benchmark) -> list[dict[str, Any]]:
    """Which data a pretraining reads, for records and the leakage guard."""
    if not METHODS.get(cell.method).trains:
        return []
    more = [
        seen_rows(addition.benchmark, addition.dataset, addition.rows, addition.split, "train")
        for addition in additions(cell.resolved.train.also)
    ]
    return [seen_part(benchmark, dataset, cell.split, "train"), *more]


def checkpoint_meta(
    cell: Cell, dataset: Dataset, benchmark: Benchmark, inherited: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Everything a checkpoint must say so that its encoder can be rebuilt and judged anywhere.

    ``inherited`` is what the weights it starts from had seen already.
    """
    plain, method = cell.resolved.plain(), METHODS.get(cell.method)
    plugin = METHODS.plugin_of(cell.method)
    return {
        "identity": cell.pretrain_identity(dataset),
        "method": {
            "name": cell.method,
            "plugin": plugin,
            "version": method.version,
            "origin": METHODS.entry(plugin).origin,
            "config": plain["method"],
        },
        "backbone": {
            "name": cell.backbone,
            "version": BACKBONES.get(cell.backbone).version,
            "config": plain["backbone"],
            "used": method.uses_backbone,
        },
        "clip": plain["clip"],
        "train": plain["train"],
        "precision": plain["engine"]["precision"],
        "init": cell.init,
        "preset": cell.preset,
        "seed": cell.seed,
        "benchmark": {"name": benchmark.name, "version": benchmark.version, "split": cell.split},
        "dataset": info_json(dataset.info) | {"fingerprint": dataset.fingerprint},
        "seen": [*inherited, *seen_clips(cell, dataset, benchmark)],
    }


def pretrain_stage(
    cell: Cell,
    dataset: Dataset,
    benchmark: Benchmark,
    folder: Path,
    *,
    init: Path | None = None,
    advance: Advance | None = None,
) -> TrainResult:
    """Pretrain a cell's method on the official training part, or continue where it stopped.

    Returns at once where ``folder`` already holds the finished run. Raises ``UsageError``
    for a device or precision that is not there and ``RunError`` for a run that failed.
    """
    resolved, engine = cell.resolved, cell.resolved.engine
    device = resolve_device(engine.device)
    check_precision(device, engine.precision)
    set_threads(engine)
    keep_freed_memory()
    spec = clip_spec(dataset.info, resolved.clip)
    method = build_method(cell.method, resolved.method, cell.backbone, resolved.backbone, spec, cell.seed)
    rows = benchmark.split(cell.split).part(dataset, "train")
    draw = functools.partial(ClipSource, spec=spec, device=device, dtype=dtype_of(engine), labels=False)
    own, more = draw(dataset, rows), additions(resolved.train.also)
    also = [draw(one.dataset, one.rows, joints=read_by(one, dataset.info, resolved.clip).joints) for one in more]
    source = Mixture([own, *also]) if also else own
    inherited = () if init is None else read_meta(latest(init) or init)["seen"]
    meta = checkpoint_meta(cell, dataset, benchmark, inherited)
    return pretrain(
        method, source, resolved.train, engine, cell.seed, folder, meta, init=init, advance=advance or silent
    )


def evaluate_stage(
    encoders: Mapping[str, Encoder],
    protocol: EvaluationProtocol,
    benchmark: Benchmark,
    dataset: Dataset,
    split: str,
    engine: EngineConfig,
    seed: int,
    advance: Advance | None = None,
    fresh: Fresh | None = None,
    elsewhere: bool = False,
    features: FeatureCache | None = None,
) -> Judged:
    """Judge encoders under one protocol; only this function shows predictions to test labels.

    ``fresh`` builds the same encoders with initial weights of a seed, for protocols that
    train from scratch; ``elsewhere`` says that they were made for another dataset; ``features``
    is where those of frozen encoders are kept. Raises ``UsageError`` where the encoder does not
    fit the protocol or the dataset, ``DataError`` where bodies share no joint or the classes of
    the split cannot be learnt.
    """
    dataset = judged_on(protocol, dataset)
    device = resolve_device(engine.device)
    check_precision(device, engine.precision)
    set_threads(engine)
    keep_freed_memory()
    for stream, encoder in encoders.items():
        _check_abilities(stream, encoder, protocol)

    def fitted(some: Mapping[str, Encoder]) -> Reading:
        for encoder in some.values():
            encoder.to(device=device, dtype=dtype_of(engine)).eval()
        return prepare_encoders(some, dataset.info, benchmark.recipe, elsewhere)

    def anew() -> Mapping[str, Encoder]:
        assert fresh is not None
        built = fresh(seed)
        fitted(built)
        return built

    read = fitted(encoders)
    rule, spec = benchmark.split(split), next(iter(encoders.values())).spec
    source = functools.partial(
        ClipSource, dataset, spec=spec, device=device, dtype=dtype_of(engine), joints=read.joints
    )
    if protocol.reads_labels:
        _check_classes(rule, dataset)
    parts = _parts(rule, dataset, source)
    mixed = functools.partial(autocast, device, engine.precision)
    new = None if fresh is None else anew
    run = ProtocolRun(seed, device, dtype_of(engine), mixed, advance or silent, new, features)
    start = time.perf_counter()
    outcome = protocol.evaluate(encoders, parts, run)
    seconds = time.perf_counter() - start
    test = rule.part(dataset, "test")
    annotated = None if dataset.segments is None else dataset.segments.of(test)
    truth = Truth(dataset.keys[test], dataset.labels[test], parts.classes, parts.test, annotated)
    _check_counted_once(outcome, truth)
    scores = {name: float(value) for name, value in protocol.score(outcome, truth).items()}
    bad = [name for name, value in scores.items() if not np.isfinite(value)]
    if bad or protocol.primary not in scores:
        raise RunError(f"{type(protocol).__name__} gave no finite score for {', '.join(bad) or protocol.primary}")
    best = best_test_epoch(outcome, truth)
    details = read.facts | ({} if best is None else {"best_test_epoch": best})
    labels = truth.of(outcome.keys)
    said, tables = diagnose(outcome, labels, len(parts.classes))
    memory = peak_memory(device)
    return Judged(outcome, labels, scores, _counts(rule, dataset), seconds, memory, details, said, tables)


def check_judgeable(
    protocol: EvaluationProtocol, benchmark: Benchmark, dataset: Dataset, split: str, spec: ClipSpec
) -> None:
    """Find before any work what a protocol cannot do with a split, for encoders of clips ``spec``.

    Raises ``UsageError`` or ``DataError`` as :func:`evaluate_stage` would after hours of pretraining.
    """
    dataset = judged_on(protocol, dataset)
    rule, read = benchmark.split(split), reading(spec.layout, spec.coordinates, dataset.info)
    if protocol.reads_labels:
        _check_classes(rule, dataset)
    protocol.check(_parts(rule, dataset, functools.partial(ClipSource, dataset, spec=spec, joints=read.joints)))


def _parts(rule: Split, dataset: Dataset, source: Callable[..., ClipSource]) -> Parts:
    held = rule.holds_out(dataset)
    return Parts(
        train=source(rows=rule.part(dataset, "train")),
        fit=source(rows=rule.part(dataset, "fit")) if held else None,
        validation=source(rows=rule.part(dataset, "validation")) if held else None,
        test=source(rows=rule.part(dataset, "test"), labels=False),
        classes=tuple(dataset.info.classes),
    )


def judged_on(protocol: EvaluationProtocol, dataset: Dataset) -> Dataset:
    """The clips, or the recordings they were cut from where the protocol asks for them; ``UsageError`` without any."""
    if not protocol.untrimmed:
        return dataset
    if dataset.untrimmed is None:
        raise UsageError(
            f"{type(protocol).__name__} judges untrimmed recordings with annotated actions, but '{dataset.info.name}'"
            " holds clips alone; take a benchmark that has both, such as pku_mmd1"
        )
    return dataset.untrimmed


def weights_digest(encoders: Mapping[str, Encoder]) -> str:
    """sha256 over every weight and buffer of the encoders, by name."""
    total = hashlib.sha256()
    for stream in sorted(encoders):
        for name, tensor in sorted(encoders[stream].state_dict().items()):
            total.update(f"{stream}.{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def parameter_count(encoders: Mapping[str, Encoder]) -> int:
    """Weights of all encoders, each shared one counted once."""
    unique = {id(p): p.numel() for encoder in encoders.values() for p in encoder.parameters()}
    return sum(unique.values())


def _check_abilities(stream: str, encoder: Encoder, protocol: EvaluationProtocol) -> None:
    missing = protocol.needs - encoder.abilities
    if missing:
        raise UsageError(
            f"the {stream} encoder cannot give {', '.join(sorted(missing))}, which this protocol needs"
            f" (it gives: {', '.join(sorted(encoder.abilities))})"
        )


def _check_classes(rule: Split, dataset: Dataset) -> None:
    """Every class of the test part has a training clip, and there are two classes or more."""
    known, asked = (np.unique(_shown(dataset, rule.part(dataset, part))) for part in ("train", "test"))
    where = f"split '{rule.name}' of '{dataset.info.name}'"
    known = known[known >= 0]
    if len(known) == 1:
        raise DataError(
            f"{where} has training clips of one class alone ('{dataset.info.classes[known[0]]}'), so that there is"
            " nothing to tell apart; choose a split with at least two classes"
        )
    unseen = np.setdiff1d(asked[asked >= 0], known)
    if len(known) and len(unseen):
        names = ", ".join(f"'{dataset.info.classes[label]}'" for label in unseen[:3])
        more = f" and {len(unseen) - 3} more" if len(unseen) > 3 else ""
        raise DataError(
            f"{where} has test clips of {names}{more} but no training clip of it, so that no head can learn it;"
            " choose another split, or leave these clips out of the test part"
        )


def _shown(dataset: Dataset, rows: Ints) -> Ints:
    """Labels of these clips, or of the annotated actions of these recordings."""
    return dataset.labels[rows] if dataset.segments is None else dataset.segments.of(rows).label


def _check_counted_once(outcome: Outcome, truth: Truth) -> None:
    """Every test clip once per condition, draw and epoch, nothing else; items of clips in any number."""
    if outcome.item is not None:
        return
    if not len(outcome.keys):
        raise RunError("a protocol returned no prediction")
    columns = [c for c in (outcome.condition, outcome.draw, outcome.epoch) if c is not None]
    group = np.zeros(len(outcome.keys), np.int64)
    for column in columns:
        _, place = np.unique(column, return_inverse=True)
        group = np.unique(group * (place.max() + 1) + place, return_inverse=True)[1]
    wanted = np.sort(truth.keys)
    ends = np.bincount(group).cumsum()
    rows = np.lexsort((outcome.keys, group))
    for end, size in zip(ends, np.bincount(group), strict=True):
        keys = outcome.keys[rows[end - size : end]]
        if not np.array_equal(keys, wanted):
            which = ", ".join(str(column[rows[end - 1]]) for column in columns) or "it"
            raise RunError(
                f"a protocol must predict each of the {len(wanted)} test clips once, but {which} has"
                f" {size} rows over {len(np.unique(keys))} clips"
            )


def _counts(rule: Split, dataset: Dataset) -> dict[str, int]:
    return {
        "train": len(rule.part(dataset, "train")),
        "validation": len(rule.part(dataset, "validation")) if rule.holds_out(dataset) else 0,
        "test": len(rule.part(dataset, "test")),
        "num_classes": len(dataset.info.classes),
    }
