"""What else a pretraining reads besides its benchmark: ``train.also``, other benchmarks or prepared folders.

All of it reaches the network in one body; ``data/mixture.py`` draws the batches. For whole suites: ``suite_data``.
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
from sslskel.encoders.adapt import JointReading, reading_of
from sslskel.errors import UsageError
from sslskel.plugins.registry import BENCHMARKS
from sslskel.transforms.clip import clip_spec

NOTHING = "none"
"""Declares that weights saw no data."""


@dataclass(frozen=True)
class ExtraDataset:
    """One further dataset of a pretraining."""

    name: str
    """As it was asked for."""
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


def extra_datasets(names: Sequence[str]) -> list[ExtraDataset]:
    """Open what ``train.also`` names: ``NAME``, ``NAME/SPLIT``, or the path of a prepared dataset.

    Of a benchmark the official training part is read, of a folder every clip. Raises
    ``UsageError`` for a name that is neither, ``DataError`` for data that is not there.
    """
    datasets = []
    for named in names:
        if named.startswith((".", "/")):
            dataset = open_dataset(Path(named))
            every = np.arange(len(dataset), dtype=np.int64)
            datasets.append(ExtraDataset(named, dataset, every, "", None))
            continue
        name, _, split = named.partition("/")
        benchmark = BENCHMARKS.get(name)
        rule, dataset = benchmark.split(split or None), open_benchmark(benchmark)
        datasets.append(ExtraDataset(named, dataset, rule.part(dataset, "train"), rule.name, benchmark))
    return datasets


def declared_datasets(seen: str) -> tuple[ExtraDataset, ...]:
    """What an owner declares: a comma list as of :func:`extra_datasets`, or ``none``; raises as that does."""
    named = [name.strip() for name in seen.split(",") if name.strip()]
    if not named:
        raise UsageError(f"'{seen}' names no dataset; write NAME/SPLIT, a comma list of those, or {NOTHING}")
    return () if named == [NOTHING] else tuple(extra_datasets(named))


def read_by(extra: ExtraDataset, home: DatasetInfo, clip: ClipConfig, option: str = "train.also") -> JointReading:
    """How clips of another dataset, which ``option`` names, are read in the body of ``home`` or the common one.

    Raises ``UsageError`` where they cannot be.
    """
    info = extra.dataset.info
    if info.persons > home.persons:
        raise UsageError(
            f"{option}: clips of '{extra.name}' have up to {info.persons} persons, those of '{home.name}' up to"
            f" {home.persons}; pretrain on '{extra.name}' and add '{home.name}' to it"
        )
    if info.unit != home.unit and clip.centre is not Centre.sized and not clip.align_size:
        raise UsageError(
            f"{option}: '{extra.name}' is measured in {info.unit}, '{home.name}' in {home.unit}; add"
            " clip.centre=sized or clip.align_size=true, which measure in sizes of the body"
        )
    if extra.centred and clip.centre is Centre.stored and not clip.align_root:
        raise UsageError(
            f"{option}: '{extra.name}' is stored as recorded, its origin is the camera; add clip.centre=first"
        )
    return reading_of(clip_spec(home, clip), info)
