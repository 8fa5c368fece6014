"""Whether results were made by the code that is here: which cells an edited plugin makes due again.

Versions are part of identities; a digest of the source finds what was edited without a new version.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sslskel.encoders.meta import CheckpointMeta
from sslskel.engine.checkpoint import latest, read_meta, read_state
from sslskel.engine.provenance import command_line
from sslskel.errors import CheckpointError, UsageError
from sslskel.files import writing_in
from sslskel.grid.cell import Cell
from sslskel.plugins.registry import BACKBONES, METHODS, PROTOCOLS
from sslskel.plugins.source import digest_of
from sslskel.progress import SILENT, Reporter
from sslskel.results.record import RecordError
from sslskel.results.sources import EqualSources
from sslskel.results.store import ResultStore

OUTDATED = ".outdated-"
"""In the name of a pretraining's folder: plugins were edited since, and it was made again."""


@dataclass(frozen=True)
class PluginSource:
    """A plugin that results depend on, and the digest of its source as it is now."""

    kind: str
    name: str
    digest: str
    stage: int = 0
    """Number of the stage of pretraining that it is of; 0 for the last one."""

    @property
    def key(self) -> str:
        """What records and checkpoints call it."""
        return f"{self.kind} of stage {self.stage}" if self.stage else self.kind


def of_pretraining(cell: Cell) -> list[PluginSource]:
    """What a cell's encoder depends on, the stages before the last one included."""
    former = [replace(one, stage=n) for n, stage in enumerate(cell.stages[:-1], 1) for one in _of_stage(stage)]
    return [*_of_stage(cell), *former]


def _of_stage(cell: Cell) -> list[PluginSource]:
    name = METHODS.plugin_of(cell.method)
    sources = [PluginSource("method", name, digest_of(METHODS, name))]
    if METHODS.get(cell.method).uses_backbone:
        sources.append(PluginSource("backbone", cell.backbone, digest_of(BACKBONES, cell.backbone)))
    return sources


def of_protocol(protocol: str) -> PluginSource:
    """What a protocol's scores depend on besides the encoder."""
    name = PROTOCOLS.plugin_of(protocol)
    return PluginSource("protocol", name, digest_of(PROTOCOLS, name))


def of_cell(cell: Cell) -> list[PluginSource]:
    """What a cell's record depends on."""
    return [*of_pretraining(cell), *([of_protocol(cell.protocol)] if cell.protocol else [])]


def of_checkpoint(meta: CheckpointMeta, protocol: str) -> list[PluginSource]:
    """What judging an encoder that is there depends on: the code that made it, as it was then."""
    names = {"method": meta.method.plugin, "backbone": meta.backbone.name}
    made = [PluginSource(kind, names.get(kind, ""), digest) for kind, digest in meta.sources.items()]
    return [*made, of_protocol(protocol)]


def digests(sources: list[PluginSource]) -> dict[str, str]:
    """Kind -> digest, as records and checkpoints hold them; a source that cannot be read is left out."""
    return {one.key: one.digest for one in sources if one.digest}


