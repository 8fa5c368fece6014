"""JSON files of nested lists of numbers, or an object with several of them by name."""

from __future__ import annotations

from sslskel.data.own.content import Content
from sslskel.data.own.formats.containers import chosen
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.formats.nested import nested


def read_json(source: Source) -> Content:
    """Nested lists, or the ones under ``key`` of an object; ``null`` becomes NaN."""
    where = str(source.path)
    return Content(nested(where, chosen(where, source.json(), source.key, source.index)))


JSON = Format(
    "json",
    "nested lists, or an object of them with `key`; `null` is a missing number",
    (".json",),
    read_json,
    keyed=True,
    indexed=True,
)
