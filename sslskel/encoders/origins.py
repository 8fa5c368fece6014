"""What a method's origins are and have seen, and what a checkpoint passes on to weights that come from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sslskel.api.method import PretextMethod
from sslskel.encoders.meta import CheckpointMeta
from sslskel.engine.origins import FoundOrigin, found_origins, name_of
from sslskel.results.facts import OriginFacts, SeenFacts

Facts = TypeVar("Facts", SeenFacts, OriginFacts)


@dataclass(frozen=True)
class Inheritance:
    """What weights that come from others have from them."""

    seen: tuple[SeenFacts, ...] = ()
    origins: tuple[OriginFacts, ...] = ()

    @classmethod
    def of(cls, meta: CheckpointMeta, path: Path) -> Inheritance:
        """All that the checkpoint at ``path`` has seen, and its origins, as they come through it."""
        return cls(meta.seen, tuple(_through(one, name_of(path)) for one in meta.origins))

    @classmethod
    def read(cls, path: Path) -> Inheritance:
        """The same of a checkpoint that is not read yet. Raises ``CheckpointError``."""
        return cls.of(CheckpointMeta.read(path), path)


@dataclass(frozen=True)
class KnownOrigin:
    """An origin of a method, and what comes with it."""

    found: FoundOrigin
    passes_on: Inheritance
    """The origin itself and those behind it."""


def known_origins(plugin: type[PretextMethod], config: object) -> tuple[KnownOrigin, ...]:
    """What a method with this configuration reads; raises ``UsageError`` as ``found_origins`` does."""
    return tuple(_known(one) for one in found_origins(plugin, config))


def once_each(entries: Iterable[Facts]) -> tuple[Facts, ...]:
    """Entries without those that are there already."""
    kept: list[Facts] = []
    for entry in entries:
        if entry not in kept:
            kept.append(entry)
    return tuple(kept)


def _known(found: FoundOrigin) -> KnownOrigin:
    facts: OriginFacts = {"kind": found.kind, "name": found.name, "sha256": found.sha256}
    if found.option:
        facts["option"] = found.option
    if found.kind == "file":
        return KnownOrigin(found, Inheritance(origins=(facts,)))
    meta = CheckpointMeta.read(found.path)
    behind = Inheritance.of(meta, found.path)
    facts["identity"] = meta.identity
    facts["saw"] = sorted({f"{part['dataset']}/{part['split']}" for part in behind.seen})
    return KnownOrigin(found, Inheritance(behind.seen, (facts, *behind.origins)))


def _through(origin: OriginFacts, checkpoint: str) -> OriginFacts:
    passed = origin.copy()
    passed.pop("option", None)
    passed.setdefault("through", checkpoint)
    return passed
