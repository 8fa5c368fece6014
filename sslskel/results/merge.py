"""Joins results folders of several machines into one; records that contradict each other are named and not added.

Encoders stay where they are: a record names its run, and is whole without it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sslskel.errors import UsageError
from sslskel.files import publish, writing_in
from sslskel.results.record import Record, RecordError
from sslskel.results.store import ResultStore

INCIDENTAL = frozenset(
    {"cost", "environment", "command", "created", "predictions", "sources", "digest", "copied_test_clips"}
)
"""Fields in which two runs of one cell differ without disagreeing."""


@dataclass(frozen=True)
class Merged:
    """What became of the records of the folders. Every problem and conflict is one sentence."""

    added: int
    present: int
    """Records that the target had already, or that came from an earlier folder."""
    conflicts: tuple[str, ...]
    problems: tuple[str, ...]
    """Files that are not valid records, or whose predictions are damaged."""


def merge(folders: Sequence[Path | str], target: Path | str) -> Merged:
    """Copy the records and predictions of ``folders`` into ``target``; give it again to continue.

    Two records of one identity agree where all but machine, cost and time are equal; the first
    is kept. Where they do not, both are named and none is added. Raises ``UsageError`` for a
    folder without results, ``RunError`` where the target cannot be written.
    """
    store = ResultStore(target)
    by_identity: dict[str, list[tuple[ResultStore, Record]]] = defaultdict(list)
    problems: list[str] = []
    for folder in [target, *folders]:
        source = ResultStore(folder)
        if folder is not target and not (source.folder / "records").is_dir():
            raise UsageError(f"{folder} holds no results; give folders that `sslskel bench --results` wrote")
        records, broken = source.read_all()
        problems += [f"{path}: {reason}" for path, reason in broken]
        for record in records:
            by_identity[record.identity].append((source, record))
    added, present, conflicts = 0, 0, []
    for identity in sorted(by_identity):
        copies = by_identity[identity]
        differing = _differing([record for _, record in copies])
        if differing:
            files = ", ".join(str(source.path(identity)) for source, _ in copies)
            conflicts.append(f"record {identity} differs in {', '.join(differing)} between {files}")
            continue
        source, record = copies[0]
        if source.folder != store.folder:
            try:
                _copy(source, record, store)
            except RecordError as fault:
                problems.append(str(fault))
                continue
            added += 1
        present += len(copies) - 1
    return Merged(added, present, tuple(conflicts), tuple(problems))


def _differing(copies: Sequence[Record]) -> list[str]:
    contents = [json.loads(copy.to_json()) for copy in copies]
    names = sorted({name for content in contents for name in content} - INCIDENTAL)
    return [name for name in names if any(content.get(name) != contents[0].get(name) for content in contents)]


def _copy(source: ResultStore, record: Record, store: ResultStore) -> None:
    """Predictions first, so that no record ever names a file that is not there."""
    source.predictions(record)
    with writing_in(store.folder, "a record"):
        if record.predictions is not None:
            name = record.predictions["file"]
            publish(store.folder / name, (source.folder / name).read_bytes(), replace_existing=True)
        publish(store.path(record.identity), source.path(record.identity).read_bytes())
