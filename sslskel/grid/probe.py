"""What looks at a pretraining every few epochs: a protocol on clips held out of the training part.

It judges a copy of the method that the checkpoint of that moment would give, and never sees a test clip. Labels stay
here: the engine gets a function of weights.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sslskel.api.benchmark import Benchmark, Split
from sslskel.api.dataset import Bools, Dataset, Ints
from sslskel.api.method import PretextMethod
from sslskel.data.withheld import NO_ROWS
from sslskel.engine.device import resolve_device
from sslskel.engine.probing import Probe
from sslskel.errors import DataError, UsageError
from sslskel.evaluation.judge import Target, check_judgeable, evaluate_stage
from sslskel.grid.cell import Cell
from sslskel.grid.suite_data import suite_parts
from sslskel.plugins.own_code import construct
from sslskel.plugins.registry import PROTOCOLS
from sslskel.progress import Reporter
from sslskel.transforms.clip import clip_spec

SHARE = 5
"""One of so many training subjects, or clips of a class, is held out where the split names none."""
SUBJECTS, CLIPS = "subjects", "clips"
PART = "probe"


def require_probe(name: str) -> None:
    """Raise ``UsageError`` for what cannot be a ``train.probe``: it reads frozen features of labelled clips."""
    if not name or _fits(name):
        return
    able = [one for one in PROTOCOLS.names() if _fits(one)]
    raise UsageError(
        f"train.probe={name} cannot score an encoder while it trains: a probe leaves the encoder as it is and is judged"
        f" on clips of the same dataset; take one of {', '.join(able)}"
    )


def _fits(name: str) -> bool:
    protocol = PROTOCOLS.get(name)
    return not (protocol.trains == "all" or protocol.untrimmed or protocol.cross_dataset)


def probe_of(
    cell: Cell, dataset: Dataset, benchmark: Benchmark, build: Callable[[], PretextMethod], reporter: Reporter
) -> Probe | None:
    """The probe that a cell asks for; ``build`` makes its method once more. None where none is asked for.

    Raises ``UsageError`` for a protocol that cannot be one, ``DataError`` where no labelled clip can be held out.
    """
    train, engine = cell.resolved.train, cell.resolved.engine
    if not train.probe:
        return None
    require_probe(train.probe)
    protocol = construct(PROTOCOLS, train.probe, cell.probe_config())
    split, held = held_out(benchmark, cell.split, dataset, probed_clips(cell, dataset, benchmark))
    target = Target(replace(benchmark, splits={PART: split}, default_split=PART), dataset, PART)
    try:
        spec = clip_spec(dataset.info, cell.resolved.clip)
        check_judgeable(protocol, target.benchmark, dataset, PART, spec)
    except UsageError as fault:
        raise type(fault)(f"train.probe={train.probe}: {fault}") from fault
    device = resolve_device(engine.device)

    def score(weights: Mapping[str, Tensor]) -> float:
        with _generators_left_alone(device):
            method = build()
            method.load_state_dict(weights)
            result = evaluate_stage(method.encoders(), protocol, target, engine, cell.seed, reporter=reporter)
        return result.scores[protocol.primary]

    return Probe(f"{train.probe}/{held}", score)


def probed_clips(cell: Cell, dataset: Dataset, benchmark: Benchmark) -> Ints:
    """(n,) rows of the training part; of a suite those alone that no split of the suite tests."""
    rows, suite = benchmark.split(cell.split).part(dataset, "train"), cell.resolved.train.suite
    if not suite:
        return rows
    own = [one.rows for one in suite_parts(suite) if one.dataset.fingerprint == dataset.fingerprint]
    return np.intersect1d(rows, np.concatenate([NO_ROWS, *own]))


def held_out(benchmark: Benchmark, split: str, dataset: Dataset, rows: Ints) -> tuple[Split, str]:
    """A split of the labelled ones of these training clips of ``split``, and whether subjects or clips are held out.

    Those that model selection may hold out; else a fifth of the training subjects; where these are not known,
    every fifth clip of a class. Clips of classes that are held out whole are left out. Of subjects that are learnt
    from, a head may hold out a fifth for its own choices. Raises ``DataError`` where
    none is left.
    """
    rule = benchmark.split(split)
    rows = rows[dataset.labels[rows] >= 0]
    subjects, labels = dataset.subjects[rows], dataset.labels[rows]
    everyone = np.unique(subjects)
    what = SUBJECTS
    if rule.holds_out(dataset):
        held = np.isin(subjects, sorted(rule.validation))
    elif len(everyone) > 1 and everyone[0] >= 0:
        held = np.isin(subjects, _last_fifth(everyone))
    else:
        held, what = _every_fifth(dataset.keys[rows], labels), CLIPS
    fit = ~held
    held &= np.isin(labels, np.unique(labels[fit]))
    if not held.any():
        raise DataError(
            f"train.probe holds labelled clips out of the training part, but '{benchmark.name}/{split}' has none that"
            f" can be ({len(rows)} labelled training clips); leave train.probe out"
        )
    keys = dataset.keys[rows]
    parts = (frozenset(keys[some].tolist()) for some in (fit, held))
    learnt = np.unique(subjects[fit])
    choosing = _last_fifth(learnt) if what == SUBJECTS and len(learnt) > 1 else ()
    return Split(PART, "clip", next(parts), frozenset(map(int, choosing)), next(parts)), what


def _last_fifth(subjects: Ints) -> Ints:
    return subjects[-max(1, round(len(subjects) / SHARE)) :]


def _every_fifth(keys: Ints, labels: Ints) -> Bools:
    """(n,) True for the second of every five clips of a class, in the order of their keys, which is that of chance."""
    held = np.zeros(len(keys), bool)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        held[own[np.argsort(keys[own], kind="stable")][1::SHARE]] = True
    return held


@contextmanager
def _generators_left_alone(device: torch.device) -> Iterator[None]:
    """Give every global generator its state back, whatever the code of a plugin draws."""
    python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(of_numpy)
