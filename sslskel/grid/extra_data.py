"""What else a pretraining reads besides its benchmark: ``train.also``, other benchmarks or prepared folders.

All of it reaches the network in the body of the benchmark; how batches are drawn is
``data/mixture.py``'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sslskel.api.benchmark import Benchmark
from sslskel.api.dataset import DatasetInfo, Ints
from sslskel.config.groups import Centre, ClipConfig
from sslskel.data.prepare import open_benchmark
from sslskel.data.store.store import StoredDataset, open_dataset
from sslskel.encoders.adapt import Reading, reading
from sslskel.errors import UsageError
from sslskel.plugins.registry import BENCHMARKS


@dataclass(frozen=True)
class Addition:
    """One further dataset of a pretraining."""

    word: str
    dataset: StoredDataset
    rows: Ints
    split: str
    """Split whose training part it is; empty for all clips of a folder."""
    benchmark: Benchmark | None
    """None for a folder."""

    @property
    def centred(self) -> bool:
        """Whether its benchmark asks for ``clip.centre=first``."""
        return self.benchmark is not None and self.benchmark.recipe.get("clip", {}).get("centre") == "first"


def additions(words: Sequence[str]) -> list[Addition]:
    """Open what ``train.also`` names: ``NAME``, ``NAME/SPLIT``, or the path of a prepared dataset.

    Of a benchmark the official training part is read, of a folder every clip. Raises
    ``UsageError`` for a name that is neither, ``DataError`` for data that is not there.
    """
    found = []
    for word in words:
        if word.startswith((".", "/")):
            dataset = open_dataset(Path(word))
            every = np.arange(len(dataset), dtype=np.int64)
            found.append(Addition(word, dataset, every, "", None))
            continue
        name, _, split = word.partition("/")
        benchmark = BENCHMARKS.get(name)
        rule, dataset = benchmark.split(split or None), open_benchmark(benchmark)
        found.append(Addition(word, dataset, rule.part(dataset, "train"), rule.name, benchmark))
    return found


def read_by(addition: Addition, home: DatasetInfo, clip: ClipConfig) -> Reading:
    """How clips of an addition are read in the body of ``home``. Raises ``UsageError`` where they cannot be."""
    info = addition.dataset.info
    if info.persons > home.persons:
        raise UsageError(
            f"train.also: clips of '{addition.word}' have up to {info.persons} persons, those of '{home.name}' up to"
            f" {home.persons}; pretrain on '{addition.word}' and add '{home.name}' to it"
        )
    if info.unit != home.unit and clip.centre is not Centre.sized:
        raise UsageError(
            f"train.also: '{addition.word}' is measured in {info.unit}, '{home.name}' in {home.unit}; add"
            " clip.centre=sized, which measures in body sizes"
        )
    if addition.centred and clip.centre is Centre.stored:
        raise UsageError(
            f"train.also: '{addition.word}' is stored as recorded, its origin is the camera; add clip.centre=first"
        )
    return reading(home.layout, home.coordinates, info)
