"""Judges encoders under a protocol: the one place where predictions meet the labels of test clips."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sslskel.api.benchmark import Benchmark, Split, SplitRows
from sslskel.api.dataset import Dataset, Ints
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Seal
from sslskel.api.protocol import EvaluationProtocol, FeatureStore, OtherWeights, Outcome, Parts, ProtocolRun, Truth
from sslskel.api.view import ClipSpec
from sslskel.config.groups import EngineConfig
from sslskel.data.loader import ClipSource
from sslskel.data.withheld import JudgedPart, LabelledPart, shuffled_part, without_labels
from sslskel.encoders.adapt import JointReading, prepare_encoders, reading_of
from sslskel.encoders.level import at_level, check_level
from sslskel.encoders.open import OpenedEncoders
from sslskel.engine.device import (
    arithmetic,
    autocast,
    check_precision,
    dtype_of,
    forget_peak,
    keep_freed_memory,
    peak_memory,
    resolve_device,
    set_threads,
)
from sslskel.errors import DataError, RunError, UsageError
from sslskel.evaluation.diagnostics import best_on_test, diagnose
from sslskel.evaluation.features import encoded_share
from sslskel.evaluation.independence import check_independence
from sslskel.evaluation.spread import Prepared, follow, leader
from sslskel.plugins.own_code import own_code
from sslskel.progress import SILENT, Reporter

USUAL_BATCH = 128
"""Clips that an encoder sees at a time where a protocol has no option ``encode_batch``."""


@dataclass(frozen=True)
class Target:
    """What encoders are judged on."""

    benchmark: Benchmark
    dataset: Dataset
    split: str


@dataclass(frozen=True)
class EvaluationResult:
    """What evaluating one encoder under one protocol gave."""

    outcome: Outcome
    labels: Ints
    """(R,) true class of each row of the outcome."""
    rows: SplitRows
    """Of the dataset that was judged on, clips or recordings."""
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


def evaluate_stage(
    encoders: Mapping[str, Encoder],
    protocol: EvaluationProtocol,
    target: Target,
    engine: EngineConfig,
    seed: int,
    *,
    reporter: Reporter = SILENT,
    others: OtherWeights | None = None,
    cross_dataset: bool = False,
    features: FeatureStore | None = None,
) -> EvaluationResult:
    """Judge encoders under one protocol; only this function shows predictions to test labels.

    ``others`` has the same encoders with other weights, for protocols that train from scratch or
    look at earlier checkpoints; ``cross_dataset`` says that they were made for another dataset; ``features``
    is where those of frozen encoders are kept. Raises ``UsageError`` where the encoder does not
    fit the protocol or the dataset, ``DataError`` where bodies share no joint or the classes of
    the split cannot be learnt, ``RunError`` where a clip's features depend on its batch.
    """
    device = resolve_device(engine.device)
    check_precision(device, engine.precision)
    set_threads(engine)
    keep_freed_memory()
    check_encoders(encoders, protocol)
    forget_peak(device)
    with arithmetic(engine):
        asked = _Asked(protocol, target, engine, seed, device, cross_dataset)
        return _evaluated(encoders, asked, reporter, others, features)


@dataclass(frozen=True)
class _Asked:
    """What an evaluation is to find out, and where it computes."""

    protocol: EvaluationProtocol
    target: Target
    engine: EngineConfig
    seed: int
    device: torch.device
    cross_dataset: bool


def encode_for_another(
    asked: Callable[[], tuple[OpenedEncoders, EvaluationProtocol]], target: Target, engine: EngineConfig, seed: int
) -> None:
    """Encode this process's share while the first one is in :func:`evaluate_stage`; returns when that is over.

    ``asked`` opens what is judged, and the protocol; it is called as soon as there is something to encode.
    """

    def prepare() -> Prepared:
        opened, protocol = asked()
        abroad = opened.meta.made_for != target.dataset.info.name
        wanted = _Asked(protocol, target, engine, seed, resolve_device(engine.device), abroad)
        ready = _prepared(opened.encoders, wanted, SILENT, None, None)
        return Prepared(ready.parts, lambda task, clips: encoded_share(ready.judged, task, clips, ready.run))

    with arithmetic(engine):
        follow(prepare)


@dataclass(frozen=True)
class _Ready:
    """An evaluation before its protocol begins."""

    judged: Mapping[str, Encoder]
    parts: Parts
    run: ProtocolRun
    read: JointReading
    rows: SplitRows
    dataset: Dataset
    asked: ClipSource
    """The test part as it is."""
    seal: Seal


def _prepared(
    encoders: Mapping[str, Encoder],
    asked_for: _Asked,
    reporter: Reporter,
    others: OtherWeights | None,
    features: FeatureStore | None,
) -> _Ready:
    protocol, target, engine = asked_for.protocol, asked_for.target, asked_for.engine
    seed, device = asked_for.seed, asked_for.device
    benchmark, dataset = target.benchmark, judged_on(protocol, target.dataset)

    def fitted(some: Mapping[str, Encoder]) -> JointReading:
        for encoder in some.values():
            encoder.to(device=device, dtype=dtype_of(engine)).eval()
        return prepare_encoders(some, dataset.info, benchmark.recipe, asked_for.cross_dataset)

    def ready(some: Mapping[str, Encoder]) -> Mapping[str, Encoder]:
        fitted(some)
        return at_level(some, protocol.level)

    read = fitted(encoders)
    rule, spec = benchmark.split(target.split), next(iter(encoders.values())).spec
    _check_rate(protocol, spec, dataset)
    rows = rule.rows(dataset)
    shown = without_labels(dataset, rows.train)
    source = functools.partial(ClipSource, shown, spec=spec, device=device, dtype=dtype_of(engine), joints=read.read)
    if protocol.reads_labels:
        _check_classes(rule, rows, dataset)
    asked, hidden = source(rows=rows.test, labels=False), f"{dataset.fingerprint} {rule.name} {seed}"
    seal = Seal(hidden)
    parts = _parts(rows, dataset, source, shuffled_part(asked, seal, hidden))
    mixed = functools.partial(autocast, device, engine.precision)
    run = ProtocolRun(seed, device, dtype_of(engine), mixed, reporter, features=features)
    if others is not None:
        made = others
        run = replace(
            run,
            fresh=lambda: ready(made.fresh(seed)),
            earlier=lambda: ((step, ready(some)) for step, some in made.earlier()),
        )
    return _Ready(at_level(encoders, protocol.level), parts, run, read, rows, dataset, asked, seal)


def _evaluated(
    encoders: Mapping[str, Encoder],
    asked_for: _Asked,
    reporter: Reporter,
    others: OtherWeights | None,
    features: FeatureStore | None,
) -> EvaluationResult:
    """:func:`evaluate_stage` in the arithmetic of the run."""
    ready, protocol = _prepared(encoders, asked_for, reporter, others, features), asked_for.protocol
    parts, rows, dataset, read = ready.parts, ready.rows, ready.dataset, ready.read
    company = getattr(protocol.config, "encode_batch", USUAL_BATCH)
    judged = every_level(encoders, protocol)
    independence = check_independence(judged, parts.test, protocol.needs, company, ready.run)
    first = leader()
    if first is not None and protocol.trains != "all":
        first.judges(ready.judged, parts)
    start = time.perf_counter()
    outcome = protocol.evaluate(ready.judged, parts, ready.run)
    seconds = time.perf_counter() - start
    outcome = in_order(outcome, ready.seal, dataset.keys[rows.test])
    annotated = None if dataset.segments is None else dataset.segments.of(rows.test)
    truth = Truth(dataset.keys[rows.test], dataset.labels[rows.test], parts.classes, ready.asked, annotated)
    _check_counted_once(outcome, truth)
    scores = {name: float(value) for name, value in protocol.score(outcome, truth).items()}
    bad = [name for name, value in scores.items() if not np.isfinite(value)]
    if bad or protocol.primary not in scores:
        raise RunError(f"{type(protocol).__name__} gave no finite score for {', '.join(bad) or protocol.primary}")
    facts = {"test_order_seed": asked_for.seed, "independence": independence}
    details = read.facts | facts | best_on_test(outcome, truth)
    labels = truth.of(outcome.keys)
    diagnostics, tables = diagnose(outcome, labels, len(parts.classes))
    memory = peak_memory(asked_for.device)
    return EvaluationResult(
        outcome, labels, rows, scores, _counts(rows, dataset), seconds, memory, details, diagnostics, tables
    )


def check_encoders(encoders: Mapping[str, Encoder], protocol: EvaluationProtocol, method: str = "") -> None:
    """Raise ``UsageError`` where an encoder, of ``method`` if that is known, lacks what the protocol reads."""
    for stream, encoder in encoders.items():
        missing = protocol.needs - encoder.provides
        if missing and not (protocol.trains_classifiers and encoder.classifies):
            of = f" of '{method}'" if method else ""
            raise UsageError(
                f"{type(protocol).__name__} needs {', '.join(sorted(missing))}, which the {stream} encoder{of} does not"
                f" provide (it provides: {', '.join(sorted(encoder.provides))}); take another protocol"
            )
        for level in protocol.levels:
            check_level(stream, encoder, level)


def every_level(encoders: Mapping[str, Encoder], protocol: EvaluationProtocol) -> dict[str, Encoder]:
    """The encoders at each level that the protocol reads."""
    return {
        f"{stream} {level}".strip(): encoder
        for level in protocol.levels
        for stream, encoder in at_level(encoders, level).items()
    }


def check_judgeable(
    protocol: EvaluationProtocol, benchmark: Benchmark, dataset: Dataset, split: str, spec: ClipSpec
) -> None:
    """Find before any work what a protocol cannot do with a split, for encoders of clips ``spec``.

    Raises ``UsageError`` or ``DataError`` as :func:`evaluate_stage` would after hours of pretraining.
    """
    dataset = judged_on(protocol, dataset)
    _check_rate(protocol, spec, dataset)
    rule, read = benchmark.split(split), reading_of(spec, dataset.info)
    rows = rule.rows(dataset)
    if protocol.reads_labels:
        _check_classes(rule, rows, dataset)
    source = functools.partial(ClipSource, without_labels(dataset, rows.train), spec=spec, joints=read.read)
    with own_code(type(protocol).__name__, type(protocol)):
        protocol.check(_parts(rows, dataset, source, JudgedPart(source(rows=rows.test, labels=False))))


def _parts(rows: SplitRows, dataset: Dataset, source: Callable[..., ClipSource], test: JudgedPart) -> Parts:
    return Parts(
        train=LabelledPart(source(rows=rows.train)),
        fit=None if rows.fit is None else LabelledPart(source(rows=rows.fit)),
        validation=None if rows.validation is None else LabelledPart(source(rows=rows.validation)),
        test=test,
        classes=tuple(dataset.info.classes),
    )


def in_order(outcome: Outcome, seal: Seal, wanted: Ints) -> Outcome:
    """The outcome under the clips' own keys; rows that come as whole test parts get the order of ``wanted`` (n,)."""
    keys = seal.open(torch.from_numpy(np.asarray(outcome.keys, np.int64))).numpy()
    count, rows = len(wanted), np.arange(len(keys))
    if outcome.item is None and len(keys) % count == 0:
        blocks = keys.reshape(-1, count)
        if (np.sort(blocks, 1) == np.sort(wanted)).all():
            place = np.argsort(np.argsort(wanted))
            rows = (np.argsort(blocks, 1)[:, place] + count * np.arange(len(blocks))[:, None]).flatten()

    def moved(column: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
        return None if column is None else column[rows]

    return replace(
        outcome,
        keys=keys[rows],
        values={name: np.asarray(column)[rows] for name, column in outcome.values.items()},
        condition=moved(outcome.condition),
        draw=moved(outcome.draw),
        epoch=moved(outcome.epoch),
        by_epoch=None if outcome.by_epoch is None else outcome.by_epoch[:, rows],
        by_head={name: predicted[rows] for name, predicted in outcome.by_head.items()},
        by_checkpoint={step: predicted[rows] for step, predicted in outcome.by_checkpoint.items()},
    )


def judged_on(protocol: EvaluationProtocol, dataset: Dataset) -> Dataset:
    """The clips, or the recordings they were cut from where the protocol asks for them; ``UsageError`` without any."""
    if not protocol.untrimmed:
        return dataset
    if dataset.untrimmed is None:
        raise UsageError(
            f"{type(protocol).__name__} evaluates untrimmed recordings with annotated actions, but"
            f" '{dataset.info.name}' holds clips alone; take a benchmark that has both (docs/guide/datasets.md)"
        )
    return dataset.untrimmed


def _check_rate(protocol: EvaluationProtocol, spec: ClipSpec, dataset: Dataset) -> None:
    if protocol.untrimmed and spec.resampled and spec.fps != dataset.info.fps:
        raise UsageError(
            f"{type(protocol).__name__} counts annotated actions in recorded frames, {dataset.info.fps:g} per second,"
            f" but clip.fps={spec.fps:g} reads others; leave out clip.fps, or take a protocol of clips"
        )


def _check_classes(rule: Split, rows: SplitRows, dataset: Dataset) -> None:
    """Every class of the test part has a training clip, and there are two classes or more."""
    known, asked = (np.unique(_shown(dataset, part)) for part in (rows.train, rows.test))
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
            f"{where} has test clips of {names}{more} but no training clip of it, so no head can learn it;"
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


def _counts(rows: SplitRows, dataset: Dataset) -> dict[str, int]:
    return {
        "train": len(rows.train),
        "validation": 0 if rows.validation is None else len(rows.validation),
        "test": len(rows.test),
        "num_classes": len(dataset.info.classes),
    }
