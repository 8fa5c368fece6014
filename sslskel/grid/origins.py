"""What the files and checkpoints that a method reads have seen, and what passes on to weights that come from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sslskel.api.method import PretextMethod
from sslskel.encoders.meta import CheckpointMeta
from sslskel.engine.origins import HashedOrigin, hashed_origins, name_of
from sslskel.errors import UsageError
from sslskel.evaluation.leakage import seen_rows
from sslskel.grid.extra_data import ExtraDataset, declared_datasets
from sslskel.plugins.registry import once
from sslskel.results.facts import OriginFacts, SeenFacts

Facts = TypeVar("Facts", SeenFacts, OriginFacts)


@dataclass(frozen=True)
class Inheritance:
    """What weights that come from others have from them."""

    seen: tuple[SeenFacts, ...] = ()
    origins: tuple[OriginFacts, ...] = ()
    identity: str = ""
    """Of the pretraining that they are of."""

    @classmethod
    def of(cls, meta: CheckpointMeta, path: Path) -> Inheritance:
        """All that the checkpoint at ``path`` has seen, and its origins, as they come through it."""
        return cls(meta.seen, tuple(_through(one, name_of(path)) for one in meta.origins), meta.identity)

    @classmethod
    def read(cls, path: Path) -> Inheritance:
        """The same of a checkpoint that is not read yet. Raises ``CheckpointError``."""
        return cls.of(CheckpointMeta.read(path), path)


@dataclass(frozen=True)
class KnownOrigin:
    """An origin of a method, and what is known of it."""

    origin: HashedOrigin
    meta: CheckpointMeta | None
    """Of a checkpoint."""
    declared: tuple[ExtraDataset, ...] | None
    """What the owner of a file says that it was made from; None where that is unknown."""

    def passes_on(self) -> Inheritance:
        """The origin itself, those behind it, and what they saw; reads all clips that were declared."""
        origin = self.origin
        facts: OriginFacts = {"kind": origin.kind, "name": origin.name, "sha256": origin.sha256}
        if origin.option:
            facts["option"] = origin.option
        behind = Inheritance()
        if self.meta is not None:
            behind = Inheritance.of(self.meta, origin.path)
            facts["identity"] = self.meta.identity
        elif self.declared is not None:
            parts = [seen_rows(e.benchmark, e.dataset, e.rows, e.split, "train") for e in self.declared]
            behind = Inheritance(tuple(parts))
            facts["declared"] = True
        else:
            return Inheritance(origins=(facts,))
        facts["saw"] = sorted({f"{part['dataset']}/{part['split']}" for part in behind.seen})
        return Inheritance(behind.seen, (facts, *behind.origins))


def known_origins(plugin: type[PretextMethod], config: object) -> tuple[KnownOrigin, ...]:
    """What a method with this configuration reads.

    Raises ``UsageError`` as ``hashed_origins`` does, and for a dataset that is unknown.
    """
    return tuple(_known(one) for one in hashed_origins(plugin, config))


def once_each(entries: Iterable[Facts]) -> tuple[Facts, ...]:
    """Entries without those that are there already."""
    kept: list[Facts] = []
    for entry in entries:
        if entry not in kept:
            kept.append(entry)
    return tuple(kept)


def _known(origin: HashedOrigin) -> KnownOrigin:
    if origin.kind == "checkpoint":
        return KnownOrigin(origin, CheckpointMeta.read(origin.path), None)
    if not origin.seen:
        return KnownOrigin(origin, None, None)
    try:
        datasets = once(("origin", "seen", origin.seen), lambda: declared_datasets(origin.seen))
    except UsageError as fault:
        raise UsageError(f"what {origin.path} is declared to be made from: {fault}") from fault
    return KnownOrigin(origin, None, datasets)


def _through(origin: OriginFacts, checkpoint: str) -> OriginFacts:
    passed = origin.copy()
    passed.pop("option", None)
    passed.setdefault("through", checkpoint)
    return passed
