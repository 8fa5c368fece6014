"""JSON files of nested lists of numbers, or an object with several of them by name."""

from __future__ import annotations

import json
from pathlib import Path

from sslskel.data.own.content import Content
from sslskel.data.own.formats.containers import chosen
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.formats.nested import nested
from sslskel.data.own.formats.text_lines import read_text
from sslskel.errors import DataError


def load_json(path: Path) -> object:
    """The value of a JSON file; raises ``DataError``."""
    try:
        value: object = json.loads(read_text(path))
    except (ValueError, RecursionError) as fault:
        raise DataError(f"'{path}' is not readable JSON ({str(fault)[:120]}); write or copy it again") from fault
    return value


def read_json(source: Source) -> Content:
    """Nested lists, or the ones under ``key`` of an object; ``null`` becomes NaN."""
    path = source.path
    value = source.shelf.get(("json", path), lambda: load_json(path))
    return Content(nested(str(path), chosen(str(path), value, source.key, source.index)))


JSON = Format(
    "json",
    "nested lists, or an object of them with `key`; `null` is a missing number",
    (".json",),
    read_json,
    keyed=True,
    indexed=True,
)