class SourceGuard:
    """Compares what made the results of a folder with the code that is here.

    ``keep`` says that edits since then have changed no number, which the folder remembers where the guard
    ``writes``. Every edited plugin is reported once.
    """

    def __init__(
        self, store: ResultStore, keep: bool = False, reporter: Reporter = SILENT, *, writes: bool = True
    ) -> None:
        self._store, self._keep, self._reporter, self._writes = store, keep, reporter, writes
        self._equal = EqualSources(store.folder / "sources")
        self._reported: set[tuple[str, str]] = set()
        self.unknown: set[str] = set()
        """Identities of records that were reused and do not say which code made them."""

    def done(self, cell: Cell, identity: str) -> bool:
        """Whether a cell has a record that the code of now stands behind."""
        return self.holds(identity, of_cell(cell))

    def is_due(self, cell: Cell, identity: str) -> bool:
        """Whether a cell is to be run; where nobody can read its record, running it says so."""
        try:
            return not self.done(cell, identity)
        except RecordError:
            return True

    def holds(self, identity: str, sources: list[PluginSource]) -> bool:
        """As :meth:`done`, for sources that are known already."""
        if not self._store.has(identity):
            return False
        made_by = self._store.read(identity).sources
        if self._changed(sources, made_by):
            return False
        if any(one.digest and one.key not in made_by for one in sources):
            self.unknown.add(identity)
        return True

    def make_room(self, identity: str) -> None:
        """Lay an outdated record aside, so that its cell can have a new one."""
        if self._store.has(identity):
            self._store.set_aside(identity)

    def is_outdated(self, cell: Cell, folder: Path) -> bool:
        """Whether a pretraining in a folder was made by other code."""
        try:
            step = latest(folder) if folder.is_dir() else None
            return step is not None and bool(self._changed(of_pretraining(cell), read_meta(step).get("sources", {})))
        except CheckpointError:
            return False

    def stands_behind(self, sources: list[PluginSource], made_by: Mapping[str, str]) -> bool:
        """Whether the code of now gives the same numbers as that of ``made_by``, kind -> digest."""
        return not self._changed(sources, made_by)

    def check_pretraining(self, cell: Cell, folder: Path) -> None:
        """Lay a finished pretraining of edited plugins aside, and refuse to go on with one that is half done.

        Raises ``UsageError`` for the latter.
        """
        finished, changed = self._state_of(cell, folder)
        if not changed:
            return
        if not finished:
            raise UsageError(_half_done(folder, changed))
        number = 1
        while os.path.lexists(target := folder.with_name(f"{folder.name}{OUTDATED}{number}")):
            number += 1
        with writing_in(folder.parent, "an outdated pretraining"):
            folder.rename(target)

    def refusal(self, cell: Cell, folder: Path) -> str:
        """Why a run would not go on with the pretraining in a folder, as a sentence; empty where it would."""
        try:
            finished, changed = self._state_of(cell, folder)
        except CheckpointError as fault:
            return str(fault)
        return _half_done(folder, changed) if changed and not finished else ""

    def _state_of(self, cell: Cell, folder: Path) -> tuple[bool, list[PluginSource]]:
        """Whether the pretraining in a folder is finished, and which plugins were edited since it was made."""
        step = latest(folder) if folder.is_dir() else None
        if step is None:
            return False, []
        state = read_state(step)
        finished = bool(state.get("finished"))
        return finished, self._changed(of_pretraining(cell), state["meta"].get("sources", {}), made_again=finished)

    def _changed(
        self, sources: list[PluginSource], made_by: Mapping[str, str], made_again: bool = True
    ) -> list[PluginSource]:
        """Plugins whose source is not the one that made a result; none where nothing is known of that.

        Reported where the result is kept or made again.
        """
        changed = []
        for one in sources:
            before = made_by.get(one.key, "")
            if before and one.digest and not self._equal.are_equal(one.kind, one.name, before, one.digest):
                if not self._keep:
                    changed.append(one)
                elif self._writes:
                    self._equal.accept(one.kind, one.name, before, one.digest, command_line())
                if self._keep or made_again:
                    self._report(one)
        return changed

    def _report(self, one: PluginSource) -> None:
        if (one.kind, one.name) in self._reported:
            return
        self._reported.add((one.kind, one.name))
        changed = f"{one.kind} '{one.name}' changed at the same version since its results were made"
        kept = "they are kept, and its numbers count as unchanged"
        again = "they are made again (--keep-results keeps them where numbers are unchanged)"
        self._reporter.line(f"{changed}: {kept if self._keep else again}")


def _half_done(folder: Path, changed: Sequence[PluginSource]) -> str:
    what = " and ".join(f"{one.kind} '{one.name}'" for one in changed)
    return (
        f"{folder} is half done, and {what} changed at the same version since it began: remove that folder to start"
        " again, bump `version` if numbers change, or give --keep-results if they do not"
    )
