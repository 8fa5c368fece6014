"""The text of a record, field by field: what many records say alike is read and kept once.

Records of a grid differ in their scores, costs and names; a configuration, an environment or a benchmark stands in
thousands of them. Only what the text says counts: a field is known again by all of its characters.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from typing import Any, NamedTuple

from sslskel.files import WHOLE_RANGE, parse_json

ALIKE = frozenset(
    {
        "backbone",
        "benchmark",
        "command",
        "config",
        "counts",
        "environment",
        "epoch",
        "labels",
        "method",
        "origins",
        "precision",
        "preset",
        "pretrain_identity",
        "primary",
        "protocol",
        "schema",
        "seed",
        "seen",
        "sources",
        "streams",
        "weights_sha256",
    }
)
"""Fields that many records say alike."""
MOST_KEPT = 20_000
"""Texts of fields that are kept; more would be a folder without anything alike."""
START, BETWEEN, END = '{\n "', ',\n "', "\n}\n"
"""Of a record as it is written: no text of JSON holds a line break, so these part its fields and nothing else."""


HALF_PAIR = re.compile(r"\\u[dD]")
"""Where half of a surrogate pair may be written, which is no text."""
READER = json.JSONDecoder()


class Fields(NamedTuple):
    """What a record's text says."""

    content: dict[str, Any]
    known: frozenset[str]
    """Names of fields that a sound record said in the same words before."""
    new: tuple[tuple[str, str], ...]
    """Texts and names of the others that further records may say alike."""
    unsigned: str
    """sha256 of the text without its digest, in hex."""


class Alike:
    """Fields of the records that were read so far, by their text."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, Any]] = {}

    def fields(self, text: str) -> Fields | None:
        """The fields of a record that is written as :meth:`Record.to_json` writes; None for another text."""
        if not (text.startswith(START) and text.endswith(END)) or HALF_PAIR.search(text):
            return None
        pieces = text[len(START) : -len(END)].split(BETWEEN)
        content: dict[str, Any] = {}
        known, new, signature = [], [], None
        for piece in pieces:
            kept = self._values.get(piece)
            if kept is None:
                kept = _field(piece)
                if kept is None:
                    return None
                if kept[0] in ALIKE:
                    new.append((piece, kept[0]))
                elif kept[0] == "digest":
                    signature = piece
            else:
                known.append(kept[0])
            name, content[name] = kept
        if len(content) < len(pieces):
            return None
        if signature is not None:
            pieces.remove(signature)
        unsigned = hashlib.sha256(f"{START}{BETWEEN.join(pieces)}{END}".encode()).hexdigest()
        return Fields(content, frozenset(known), tuple(new), unsigned)

    def keep(self, fields: Fields) -> None:
        """Know the fields of a sound record again."""
        if len(self._values) < MOST_KEPT:
            for piece, name in fields.new:
                self._values[piece] = name, fields.content[name]


def _field(piece: str) -> tuple[str, Any] | None:
    """Name and value of a field's text; None where it is not written as records are."""
    name, _, text = piece.partition('": ')
    if not name.isidentifier():
        return None
    try:
        value, end = READER.raw_decode(text)
        if not _usable(value):
            value = parse_json(text)
        shared = _with_shared_names(value) if isinstance(value, dict) else value
    except (ValueError, RecursionError):
        return None
    return (sys.intern(name), shared) if end == len(text) else None


def _usable(value: object) -> bool:
    """False where a number may be one that nothing can use; numbers that are read already cost less than their text."""
    if isinstance(value, dict):
        return all(map(_usable, value.values()))
    if isinstance(value, list):
        # Recalls of many classes are one look, and most of what a record holds.
        return math.isfinite(sum(value)) if set(map(type, value)) == {float} else all(map(_usable, value))
    return math.isfinite(value) if isinstance(value, float) else not isinstance(value, int) or value in WHOLE_RANGE


def _with_shared_names(value: dict[str, Any]) -> dict[str, Any]:
    """The same with names that take memory once."""
    return {
        sys.intern(name): _with_shared_names(item) if isinstance(item, dict) else item for name, item in value.items()
    }
