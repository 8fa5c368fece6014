"""The labels table of an imported dataset: one line per clip, with its file, label, subject and parts of splits.

Its files are opened in ``recordings.py``; labels and subjects become numbers in ``numbering.py``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sslskel.errors import DataError, did_you_mean

NEEDED = ("file", "label")
KNOWN = (*NEEDED, "name", "key", "index", "subject", "camera", "setup", "begin", "end")
PART_WORDS = {"train": "train", "test": "test", "validation": "validation", "val": "validation", "": ""}
"""What may stand in a split column -> part; nothing means that the clip is in no part."""
LARGEST = 256 << 20
SHOWN_FAULTS = 10
"""Faults that one error names."""
_COUNT = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,12})?")
_SPLIT = re.compile(r"split(?:[:_](?P<name>[A-Za-z0-9][A-Za-z0-9._-]*))?")


@dataclass(frozen=True)
class ClipRow:
    """One clip of the table, as written. ``line`` counts the lines of the file from 1."""

    line: int
    name: str
    file: str
    label: str
    key: str = ""
    index: int | None = None
    subject: str = ""
    camera: str = ""
    setup: str = ""
    begin: float | None = None
    """First frame or time, as the file counts."""
    end: float | None = None
    """The first that is left out."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Split -> train, test, validation or nothing."""


def read_table(path: Path) -> list[ClipRow]:
    """All rows of a CSV file (commas, semicolons or tabs) with a header.

    Raises ``DataError`` naming file and line: of a table that cannot be read, missing or
    unknown columns, and then all faulty rows together.
    """
    text = _text(path).replace("\r\n", "\n").replace("\r", "\n")
    lines = csv.reader(io.StringIO(text), delimiter=_delimiter(text), strict=True)
    try:
        header = [word.strip() for word in next(lines, [])]
        columns = _columns(path, header)
        rows, faults, begun = [], [], lines.line_num + 1
        for words in lines:
            line, begun = begun, lines.line_num + 1
            if any(word.strip() for word in words):
                try:
                    rows.append(_row(line, words, header, columns))
                except ValueError as fault:
                    faults.append((line, str(fault)))
    except csv.Error as fault:
        raise DataError(f"'{path}', line {lines.line_num}: this is not CSV ({fault}); correct the line") from fault
    faults += _repeated(rows)
    if faults:
        raise faults_of(path, sorted(faults))
    if not rows:
        raise DataError(f"table '{path}' has a header and no clips; write one line per clip")
    return rows


def faults_of(path: Path, faults: Sequence[tuple[int, str]]) -> DataError:
    """One error that names the first faults of a table, each with its line."""
    listed = "; ".join(f"line {line}: {what}" for line, what in faults[:SHOWN_FAULTS])
    more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
    count = f"{len(faults)} faults, " if len(faults) > 1 else ""
    return DataError(f"'{path}', {count}{listed}{more}")


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(f"table '{path}' has {size:,} bytes; a labels table has less than {LARGEST:,}")
        content = path.read_bytes()
    except OSError as fault:
        raise DataError(f"table '{path}' cannot be read ({fault.strerror}); check the path") from fault
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise DataError(f"'{path}', line {line}: not UTF-8 text; save the table as 'CSV UTF-8'") from fault
    if not text.strip():
        raise DataError(f"table '{path}' is empty; its first line names the columns, for instance file,label,subject")
    if "\0" in text:
        raise DataError(f"table '{path}' is not a text file; save it as 'CSV UTF-8'")
    return text


def _delimiter(text: str) -> str:
    """Whichever of comma, semicolon and tab the header has most of."""
    header = text.lstrip().partition("\n")[0]
    return max(",;\t", key=header.count)


def _columns(path: Path, header: Sequence[str]) -> dict[str, str]:
    """Column -> name of the split it states, empty for the others."""
    columns: dict[str, str] = {}
    for column in header:
        split = _SPLIT.fullmatch(column)
        if column in columns:
            raise DataError(f"'{path}', line 1: column '{column}' occurs twice; keep one of them")
        if column not in KNOWN and split is None:
            known = ", ".join((*KNOWN, "split", "split:NAME"))
            raise DataError(f"'{path}', line 1: no column '{column}' is known{did_you_mean(column, KNOWN)} ({known})")
        columns[column] = (split["name"] or "official") if split else ""
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        have = ", ".join(header)
        raise DataError(
            f"'{path}', line 1: column '{missing[0]}' is missing (there are: {have}); the first line must name"
            " 'file' and 'label'"
        )
    splits = [split for split in columns.values() if split]
    if len(set(splits)) != len(splits):
        raise DataError(f"'{path}', line 1: two columns state the same split; name them split:ONE and split:OTHER")
    return columns


def _row(line: int, words: Sequence[str], header: Sequence[str], columns: Mapping[str, str]) -> ClipRow:
    if len(words) != len(header):
        raise ValueError(f"{len(words)} fields, expected {len(header)} ({', '.join(header)})")
    cells = {column: word.strip() for column, word in zip(header, words, strict=True)}
    if not cells["file"]:
        raise ValueError("the field 'file' is empty; name the clip's file")
    index, begin, end = _whole(cells, "index"), _count(cells, "begin"), _count(cells, "end")
    if end is not None and end <= (begin or 0):
        raise ValueError(
            f"the clip ends at frame {end:g}, not after its begin {begin or 0:g}; 'end' is the frame after it"
        )
    name = cells.get("name") or _default_name(cells)
    if not name.isprintable():
        raise ValueError(f"the name {name!r} is not printable; give another one")
    texts = {column: cells.get(column, "") for column in ("file", "label", "key", "subject", "camera", "setup")}
    parts = {split: _part(column, cells[column]) for column, split in columns.items() if split}
    return ClipRow(line=line, name=name, index=index, begin=begin, end=end, parts=parts, **texts)


def _default_name(cells: Mapping[str, str]) -> str:
    """The file without its ending, and which array of it."""
    file = cells["file"].replace("\\", "/")
    stem = file[: -len(suffix)] if (suffix := Path(file).suffix) else file
    tail = [cells[column] for column in ("key", "index", "begin") if cells.get(column)]
    return ":".join((stem, *tail))


def _whole(cells: Mapping[str, str], column: str) -> int | None:
    word = cells.get(column, "")
    if word and not (word.isascii() and word.isdigit() and len(word) < 10):
        raise ValueError(f"{column} is '{word}'; it must be a whole number, 0 or more")
    return int(word) if word else None


def _count(cells: Mapping[str, str], column: str) -> float | None:
    """A frame or a time, as the file of the clip counts them."""
    word = cells.get(column, "")
    if word and not _COUNT.fullmatch(word):
        raise ValueError(f"{column} is '{word}'; it must be a number of a frame or a time of the file, 0 or more")
    return float(word) if word else None


def _part(column: str, word: str) -> str:
    if word.lower() not in PART_WORDS:
        raise ValueError(
            f"{column} is '{word}'{did_you_mean(word, PART_WORDS)}; it is train, test, validation or empty"
        )
    return PART_WORDS[word.lower()]


def _repeated(rows: Sequence[ClipRow]) -> list[tuple[int, str]]:
    first: dict[str, int] = {}
    faults = []
    for row in rows:
        at = first.setdefault(row.name, row.line)
        if at != row.line:
            hint = "give each clip its own 'name'"
            faults.append((row.line, f"clip '{row.name}' is in line {at} already; {hint}"))
    return faults
