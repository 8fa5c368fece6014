"""Pretraining runs of a results folder: what is there, and removing what nothing needs.

What cannot be read counts as unknown, and what is unknown is kept. How one folder is read is in ``run_folder.py``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sslskel.errors import RunError, UsageError
from sslskel.grid.run_folder import PRUNED, RunFolder, bytes_below
from sslskel.results import claims
from sslskel.results.claims import Holder
from sslskel.results.record import Record
from sslskel.results.store import ResultStore
from sslskel.text import plain


@dataclass(frozen=True)
class PretrainRun:
    """One folder below ``pretrain/``."""

    folder: Path
    identity: str
    step: int
    finished: bool
    records: int
    """How many records were made with its encoder, or with one of a later stage or of a method that read it."""
    bytes: int
    """On disk, with the features that were kept of its encoder."""
    features: Path | None
    """Where those are, if they are of no other run."""
    note: str = ""
    """What there is to say of the code that made it."""
    kept: str = ""
    """Why :func:`prune` keeps it; empty where it may go."""

    @property
    def why(self) -> str:
        """Why it may go."""
        if PRUNED.fullmatch(self.folder.name):
            return "left by a removal that was interrupted"
        if self.note.startswith("outdated"):
            return self.note
        state = f"finished at step {self.step}" if self.finished else f"unfinished at step {self.step}"
        return f"{state}; no record was made with it and no other run needs it"


def list_runs(output: Path | str, *, unfinished: bool = False) -> list[PretrainRun]:
    """Every pretraining run of a results folder, by name, and whether :func:`prune` would keep it.

    Raises ``UsageError`` where there is no folder.
    """
    output = Path(output)
    if not output.is_dir():
        raise UsageError(f"there is no results folder {output}")
    return _Survey.of(output, unfinished).runs()


def prune(output: Path | str, *, really: bool, unfinished: bool = False) -> list[PretrainRun]:
    """Runs that nothing needs; removed from disk, with the features of their encoders, where ``really``.

    Kept is what a record was made with, and what such a run took weights of or read; what a process works on; what
    an interrupted or failed command would continue from, unless ``unfinished``; and all that may be needed by a
    record, claim or run that cannot be read. Nothing outside the results folder is touched, links included.
    Raises ``UsageError`` where there is no folder, and ``RunError`` for what could not be removed, the rest being
    gone.
    """
    output, faults = Path(output), []
    unused = [run for run in list_runs(output, unfinished=unfinished) if not run.kept]
    for run in unused if really else ():
        try:
            _remove(ResultStore(output), run)
        except OSError as fault:
            faults.append(f"{run.folder} could not be removed ({fault.strerror})")
    if faults:
        raise RunError("; ".join(faults))
    if really and unfinished:
        _drop_notes(output)
    return unused


@dataclass(frozen=True)
class _Survey:
    """A results folder, as far as it bears on what its runs are needed for."""

    output: Path
    unfinished: bool
    """Whether interrupted work is given up."""
    folders: Sequence[RunFolder]
    records: Sequence[Record]
    holders: Sequence[Holder]
    unknown: str
    """What of the folder cannot be read; any run may be needed by it."""

    @classmethod
    def of(cls, output: Path, unfinished: bool) -> _Survey:
        store = ResultStore(output)
        records, problems = store.read_all()
        holders = store.holders()
        folders = _folders(output)
        unknown = [f"{path} cannot be read ({reason})" for path, reason in problems]
        unknown += [f"{one} and does not say what for" for one in holders if one.needs is None]
        unknown += [f"{one.path} is not known in full ({one.fault})" for one in folders if one.fault]
        return cls(output, unfinished, folders, records, holders, next(iter(unknown), ""))

    def runs(self) -> list[PretrainRun]:
        used = [self._reached([record.pretrain_identity, *_teachers(record)]) for record in self.records]
        kept = [self._own_reason(one, used) for one in self.folders]
        # What stays for a reason of its own needs what it was made of.
        for one, reason in zip(self.folders, list(kept), strict=True):
            if reason and one.comes_from:
                reached = self._reached(one.comes_from)
                for place, other in enumerate(self.folders):
                    if not kept[place] and not self._is_succeeded(other) and _is_any(other, reached):
                        kept[place] = f"{one.path.name} was made with it"
        if self.unknown:
            kept = [reason or f"{self.unknown} and may need it" for reason in kept]
        safe = [self._place_reason(one) or reason for one, reason in zip(self.folders, kept, strict=True)]
        shared = {one.identity for one, reason in zip(self.folders, safe, strict=True) if reason}
        return [self._run(one, reason, used, shared) for one, reason in zip(self.folders, safe, strict=True)]

    def _run(self, one: RunFolder, kept: str, used: Sequence[Collection[str]], shared: Collection[str]) -> PretrainRun:
        note = ""
        if one.outdated:
            note = "outdated: a plugin was edited since, and it was made again"
        elif one.identity and one.sources is None:
            note = "does not say which code made it"
        # The features of an outdated encoder lie beside those of its successor, whose they count as.
        features = self.output / "features" / one.identity if one.identity and not one.outdated else None
        size = one.bytes + (bytes_below(features) if features else 0)
        mine = features if features and one.identity not in shared and self._is_inside(features) else None
        records = len(self._records_of(one, used))
        return PretrainRun(one.path, one.identity, one.step, one.finished, records, size, mine, note, kept)

    def _place_reason(self, one: RunFolder) -> str:
        """Why a folder is left alone whatever it is needed for."""
        if not self._is_inside(one.path):
            return f"it is not in {self.output}: a link leads there"
        if one.fault:
            return one.fault
        return f"it holds {', '.join(one.strange[:3])}, which no run wrote" if one.strange else ""

    def _own_reason(self, one: RunFolder, used: Sequence[Collection[str]]) -> str:
        """Why a run stays for its own sake."""
        if count := len(self._records_of(one, used)):
            return f"{count} {'record was' if count == 1 else 'records were'} made with it"
        if one.outdated or one.half_removed:
            return ""
        for holder in self.holders:
            if not any(map(one.is_of, holder.needs or ())):
                continue
            if holder.alive:
                return f"{holder} needs it"
            if not self.unfinished:
                return f"the command that left {holder.path} continues from it"
        if not one.finished and not self.unfinished:
            return f"unfinished at step {one.step}; the same command continues from it"
        return ""

    def _records_of(self, one: RunFolder, used: Sequence[Collection[str]]) -> list[Record]:
        pairs = zip(self.records, used, strict=True)
        reached = [record for record, identities in pairs if _is_any(one, identities)]
        if not self._is_succeeded(one):
            return reached
        # Of two encoders of one identity a record was made with the one of the same code.
        return [record for record in reached if _may_be_made_by(one.sources or {}, record.sources)]

    def _is_succeeded(self, one: RunFolder) -> bool:
        """Whether an outdated run was made again."""
        return one.outdated and any(
            other.identity == one.identity and not other.outdated for other in self.folders if other.finished
        )

    def _reached(self, identities: Sequence[str]) -> set[str]:
        """These runs, those that they took weights of or read, and so on."""
        reached, due = set[str](), list(identities)
        while due:
            identity = due.pop()
            if identity not in reached:
                reached.add(identity)
                due += [name for one in self.folders if one.is_of(identity) for name in one.comes_from]
        return reached

    def _is_inside(self, path: Path) -> bool:
        whole = Path(os.path.realpath(self.output))
        return Path(os.path.realpath(path)) == whole / path.relative_to(self.output)


def _folders(output: Path) -> list[RunFolder]:
    """All folders below ``pretrain/``, by name. Raises ``UsageError`` where that cannot be read."""
    top = output / "pretrain"
    try:
        names = sorted(entry.name for entry in os.scandir(top))
    except FileNotFoundError:
        return []
    except OSError as fault:
        raise UsageError(f"{top} cannot be read: {fault.strerror}") from fault
    return [RunFolder.read(top / name) for name in names if (top / name).is_dir()]


def _teachers(record: Record) -> list[str]:
    return [origin["identity"] for origin in record.origins if "identity" in origin]


def _is_any(one: RunFolder, identities: Collection[str]) -> bool:
    return any(map(one.is_of, identities))


def _may_be_made_by(sources: Mapping[str, str], recorded: Mapping[str, str]) -> bool:
    return all(recorded.get(key, digest) == digest for key, digest in sources.items())


def _remove(store: ResultStore, run: PretrainRun) -> None:
    """Remove one run, unless a process has begun to work on it meanwhile."""
    with contextlib.ExitStack() as held:
        if run.identity and not run.note.startswith("outdated"):
            path = store.folder / "claims" / f"pretrain-{run.identity}.json"
            try:
                claim = claims.take(path)
            except OSError as fault:
                # On a full disk no claim can be written, and room is what is wanted.
                if fault.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
            else:
                if claim is None:
                    raise OSError(errno.EBUSY, f"{plain(claims.holder_of(path))} has begun to work on it")
                held.enter_context(claim)
        aside = run.folder
        if not PRUNED.fullmatch(aside.name):
            # Half a run must never bear its name.
            aside = run.folder.rename(run.folder.with_name(f".{run.folder.name}.pruned-{os.getpid()}"))
        shutil.rmtree(aside)
        if run.features is not None and run.features.is_dir():
            shutil.rmtree(run.features)


def _drop_notes(output: Path) -> None:
    """Forget interrupted work that was given up."""
    present = _folders(output)
    for holder in ResultStore(output).holders():
        if holder.alive or holder.needs is None:
            continue
        if not any(one.is_of(need) for need in holder.needs for one in present):
            with contextlib.suppress(OSError):
                holder.path.unlink()
