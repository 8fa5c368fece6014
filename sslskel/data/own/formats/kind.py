"""What a format of recordings is: the names of its files, and how one clip is read out of one of them.

All of them are listed in ``table.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.content import Content
from sslskel.data.own.formats.json_text import load_json
from sslskel.data.own.layout_file import Description

T = TypeVar("T")


@dataclass
class Shelf:
    """What was read last, so that a file with many clips is not read once for each of them."""

    _key: Hashable = None
    _value: object = None

    def get(self, key: Hashable, read: Callable[[], T]) -> T:
        """The value under a key; read unless it is the one that was asked for before."""
        if key != self._key:
            self._key, self._value = None, None
            self._key, self._value = key, read()
        return cast(T, self._value)


@dataclass(frozen=True)
class Source:
    """A row of a table on its way to a file: which file, which clip of it, and what is known of the set."""

    path: Path
    layout: SkeletonLayout
    description: Description = field(default_factory=Description)
    key: str = ""
    index: int | None = None
    shelf: Shelf = field(default_factory=Shelf)

    def json(self) -> object:
        """The value of a JSON file."""
        return self.shelf.get(("json", self.path), lambda: load_json(self.path))


@dataclass(frozen=True)
class Format:
    """One way to write a recording. ``read`` raises ``DataError`` naming file, line and fault."""

    name: str
    title: str
    """For people: what is in such a file."""
    endings: tuple[str, ...]
    """Of its files, with the dot; empty for a folder."""
    read: Callable[[Source], Content]
    keyed: bool = False
    """Whether a file may hold several clips by name, which the column ``key`` tells apart."""
    indexed: bool = False
    """Whether a file may hold several clips by number (``index``)."""
    knows: Callable[[Source], bool] | None = None
    """Whether a file with such an ending (or a folder) is one of these; None: every one is."""
    beside: Callable[[Source], Path] | None = None
    """The file that a recording needs besides its own, where there is one; raises ``DataError`` where it lacks."""
    body: Callable[[Path], tuple[SkeletonLayout, float | None]] | None = None
    """Layout and frames per second of a file that brings its own body."""
