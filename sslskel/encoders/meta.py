"""What a checkpoint says of the encoder in it: how it was made, for what, and what it has seen.

The keys of ``to_json`` lie in every checkpoint's ``state.json`` and are read for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sslskel.api.dataset import DatasetInfo
from sslskel.api.skeleton import SkeletonLayout
from sslskel.encoders.meta_kinds import check_items, check_meta
from sslskel.engine.checkpoint import read_state, resolve
from sslskel.errors import CheckpointError, DataError
from sslskel.hashing import IDENTITY, digest, file_sha256
from sslskel.results.facts import MethodFacts, OriginFacts, SeenFacts, StageFacts
from sslskel.results.schema import WHOLE
from sslskel.text import plain

Options = Mapping[str, object]
"""A configuration group as plain data."""
RELEASED_BACKBONE = "transformer"
"""The backbone that encoders of released files are read into."""


@dataclass(frozen=True)
class MethodMeta:
    """The method that made an encoder."""

    name: str
    """As asked for: a plugin or a preset of one."""
    plugin: str
    version: int
    origin: str
    """Where its code was: a file, or a package and what is in it."""

    def facts(self) -> MethodFacts:
        """As a record keeps them."""
        return {"name": self.name, "plugin": self.plugin, "version": self.version, "origin": self.origin}


@dataclass(frozen=True)
class BackboneMeta:
    """The network that the method asked for."""

    name: str
    version: int
    used: bool = True
    """Whether the method built it."""
    origin: str = ""
    """Where its code was, as of a method; empty for one that comes with sslskel."""


@dataclass(frozen=True)
class BenchmarkMeta:
    """Where an encoder was pretrained; a released file names none."""

    name: str = ""
    version: int = 0
    split: str | None = None


@dataclass(frozen=True)
class DatasetMeta:
    """The kind of clips that an encoder was built for."""

    name: str
    layout: SkeletonLayout
    fps: float
    unit: str
    coordinates: int
    persons: int
    fingerprint: str = ""

    @classmethod
    def of(cls, info: DatasetInfo, fingerprint: str) -> DatasetMeta:
        """What an encoder must remember of its dataset."""
        return cls(info.name, info.layout, info.fps, info.unit, info.coordinates, info.persons, fingerprint)

    @property
    def info(self) -> DatasetInfo:
        """As much of the dataset's own facts as an encoder needs to be built again."""
        return DatasetInfo(
            self.name, 0, self.layout, (), self.fps, self.unit, coordinates=self.coordinates, persons=self.persons
        )


@dataclass(frozen=True)
class Construction:
    """All that an encoder is built again from: the options it was made with, and the clips it was made for."""

    method: Options
    backbone: Options
    clip: Options
    train: Options
    precision: str
    dataset: DatasetMeta
    clips: int = 0
    """Of its training set; kept beside the meta, with the settings of the run."""


@dataclass(frozen=True)
class Declared:
    """What stands for a construction where an encoder came as a module, and its owner says what it saw."""

    dataset: str
    """Name of the dataset whose clips it is opened for."""
    source_sha256: str
    """Of the files that it was made by."""


