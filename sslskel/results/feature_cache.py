"""Features of frozen encoders on disk: written once, shared by every protocol that asks for the same ones.

What is encoded, and how, the protocols say; this file knows names, bytes and checksums.
``FeatureCache`` is the :class:`sslskel.api.protocol.FeatureStore` of a results folder.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sslskel.files import publish, writing_in
from sslskel.results import claims

Array = npt.NDArray[Any]
Rows = TypeVar("Rows", bound=Sized)
FORMAT = 1
"""Part of every name: a later layout, or other numbers under the same names, never meets an older file."""
POLL_SECONDS = 0.2


@dataclass
class FeatureCache:
    """Files ``KEY.features`` in one encoder's folder below ``features/`` of a results folder.

    ``context`` holds what all of them depend on: weights, data, precision, versions. Each file
    is the sha256 of its content and then the content, so one that was cut, damaged or swapped is
    the same as none. Counts and seconds tell what a protocol's encoding cost.
    """

    folder: Path
    context: Mapping[str, object]
    keep: bool = True
    """Whether there are files at all; without them only the cost is counted."""
    encoded: int = 0
    """Clips that went through an encoder."""
    reused: int = 0
    """Clips whose features were read."""
    seconds: float = 0.0
    """Spent in encoders and in waiting for another process that encoded the same."""

    def table(self, names: Mapping[str, object], make: Callable[[], Array]) -> Array:
        """The (n, D) table that ``names`` stand for, read, or made and kept.

        Of several processes that want it at the same time one makes it and the others wait. Raises
        ``RunError`` where the folder cannot be written, and whatever ``make`` raises.
        """
        if not self.keep:
            return self.counted(make)
        text = json.dumps([FORMAT, self.context, names], sort_keys=True)
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.features"
        table = _read(path)
        if table is None:
            table = self._made(path, make)
        else:
            self.reused += len(table)
        return table

    def counted(self, make: Callable[[], Rows]) -> Rows:
        """Make a table that is not kept, such as one of augmented views, and note what it cost."""
        start = time.perf_counter()
        rows = make()
        self.encoded += len(rows)
        self.seconds += time.perf_counter() - start
        return rows

    def _made(self, path: Path, make: Callable[[], Array]) -> Array:
        start = time.perf_counter()
        with writing_in(self.folder, "a claim"):
            while (claim := claims.take(path.with_suffix(".claim"))) is None:
                time.sleep(POLL_SECONDS)
        with claim:
            table = _read(path)
            if table is None:
                table = make()
                self.encoded += len(table)
                with writing_in(self.folder, "features"):
                    publish(path, _packed(table), replace_existing=True)
            else:
                self.reused += len(table)
        self.seconds += time.perf_counter() - start
        return table


def _packed(table: Array) -> bytes:
    content = io.BytesIO()
    np.save(content, table, allow_pickle=False)
    packed = content.getvalue()
    return hashlib.sha256(packed).digest() + packed


def _read(path: Path) -> Array | None:
    """The table in a file; None where it is missing or damaged."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return None
        table: Array = np.load(io.BytesIO(content[32:]), allow_pickle=False)
    except (OSError, ValueError):
        return None
    return table
