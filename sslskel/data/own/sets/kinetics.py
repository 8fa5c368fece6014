"""Kinetics-skeleton: ``kinetics_train_label.json`` with the folder ``kinetics_train`` of clips beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sslskel.data.own.formats.kind import Source
from sslskel.data.own.formats.table import read
from sslskel.data.own.recordings import Recording
from sslskel.data.own.sets.parts import official, part_in, refuse_twice
from sslskel.errors import DataError


def is_label_file(value: object) -> bool:
    """Whether an object maps clips to their labels."""
    entries = list(value.values()) if isinstance(value, Mapping) else []
    return bool(entries) and all(isinstance(entry, Mapping) and "label_index" in entry for entry in entries)


def read_label_files(files: Sequence[tuple[Path, object]], source: Source, notes: list[str]) -> list[Recording]:
    """A recording per clip that has a skeleton; raises ``DataError``."""
    parts, recordings, without = official([part_in(path.stem) for path, _ in files], notes), [], 0
    for path, value in files:
        assert isinstance(value, Mapping)
        folder = path.parent / path.stem.removesuffix("_label")
        if not folder.is_dir():
            raise DataError(f"'{path}' holds labels, and its clips would lie in the folder '{folder}'; put them there")
        own = {"official": parts[part_in(path.stem)]} if parts else {}
        for name, entry in value.items():
            if not entry.get("has_skeleton", True):
                without += 1
                continue
            file = folder / f"{name}.json"
            load = partial(read, replace(source, path=file))
            label = str(entry.get("label") or entry["label_index"])
            recordings.append(
                Recording(str(name), f"clip '{name}' ('{file}')", load, label=label, parts=own, files=(file,))
            )
    if without:
        notes.append(f"{without} clips without a skeleton (has_skeleton) are left out")
    refuse_twice([recording.name for recording in recordings], str(files[0][0]))
    return recordings