@dataclass(frozen=True)
class CheckpointMeta:
    """What is known of the encoders in one checkpoint."""

    identity: str
    """Hex id of the pretraining."""
    method: MethodMeta
    backbone: BackboneMeta
    benchmark: BenchmarkMeta
    preset: str
    seed: int
    seen: tuple[SeenFacts, ...]
    """Which data its weights have seen, that of earlier trainings included."""
    construction: Construction | None
    """None for a released file or a module, which do not say how they were made."""
    init: str = ""
    """sha256 of the weights that its training started from, if any; behind a colon the part that it took."""
    init_of_seeds: str = ""
    """The same for all seeds of a row, where each started from a checkpoint of its own."""
    init_identity: str = ""
    """Hex id of the pretraining that those weights are of; empty in early checkpoints."""
    stages: tuple[StageFacts, ...] = ()
    """The stages before the last one."""
    declared: Declared | None = None
    """None for all but a module; no part of a checkpoint."""
    origins: tuple[OriginFacts, ...] = ()
    """Files and checkpoints that its method read, and those that came with the weights it started from."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Digests of the source of ``method`` and ``backbone`` that made it; empty in early checkpoints."""
    probed: Mapping[str, Any] = field(default_factory=dict)
    """What ``train.probe`` gave, and which epoch it chose if it was asked to; kept beside the meta, as clips are."""

    @property
    def made_for(self) -> str:
        """Name of the dataset whose clips it was built for; empty where that is not known."""
        if self.declared:
            return self.declared.dataset
        return self.construction.dataset.name if self.construction else ""

    def to_json(self) -> dict[str, Any]:
        """The content of ``meta`` in a checkpoint's ``state.json``."""
        content = {
            "identity": self.identity,
            "method": asdict(self.method),
            "backbone": {key: value for key, value in asdict(self.backbone).items() if key != "origin" or value},
            "init": self.init,
            "preset": self.preset,
            "seed": self.seed,
            "benchmark": asdict(self.benchmark),
            "seen": list(self.seen),
            **({"sources": dict(self.sources)} if self.sources else {}),
        }
        if self.init_of_seeds:
            content["init_of_seeds"] = self.init_of_seeds
        if self.init_identity:
            content["init_identity"] = self.init_identity
        if self.stages:
            content["stages"] = [dict(stage) for stage in self.stages]
        if self.origins:
            content["origins"] = [dict(origin) for origin in self.origins]
        return content if self.construction is None else _with_construction(content, self.construction)

    @classmethod
    def from_json(cls, content: Mapping[str, Any], where: Path | str, clips: int = 0) -> CheckpointMeta:
        """Read ``meta`` of a checkpoint that lies at ``where``, whatever version wrote it.

        ``clips`` is the number of clips that it was trained on, which ``meta`` does not hold.
        Keys that are not known are passed over. Raises ``CheckpointError`` naming one that is missing, or where
        what it says cannot be.
        """
        try:
            check_meta(content)
            made = cls(
                identity=content["identity"],
                method=MethodMeta(**_some(content["method"], "name", "plugin", "version", "origin")),
                # Early checkpoints do not say whether the backbone was used: all of them used one.
                backbone=BackboneMeta(
                    **_some(content["backbone"], "name", "version"),
                    used=content["backbone"].get("used", True),
                    origin=content["backbone"].get("origin", ""),
                ),
                benchmark=BenchmarkMeta(**_some(content["benchmark"], "name", "version", "split")),
                preset=content["preset"],
                seed=content["seed"],
                seen=tuple(content["seen"]),
                construction=_construction(content, clips),
                init=content.get("init", ""),
                init_of_seeds=content.get("init_of_seeds", ""),
                init_identity=content.get("init_identity", ""),
                stages=tuple(content.get("stages", ())),
                origins=tuple(content.get("origins", ())),
                sources=content.get("sources", {}),
            )
            made._check_names(where)
            check_items(content)
        except KeyError as fault:
            raise CheckpointError(f"{where} does not say how to rebuild its encoder: {fault} is missing") from fault
        except (TypeError, AttributeError, ValueError, DataError) as fault:
            raise CheckpointError(f"{where} does not say how to rebuild its encoder: {fault}") from fault
        return made

    @property
    def comes_from(self) -> tuple[str, ...]:
        """Identities of the pretrainings that this one took weights of or read."""
        stages = [stage["identity"] for stage in self.stages]
        read = [origin["identity"] for origin in self.origins if "identity" in origin]
        return (*stages, *read, *([self.init_identity] if self.init_identity else []))

    def _check_names(self, where: Path | str) -> None:
        """Files and folders are called after identities; raises ``CheckpointError`` for one that is none."""
        for name in (self.identity, *self.comes_from):
            if not isinstance(name, str) or not IDENTITY.fullmatch(name):
                raise CheckpointError(
                    f"{where} calls a pretraining {plain(repr(name)):.60}, where an identity of 8 to 64 hexadecimal"
                    " digits was expected"
                )

    @classmethod
    def read(cls, path: Path) -> CheckpointMeta:
        """Of the checkpoint at ``path``: a step's directory or a folder of them. Raises ``CheckpointError``."""
        step = resolve(path)
        state = read_state(step)
        settings = state.get("settings", {})
        if not isinstance(settings, dict) or not WHOLE.fits(settings.get("clips", 0)):
            raise CheckpointError(f"{step}: its state does not say by name how it was trained; it cannot be read")
        probed = state.get("probe", {})
        if not isinstance(probed, dict):
            raise CheckpointError(f"{step}: its state does not say by name what its probe gave; it cannot be read")
        return replace(cls.from_json(state["meta"], step, settings.get("clips", 0)), probed=probed)

    @classmethod
    def of_released(cls, file: Path, num_heads: int) -> CheckpointMeta:
        """What is known of a released file: its name, content and heads, and nothing that it does not state."""
        _, content = file_sha256(file)
        return cls(
            identity=digest({"released": content, "heads": num_heads}),
            method=MethodMeta(file.stem, "released", 0, file.name),
            backbone=BackboneMeta(RELEASED_BACKBONE, 1),
            benchmark=BenchmarkMeta(),
            preset="released",
            seed=0,
            seen=(),
            construction=None,
        )


def _some(content: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: content[name] for name in names}


def _with_construction(content: dict[str, Any], made: Construction) -> dict[str, Any]:
    return content | {
        "method": content["method"] | {"config": made.method},
        "backbone": content["backbone"] | {"config": made.backbone},
        "clip": made.clip,
        "train": made.train,
        "precision": made.precision,
        "dataset": vars(made.dataset) | {"layout": made.dataset.layout.to_json()},
    }


def _options(value: object, group: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"the options of group '{group}' are {value!r:.40}, where names with values were expected")
    return value


def _construction(content: Mapping[str, Any], clips: int) -> Construction:
    data = content["dataset"]
    return Construction(
        method=_options(content["method"]["config"], "method"),
        backbone=_options(content["backbone"]["config"], "backbone"),
        clip=_options(content["clip"], "clip"),
        train=_options(content["train"], "train"),
        precision=content["precision"],
        dataset=DatasetMeta(
            **_some(data, "name", "fps", "unit", "coordinates", "persons", "fingerprint"),
            layout=SkeletonLayout.from_json(data["layout"]),
        ),
        clips=clips,
    )
