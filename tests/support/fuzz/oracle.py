"""What may come of a damaged specimen: a sentence, what was there before, or a change that the damage explains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fuzz.damage import Damaged
from fuzz.specimens import Array, Files, Reader, Result

LONGEST = 800
"""Characters of a sentence."""
REFUSED, UNCHANGED, CHANGED, FAULT = "refused", "unchanged", "changed", "fault"
VERDICTS = (REFUSED, UNCHANGED, CHANGED, FAULT)


class Verdict(NamedTuple):
    """One of ``VERDICTS``, and of a fault what it is."""

    kind: str
    why: str = ""


def of_sentence(sentence: str, files: Files, folder: Path) -> Verdict:
    """A refusal, if it is one line of a fair length that names a file."""
    names = {part for path in files for part in (Path(path).name, Path(path).stem)}
    if not sentence.strip() or "\n" in sentence or "\r" in sentence:
        return Verdict(FAULT, f"not one line: {sentence!r}")
    # Where a folder lies is not for sslskel to shorten.
    if (length := len(sentence.replace(f"{folder}/", ""))) > LONGEST:
        return Verdict(FAULT, f"{length} characters: {sentence}")
    if not any(name in sentence for name in names) and str(folder) not in sentence:
        return Verdict(FAULT, f"names no file: {sentence}")
    return Verdict(REFUSED)


def of_result(reader: Reader, before: Result, damage: Damaged, after: Result, files: Files, folder: Path) -> Verdict:
    """What a reader accepted, judged by what it gave before the damage."""
    if odd := _not_finite(after):
        return Verdict(FAULT, f"accepted {odd}")
    for sentence in after.refused:
        if (verdict := of_sentence(sentence, files, folder)).kind == FAULT:
            return verdict
    moved = _moved(before.arrays, after.arrays)
    if not moved and before.facts == after.facts:
        return Verdict(UNCHANGED)
    if reader.checked == "content" or (reader.checked == "bytes" and not damage.kind.endswith("value")):
        return Verdict(FAULT, f"a change that checksums tell: {moved or 'facts'}: {_differing(before, after)}")
    left_out = set(after.refused) - set(before.refused)
    if reader.reach != "any":
        own = [name for name in moved if name not in _clips_of(before, damage)]
        gone = [name for name in before.arrays if name not in after.arrays]
        unsaid = [name for name in gone if not any(name in sentence for sentence in after.refused)]
        if unsaid or (own and before.notes == after.notes):
            return Verdict(FAULT, f"changed clips of other files, or left them out unsaid: {unsaid or own}")
    if left_out:
        return Verdict(REFUSED)
    fault = _beyond(reader, before, damage, after, moved)
    if fault and before.notes == after.notes:
        return Verdict(FAULT, fault)
    return Verdict(CHANGED)


def _clips_of(before: Result, damage: Damaged) -> set[str]:
    """The clips that the damaged file holds: those that are called like it, else all."""
    stem = Path(damage.file).parts[0].partition(".")[0].lower()
    own = {name for name in before.arrays if name.lower() in (stem, Path(damage.file).stem.lower())}
    return own or set(before.arrays)


def _moved(before: Mapping[str, Array], after: Mapping[str, Array]) -> list[str]:
    """Names whose arrays are not the same."""
    return [name for name in {**before, **after} if not _same(before.get(name), after.get(name))]


def _same(one: Array | None, other: Array | None) -> bool:
    return one is not None and other is not None and one.dtype == other.dtype and np.array_equal(one, other)


def _differing(before: Result, after: Result) -> str:
    keys = [key for key in {**before.facts, **after.facts} if before.facts.get(key) != after.facts.get(key)]
    return ", ".join(f"{key}: {before.facts.get(key)!r:.80} -> {after.facts.get(key)!r:.80}" for key in keys)


def _beyond(reader: Reader, before: Result, damage: Damaged, after: Result, moved: list[str]) -> str:
    """What changed beyond what the damage stands for; empty where nothing did."""
    pairs = [
        (before.arrays[name], after.arrays[name]) for name in moved if name in before.arrays and name in after.arrays
    ]
    if damage.kind.startswith("line"):
        return _beyond_lines(reader, damage, pairs)
    if not (damage.kind == "token" and damage.was_number) or reader.reach == "any":
        return ""
    for one, other in pairs:
        if one.shape != other.shape:
            if reader.ids:
                continue
            return f"one number changed the shape from {one.shape} to {other.shape}"
        places = np.argwhere((one != other).any(-1))
        frames, joints = len(set(places[:, 1].tolist())), len(places)
        if (reader.reach == "joint" and joints > 1) or (reader.reach == "frame" and frames > 1):
            return f"one number changed {joints} joints in {frames} frames"
    return ""


def _beyond_lines(reader: Reader, damage: Damaged, pairs: list[tuple[Array, Array]]) -> str:
    for one, other in pairs:
        more = other.shape[1] - one.shape[1]
        expected = {"line dropped": -1, "line doubled": 1}.get(damage.kind, 0)
        if reader.line == "part" and damage.kind in ("line dropped", "line doubled"):
            return f"a {damage.kind} is part of a frame, and {more:+} frames came of it"
        if reader.line == "frame" and more != expected:
            return f"a {damage.kind} made {more:+} frames"
    return ""


def _not_finite(result: Result) -> str:
    for name, array in result.arrays.items():
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            return f"values that are not finite, in {name}"
    held: list[object] = list(result.facts.values())
    while held:
        value = held.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return f"the number {value}"
        if isinstance(value, Mapping):
            held += value.values()
        elif isinstance(value, (list, tuple)):
            held += value
    return ""
