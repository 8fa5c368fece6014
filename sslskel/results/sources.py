"""Which sources of a plugin count as equal in numbers in a results folder: one small file for each two of them.

They are said to be equal by a person (``--keep-results``), or by the list that comes with sslskel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sslskel.files import publish, read_json, writing_in
from sslskel.hashing import digest, json_bytes
from sslskel.plugins.source import equal_sources


class EqualSources:
    """``sources/`` below a results folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def are_equal(self, kind: str, name: str, one: str, other: str) -> bool:
        """Whether two digests of a plugin stand for the same numbers, directly or over others."""
        known, groups = {one}, [*equal_sources(kind, name), *self._kept(kind, name)]
        while other not in known:
            grown = known.union(*(group for group in groups if group & known))
            if grown == known:
                return False
            known = grown
        return True

    def accept(self, kind: str, name: str, one: str, other: str, command: str) -> None:
        """Keep that two digests stand for the same numbers. Raises ``RunError`` where the folder cannot be written."""
        pair = sorted((one, other))
        file = self._folder / f"{kind}-{name}-{digest({'equal': pair})[:12]}.json"
        with writing_in(self._folder.parent, "what counts as equal"):
            publish(file, json_bytes({"kind": kind, "name": name, "equal": pair, "command": command}))

    def _kept(self, kind: str, name: str) -> list[frozenset[str]]:
        groups = []
        for file in sorted(self._folder.glob(f"{kind}-{name}-*.json")):
            try:
                content: Any = read_json(file)
                if (content["kind"], content["name"]) == (kind, name):
                    groups.append(frozenset(map(str, content["equal"])))
            except (OSError, ValueError, KeyError, TypeError):
                # It can only ever save work: without it results are made again.
                continue
        return groups
