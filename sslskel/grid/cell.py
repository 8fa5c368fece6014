"""A cell of the grid: method x backbone x benchmark x protocol x seed, and its identity.

Two cells with the same identity have the same result. Nothing here trains or evaluates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sslskel.api.benchmark import Benchmark
from sslskel.api.dataset import Dataset
from sslskel.config.compose import Resolved, compose, option_names, shaping
from sslskel.encoders.adapt import reading
from sslskel.errors import UsageError
from sslskel.grid.extra_data import additions
from sslskel.hashing import digest
from sslskel.plugins.registry import BACKBONES, BENCHMARKS, METHODS, PROTOCOLS, looked_up_once


@dataclass(frozen=True)
class Cell:
    """One thing to run: names as asked for, and the resolved configuration."""

    method: str
    backbone: str
    benchmark: str
    """Where the encoder is pretrained and, unless ``target`` says otherwise, judged."""
    split: str
    preset: str
    seed: int
    resolved: Resolved
    protocol: str | None = None
    init: str = ""
    """sha256 of the checkpoint that pretraining starts from, if any."""
    target: str = ""
    """Another benchmark to be judged on."""
    target_split: str = ""

    @property
    def judged_on(self) -> tuple[str, str]:
        """Benchmark and split that the record is of."""
        return (self.target, self.target_split) if self.target else (self.benchmark, self.split)

    @property
    def title(self) -> str:
        """For people: ``mamp on synthetic/xsub, seed 0, linear``."""
        tail = f", {self.protocol}" if self.protocol else ""
        if self.target:
            tail += f" on {self.target}/{self.target_split}"
        return f"{self.method} on {self.benchmark}/{self.split}, seed {self.seed}{tail}"

    def pretrain_identity(self, dataset: Dataset) -> str:
        """Hex id of the pretraining that this cell needs; protocols share it."""
        method, plain = METHODS.get(self.method), self.resolved.plain()
        words: dict[str, Any] = {
            "method": [METHODS.plugin_of(self.method), method.version, plain["method"]],
            "clip": plain["clip"],
            "precision": plain["engine"]["precision"],
            "data": [dataset.fingerprint, self.split],
            "seed": self.seed,
            "init": self.init,
        }
        if method.uses_backbone:
            words["backbone"] = [self.backbone, BACKBONES.get(self.backbone).version, plain["backbone"]]
        if method.trains:
            words["train"] = shaping("train", plain["train"])
            if self.resolved.train.also:
                words["also"] = [[a.dataset.fingerprint, a.split] for a in additions(self.resolved.train.also)]
        return digest(words)

    def identity(self, dataset: Dataset, target: Dataset | None = None) -> str:
        """Hex id of the cell's record. ``target`` is the dataset to be judged on where that is another one."""
        if self.protocol is None:
            raise UsageError("a cell without a protocol has no record")
        benchmark, split = self.judged_on
        judged = target or dataset
        return evaluation_identity(
            self.pretrain_identity(dataset),
            self.protocol,
            self.resolved,
            BENCHMARKS.get(benchmark),
            split,
            judged,
            self.seed,
            reading(dataset.info.layout, dataset.info.coordinates, judged.info).joints,
        )


def evaluation_identity(
    encoder: str,
    protocol: str,
    resolved: Resolved,
    benchmark: Benchmark,
    split: str,
    dataset: Dataset,
    seed: int,
    joints: Sequence[int] | None = None,
) -> str:
    """Hex id of judging one encoder (given by its own id) under one protocol; ``joints`` as it reads the dataset."""
    plain = resolved.plain()
    mapped = {} if joints is None else {"joints": list(joints)}
    return digest(
        {
            **mapped,
            "encoder": encoder,
            "protocol": [protocol, PROTOCOLS.get(protocol).version, shaping("protocol", plain["protocol"])],
            "benchmark": [benchmark.name, benchmark.version, split, dataset.fingerprint],
            "precision": plain["engine"]["precision"],
            "seed": seed,
        }
    )


def parse_seeds(text: str) -> tuple[int, ...]:
    """``3`` means seeds 0, 1, 2; ``4,7`` means those; ``5,`` means seed 5 alone."""
    try:
        numbers = [int(word) for word in text.split(",") if word.strip()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or (("," not in text) and numbers[0] < 1):
        raise UsageError(f"--seeds {text} is not a count (3) or a comma list of seeds (0,1,2)")
    return tuple(range(numbers[0])) if "," not in text else tuple(dict.fromkeys(numbers))


@looked_up_once()
def grid(
    methods: Sequence[str],
    protocols: Sequence[str | None],
    benchmarks: Sequence[str],
    seeds: Sequence[int],
    *,
    split: str | None = None,
    backbone: str | None = None,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    init: str = "",
    pretrain_on: str | None = None,
) -> list[Cell]:
    """Every cell of the grid, in an order that pretrains each method and seed once.

    Everything is composed and checked before the first cell is returned. An override of
    an option that only some methods or protocols of the grid have is set for those.
    ``pretrain_on`` is ``NAME`` or ``NAME/SPLIT`` of the benchmark to pretrain on where that
    is not the one to be judged on; its recipe and preset are those of the run.
    """
    cells = []
    backbones = {method: backbone or METHODS.get(method).default_backbone for method in methods}
    options = {(m, p): option_names(m, backbones[m], p) for m in methods for p in protocols}
    shared = set[str]().union(*options.values())
    for judged_name in benchmarks:
        judged = judged_name, BENCHMARKS.get(judged_name).split(split).name
        benchmark_name, chosen_split = _pretrained_on(pretrain_on) if pretrain_on else judged
        benchmark = BENCHMARKS.get(benchmark_name)
        chosen_preset = preset or benchmark.preset
        target = judged if judged != (benchmark_name, chosen_split) else ("", "")
        for protocol in protocols:
            refuse_at_home(protocol, bool(target[0]))
        for method in methods:
            chosen = backbones[method]
            row = []
            for protocol in protocols:
                foreign = shared - options[method, protocol]
                own = [word for word in overrides if word.partition("=")[0] not in foreign]
                resolved = compose(
                    method,
                    backbone=chosen,
                    preset=chosen_preset,
                    protocol=protocol,
                    recipe=benchmark.recipe,
                    overrides=own,
                )
                named = (method, chosen, benchmark_name, chosen_split, chosen_preset)
                row.append(Cell(*named, 0, resolved, protocol, init, *target))
            cells += [replace(cell, seed=seed) for seed in seeds for cell in row]
    return cells


def refuse_at_home(protocol: str | None, elsewhere: bool) -> None:
    """Raise ``UsageError`` for a protocol that judges on other data than pretraining's, where it is the same."""
    if protocol is not None and PROTOCOLS.get(protocol).elsewhere and not elsewhere:
        raise UsageError(
            f"protocol '{protocol}' judges encoders on another benchmark than they were pretrained on; name that one,"
            " for instance with --pretrain-on synthetic"
        )


def _pretrained_on(text: str) -> tuple[str, str]:
    """``NAME`` or ``NAME/SPLIT`` as benchmark and split."""
    name, slash, split = text.partition("/")
    return name, BENCHMARKS.get(name).split(split if slash else None).name
