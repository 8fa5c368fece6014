"""From words to numbers: classes, subjects, cameras and setups of an imported dataset.

The same words get the same numbers whatever the order of the clips. What splits make of
them is in ``splitting.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sslskel.api.dataset import MOST_CLASSES
from sslskel.data.own.recordings import Recording
from sslskel.errors import DataError, UsageError, did_you_mean

FIELDS = ("subject", "camera", "setup")
_NUMBER = re.compile(r"[0-9]{1,15}")
_PIECES = re.compile(r"([0-9]{1,15})")
_LABELS = (*FIELDS, "label")


@dataclass(frozen=True)
class Numbering:
    """Word -> number of every field, and the names of the classes in the order of their labels."""

    classes: tuple[str, ...]
    labels: Mapping[str, int]
    fields: Mapping[str, Mapping[str, int]]

    def number(self, field: str, word: str) -> int:
        """The number of a subject, camera or setup; -1 where none is stated."""
        return self.fields[field].get(word, -1)


def natural(word: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """A key that sorts numbers as numbers, also inside names: ``2``, ``10``, ``s2``, ``s10``."""
    pieces = [piece for piece in _PIECES.split(word) if piece]
    return tuple((0, int(p), "") if _NUMBER.fullmatch(p) else (1, 0, p) for p in pieces), word


def by_letters(word: str) -> tuple[int, int, str]:
    """A key that sorts numbers as numbers before words, and words letter by letter."""
    return (0, int(word), "") if _NUMBER.fullmatch(word) else (1, 0, word)


def numbered(recordings: Sequence[Recording], classes: Sequence[str] | None) -> Numbering:
    """Number the words of all recordings.

    Subjects, cameras and setups that are all numbers keep them; else they count from 1 in the order of
    their names. Classes are as listed, or the labels that occur, sorted. A label may be a class's name or,
    where classes are listed and not named by numbers, its number from 0. Raises ``DataError`` for a label that
    is no class.
    """
    fields = {field: _numbers(getattr(recording, field) for recording in recordings) for field in FIELDS}
    present = sorted({recording.label for recording in recordings if recording.label}, key=by_letters)
    names = tuple(present if classes is None else classes)
    if len(names) > MOST_CLASSES:
        whose = "labels occur" if classes is None else "classes are listed"
        raise DataError(
            f"{len(names):,} {whose}, where at most {MOST_CLASSES:,} were expected; is 'label' the right column?"
        )
    labels = {name: number for number, name in enumerate(names)}
    if not any(_NUMBER.fullmatch(name) for name in names):
        labels |= {str(number): number for number in range(len(names))}
    for recording in recordings:
        if recording.label and recording.label not in labels:
            some = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
            raise DataError(
                f"{recording.where} has the label '{recording.label}', which is not among the {len(names)} classes of"
                f" the layout file ({some}){did_you_mean(recording.label, names)}"
            )
    return Numbering(names, labels, fields)


def _numbers(words: Iterable[str]) -> dict[str, int]:
    distinct = sorted({word for word in words if word}, key=natural)
    if all(_NUMBER.fullmatch(word) for word in distinct):
        return {word: int(word) for word in distinct}
    return {word: number for number, word in enumerate(distinct, 1)}


def with_pattern(recordings: Sequence[Recording], pattern: str | None) -> list[Recording]:
    """Fill label, subject, camera and setup from the names of the clips by a regular expression with named groups.

    Raises ``UsageError`` for an expression that is none or names other groups, ``DataError`` for a name that
    it does not match.
    """
    if pattern is None:
        return list(recordings)
    try:
        compiled = re.compile(pattern)
    except re.error as fault:
        raise UsageError(
            f"--name-pattern is not a regular expression ({fault}); for instance 'S(?P<subject>\\d+)'"
        ) from None
    groups = list(compiled.groupindex)
    foreign = [group for group in groups if group not in _LABELS]
    if foreign or not groups:
        what = f"names the group '{foreign[0]}'" if foreign else "names no group"
        raise UsageError(f"--name-pattern {what}; groups are {', '.join(_LABELS)}, written (?P<subject>\\d+)")
    matched = []
    for recording in recordings:
        match = compiled.search(recording.name)
        if match is None:
            raise DataError(f"{recording.where}: its name does not match --name-pattern '{pattern}'")
        words: dict[str, Any] = {group: text for group, text in match.groupdict().items() if text}
        matched.append(replace(recording, **words))
    return matched
