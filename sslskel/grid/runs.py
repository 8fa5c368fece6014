"""Pretraining runs of a results folder: what is there, and removing what no record needs."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sslskel.engine.checkpoint import latest, read_meta, read_state
from sslskel.errors import UsageError
from sslskel.grid.sources import OUTDATED
from sslskel.results.store import ResultStore


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
    features: Path
    """Where those are, if any."""
    note: str = ""
    """What there is to say of the code that made it."""


def list_runs(output: Path | str) -> list[PretrainRun]:
    """Every pretraining run of a results folder, by name. Raises ``UsageError`` where there is no folder."""
    output = Path(output)
    if not output.is_dir():
        raise UsageError(f"there is no results folder {output}")
    records, _ = ResultStore(output).read_all()
    used = Counter(record.pretrain_identity for record in records)
    folders = [folder for folder in sorted((output / "pretrain").glob("*")) if folder.is_dir()]
    for folder in folders:
        step = latest(folder)
        meta = {} if step is None else read_meta(step)
        for stage in meta.get("stages", ()):
            # What a later stage started from is part of how its encoder was made.
            used[stage["identity"]] += used[meta["identity"]]
        for teacher in [origin["identity"] for origin in meta.get("origins", ()) if "identity" in origin]:
            # The same command asks for it again.
            used[teacher] += used[meta["identity"]]
    return [_describe(folder, used) for folder in folders]


def prune(output: Path | str, *, really: bool) -> list[PretrainRun]:
    """Runs whose encoder no record names; removed from disk where ``really``.

    An unfinished run is one of them: pruning it gives up its progress.
    """
    unused = [run for run in list_runs(output) if run.records == 0]
    if really:
        for run in unused:
            shutil.rmtree(run.folder)
            shutil.rmtree(run.features, ignore_errors=True)
    return unused


def _describe(folder: Path, used: Counter[str]) -> PretrainRun:
    step = latest(folder)
    if step is not None and OUTDATED in folder.name:
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        state, note = read_state(step), "outdated: a plugin was edited since, and it was made again"
        # The features of its encoder lie beside those of its successor, whose they count as.
        return PretrainRun(folder, "", int(state["step"]), True, 0, size, folder / "features", note)
    identity = "" if step is None else str(read_meta(step).get("identity", ""))
    features = folder.parent.parent / "features" / (identity or folder.name)
    size = sum(file.stat().st_size for top in (folder, features) for file in top.rglob("*") if file.is_file())
    if step is None:
        return PretrainRun(folder, "", 0, False, 0, size, features)
    state = read_state(step)
    note = "" if "sources" in state["meta"] else "does not say which code made it"
    finished = bool(state.get("finished", False))
    return PretrainRun(folder, identity, int(state["step"]), finished, used[identity], size, features, note)
