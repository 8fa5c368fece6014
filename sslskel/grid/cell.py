"""A cell of the grid: method x backbone x benchmark x protocol x seed, and its identity.

Two cells with the same identity have the same result. Nothing here trains or evaluates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from sslskel.api.benchmark import Benchmark
from sslskel.api.dataset import Dataset
from sslskel.config.compose import Resolved, compose, option_names, shaping, to_plain
from sslskel.config.groups import Chosen
from sslskel.encoders.adapt import reading_of
from sslskel.engine.origins import by_content
from sslskel.errors import UsageError
from sslskel.grid.extra_data import extra_datasets
from sslskel.grid.origins import KnownOrigin
from sslskel.grid.suite_data import PREFIX, content_of
from sslskel.hashing import digest
from sslskel.plugins.registry import BACKBONES, BENCHMARKS, METHODS, PROTOCOLS
from sslskel.results.facts import StageFacts
from sslskel.transforms.clip import clip_spec


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
    """sha256 of the checkpoint that pretraining starts from, if any; behind a colon the part that it takes."""
    init_of_seeds: str = ""
    """The same for a whole row, where every seed starts from a checkpoint of its own."""
    origins: tuple[KnownOrigin, ...] = ()
    """Files and checkpoints that the method reads, as they were when the cell was composed."""
    former: Cell | None = None
    """The stage before this one, if any: a pretraining of its own."""
    part: str = ""
    """What is taken from its weights."""
    target: str = ""
    """Another benchmark to be judged on."""
    target_split: str = ""

    @property
    def judged_on(self) -> tuple[str, str]:
        """Benchmark and split that the record is of."""
        return (self.target, self.target_split) if self.target else (self.benchmark, self.split)

    @property
    def stages(self) -> tuple[Cell, ...]:
        """All pretrainings that the encoder needs, in their order; the last is this one."""
        return (*(self.former.stages if self.former else ()), self)

    def with_seed(self, seed: int, init: str, init_of_seeds: str) -> Cell:
        """The same cell for a seed, its stages included; the first of them starts from ``init``."""
        if self.former is None:
            return replace(self, seed=seed, init=init, init_of_seeds=init_of_seeds)
        return replace(self, seed=seed, former=self.former.with_seed(seed, init, init_of_seeds))

    def option_names(self) -> set[str]:
        """Every ``group.key`` that an override of this cell or of a stage before it may set."""
        return set[str]().union(*(option_names(one.method, one.backbone, one.protocol) for one in self.stages))

    def stage_facts(self, dataset: Dataset) -> tuple[StageFacts, ...]:
        """The stages before this one, for its checkpoint."""
        stages = self.stages
        return tuple(
            {
                "method": stage.method,
                "version": METHODS.get(stage.method).version,
                "identity": stage.pretrain_identity(dataset),
                "options": stage.of_any_seed().pretrain_identity(dataset)[:12],
                "taken": after.part,
            }
            for stage, after in pairwise(stages)
        )

    def of_any_seed(self) -> Cell:
        """The same for all seeds of a row."""
        former = None if self.former is None else self.former.of_any_seed()
        return replace(self, seed=0, init=self.init_of_seeds or self.init, former=former)

    @property
    def title(self) -> str:
        """For people: ``METHOD on BENCHMARK/SPLIT, seed 0, PROTOCOL``."""
        tail = f", {self.protocol}" if self.protocol else ""
        if self.target or (self.protocol and self.resolved.train.suite):
            tail += " on " + "/".join(self.judged_on)
        return f"{self.method} on {self.trained_on}, seed {self.seed}{tail}"

    @property
    def trained_on(self) -> str:
        """What it is pretrained on, for people: ``BENCHMARK/SPLIT`` or ``suite:NAME``."""
        suite = self.resolved.train.suite
        return PREFIX + suite if suite else f"{self.benchmark}/{self.split}"

    def pretrain_identity(self, dataset: Dataset) -> str:
        """Hex id of the pretraining that this cell needs; protocols share it."""
        method, plain = METHODS.get(self.method), self.resolved.plain()
        origins = [one.origin for one in self.origins]
        options = by_content(plain["method"], {one.option: one.sha256 for one in origins})
        content: dict[str, Any] = {
            "method": [METHODS.plugin_of(self.method), method.version, options],
            "clip": plain["clip"],
            "precision": plain["engine"]["precision"],
            "data": [dataset.fingerprint, self.split],
            "seed": self.seed,
            "init": self.init,
        }
        if origins:
            content["origins"] = [[one.kind, one.sha256] for one in origins]
        if self.former:
            content["former"] = [self.former.pretrain_identity(dataset), self.part]
        if method.uses_backbone:
            content["backbone"] = [self.backbone, BACKBONES.get(self.backbone).version, plain["backbone"]]
        if method.trains:
            content["train"] = shaping("train", plain["train"])
            if self.resolved.train.also:
                content["also"] = [[a.dataset.fingerprint, a.split] for a in extra_datasets(self.resolved.train.also)]
            if self.resolved.train.selection is Chosen.probe:
                probe = PROTOCOLS.get(self.resolved.train.probe)
                content["probe"] = [probe.version, shaping("protocol", to_plain(self.probe_config()))]
            if self.resolved.train.suite:
                content["suite"] = content_of(self.resolved.train.suite)
        return digest(content)

    def probe_config(self) -> object:
        """Options of ``train.probe``, as the preset has them: those given for the cell's own are not its."""
        return compose(
            self.method,
            backbone=self.backbone,
            preset=self.preset,
            protocol=self.resolved.train.probe,
            recipe=BENCHMARKS.get(self.benchmark).recipe,
            benchmarks=(self.benchmark, self.benchmark),
        ).protocol

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
            reading_of(clip_spec(dataset.info, self.resolved.clip), judged.info).joints,
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
    """Hex id of judging one encoder (named by its own id) under one protocol; ``joints`` as it reads the dataset."""
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


def require_cross_dataset(protocol: str, crosses: bool) -> None:
    """Raise ``UsageError`` for a protocol that judges on other data than pretraining's, where it is the same."""
    if PROTOCOLS.get(protocol).cross_dataset and not crosses:
        raise UsageError(
            f"protocol '{protocol}' evaluates encoders on another benchmark than they were pretrained on; name that"
            " one, with --pretrain-on BENCHMARK"
        )
