"""Which part of a split a file holds, by its name: ``train_label.pkl``, ``kinetics_val_label.json``, ``x_test``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sslskel.errors import DataError

PARTS = ("train", "val", "test")
_PART = re.compile(r"(?:^|[^a-z])(train|val|valid|validation|test|eval)(?:ing)?(?:$|[^a-z])")
_WORDS = {"valid": "val", "validation": "val", "eval": "test"}


def part_in(name: str) -> str:
    """``train``, ``val`` or ``test`` in a name, or ''."""
    match = _PART.search(name.lower())
    return _WORDS.get(match[1], match[1]) if match else ""


def official(parts: Sequence[str], notes: list[str]) -> Mapping[str, str]:
    """Part of the files -> that of the split ``official``; empty where not all files have one, or all have the same.

    Without a test part the validation part is it; beside one it stays out, because its persons are not known.
    """
    distinct = set(parts)
    if "" in distinct or len(distinct) < 2:
        return {}
    if "test" not in distinct:
        return {"train": "train", "val": "test"}
    if "val" in distinct:
        notes.append("the clips of 'val' are in no part")
    return {"train": "train", "val": "", "test": "test"}


def refuse_twice(names: Sequence[str], where: str) -> None:
    """Raise ``DataError`` where two clips are called alike."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"'{where}': two clips are called '{name}'; clip names must differ")
        seen.add(name)
