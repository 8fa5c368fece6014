"""A suite as data to pretrain on, ``train.suite``: the training parts of its splits, without a clip that is tested.

One encoder is evaluated on all of the suite's splits, so that a clip which any of them tests is left out, whichever
benchmark it comes in. How parts become batches: ``data/mixture.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sslskel.api.benchmark import HELD_OUT, Benchmark
from sslskel.config.compose import Resolved
from sslskel.config.groups import Body
from sslskel.config.suites import Suite, read_suite
from sslskel.data.prepare import open_benchmark
from sslskel.errors import UsageError
from sslskel.evaluation.leakage import KnownClips
from sslskel.grid.extra_data import ExtraDataset
from sslskel.plugins.registry import BENCHMARKS, once

PREFIX = "suite:"
"""Begins what ``--pretrain-on`` calls a suite."""
WITHOUT, ITSELF, CHOOSING = "without-", "itself", "validation"


@dataclass(frozen=True)
class SuiteData:
    """What of a suite is trained on."""

    suite: Suite
    left_out: tuple[str, ...] = ()
    """Benchmarks of which no recording is trained on."""
    choosing: bool = False
    """Whether held-out training subjects are left out too, on which options may be chosen."""

    @property
    def words(self) -> str:
        """As ``train.suite`` has it."""
        return "/".join([self.suite.name, *(WITHOUT + name for name in self.left_out), *([CHOOSING] * self.choosing)])

    @property
    def places(self) -> list[tuple[Benchmark, str]]:
        """Benchmark and split of every training part that is read; raises ``UsageError`` for unknown ones."""
        named = [place.partition("/")[::2] for place in self.suite.benchmarks]
        return [(BENCHMARKS.get(name), self._split(split)) for name, split in named if name not in self.left_out]

    @property
    def tested(self) -> list[tuple[Benchmark, str]]:
        """Benchmark and split of every test part of which no clip is trained on."""
        official = [place.partition("/")[::2] for place in self.suite.benchmarks]
        choosing = self.places if self.choosing else []
        return [*((BENCHMARKS.get(name), split) for name, split in official), *choosing]

    @property
    def home(self) -> tuple[str, str]:
        """Benchmark and split that stand where a run has one name: the first of those with most persons in a clip."""
        benchmark, split = max(self.places, key=lambda place: place[0].info.persons)
        return benchmark.name, split

    def contains(self, benchmark: str) -> bool:
        """Whether the training part of a benchmark is read."""
        return benchmark in {one.name for one, _ in self.places}

    def _split(self, split: str) -> str:
        return split + HELD_OUT if self.choosing and not split.endswith(HELD_OUT) else split


def read_suite_data(text: str, judged: str = "") -> SuiteData:
    """What ``NAME``, with ``/without-BENCHMARK`` and ``/validation`` behind it, stands for.

    ``without-itself`` leaves out the benchmark that is ``judged`` on. Raises ``UsageError`` for what the suite does
    not have, and where nothing is left.
    """
    name, *changes = text.split("/")
    data = SuiteData(read_suite(name))
    known = list(dict.fromkeys(place.partition("/")[0] for place in data.suite.benchmarks))
    for change in changes:
        benchmark = change.removeprefix(WITHOUT)
        if benchmark == ITSELF:
            if not judged:
                raise UsageError(
                    f"{PREFIX}{text}: no benchmark is evaluated on here, so that none is left out as 'itself';"
                    f" name it: {', '.join(WITHOUT + one for one in known)}"
                )
            benchmark = judged
        if change == CHOOSING:
            data = replace(data, choosing=True)
        elif change.startswith(WITHOUT) and benchmark in known:
            data = replace(data, left_out=tuple(dict.fromkeys((*data.left_out, benchmark))))
        else:
            raise UsageError(
                f"{PREFIX}{text}: '{change}' is neither '{CHOOSING}' nor '{WITHOUT}' with a benchmark of the suite"
                f" ({', '.join(known)}) or with '{ITSELF}', the one that is evaluated on"
            )
    if not data.places:
        raise UsageError(f"{PREFIX}{text} leaves out every benchmark of the suite; leave out fewer")
    return data


def require_common_body(resolved: Resolved) -> None:
    """Raise ``UsageError`` where a suite is to be trained on that is not there, or that bodies keep from mixing."""
    if not resolved.train.suite:
        return
    read_suite_data(resolved.train.suite)
    if resolved.clip.body is not Body.common:
        raise UsageError(
            f"train.suite={resolved.train.suite} is of several bodies, which meet in one alone: add clip.body=common"
        )


def content_of(text: str) -> dict[str, object]:
    """What the clips of ``train.suite`` follow from, for an identity: data and splits, not their names."""
    data = read_suite_data(text)
    fingerprints = {one.name: open_benchmark(one).fingerprint for one, _ in (*data.places, *data.tested)}
    return {
        "trained": [[fingerprints[one.name], split] for one, split in data.places],
        "withheld": [[fingerprints[one.name], split] for one, split in data.tested],
        "left_out": [fingerprints[name] for name in data.left_out],
    }


def suite_parts(text: str) -> tuple[ExtraDataset, ...]:
    """The training clips of ``train.suite``, each in one part; a benchmark of which no clip remains has none.

    Raises ``UsageError`` as :func:`read_suite_data`, and where no clip remains at all, ``DataError`` for data that
    are not prepared.
    """
    return once(("suite parts", text), lambda: _parts(read_suite_data(text)))


def _parts(data: SuiteData) -> tuple[ExtraDataset, ...]:
    datasets = {one.name: open_benchmark(one) for one, _ in (*data.places, *data.tested)}
    withheld, taken = KnownClips(), KnownClips()
    for benchmark, split in data.tested:
        dataset = datasets[benchmark.name]
        withheld.add(benchmark, dataset, benchmark.split(split).part(dataset, "test"))
    for name in data.left_out:
        withheld.add(BENCHMARKS.get(name), datasets[name], np.arange(len(datasets[name]), dtype=np.int64))
    parts = list[ExtraDataset]()
    for benchmark, split in data.places:
        dataset = datasets[benchmark.name]
        rows = benchmark.split(split).part(dataset, "train")
        # Clips of one dataset may share a recording; they are known by their rows.
        own = [part.rows for part in parts if part.dataset.fingerprint == dataset.fingerprint]
        rows = np.setdiff1d(rows, np.concatenate([np.zeros(0, np.int64), *own]))
        out = withheld.among(benchmark, dataset, rows)
        if not own:
            out |= taken.among(benchmark, dataset, rows)
        if (~out).any():
            parts.append(ExtraDataset(f"{benchmark.name}/{split}", dataset, rows[~out], split, benchmark))
            taken.add(benchmark, dataset, rows[~out])
    if not parts:
        raise UsageError(
            f"train.suite={data.words}: every training clip is a test clip in another split of the suite, so that"
            " nothing is left to train on"
        )
    return tuple(parts)
