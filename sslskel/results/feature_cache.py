"""Features of frozen encoders on disk: written once, shared by every protocol that asks for the same ones.

What is encoded, and how, the protocols say; this file knows names, bytes and checksums.
``FeatureCache`` is the :class:`sslskel.api.protocol.FeatureStore` of a results folder.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sslskel.files import publish, read_regular, writing_in
from sslskel.results import claims
from sslskel.results.arrays import npy_array

Array = npt.NDArray[Any]
Rows = TypeVar("Rows", bound=Sized)
FORMAT = 1
"""Part of every name: a later layout, or other numbers under the same names, never meets an older file."""
POLL_SECONDS = 0.2
REPORT_SECONDS = 10.0

_log = logging.getLogger("sslskel")


@dataclass
class FeatureCache:
    """Files ``KEY.features`` in one encoder's folder below ``features/`` of a results folder.

    ``context`` holds what all of them depend on: weights, data, precision, versions. Each file begins with a sha256
    of all that it is of and of its content: one that was cut, damaged or put in the place of another, even from the
    folder of another encoder, counts as missing. ``encoded``, ``reused`` and ``seconds`` tell what a protocol's
    encoding cost.
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

    def table(
        self, names: Mapping[str, object], make: Callable[[], Array], fits: Callable[[Array], bool] = lambda _: True
    ) -> Array:
        """The (n, D) table that ``names`` stand for, read, or made and kept; one that does not fit counts as missing.

        Of several processes that want it at the same time one makes it and the others wait. Raises
        ``RunError`` where the folder cannot be written, and whatever ``make`` raises.
        """
        if not self.keep:
            return self.counted(make)
        text = json.dumps([FORMAT, self.context, names], sort_keys=True)
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.features"
        table = _read(path, text, fits)
        if table is None:
            table = self._made(path, text, make, fits)
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

    def _made(self, path: Path, text: str, make: Callable[[], Array], fits: Callable[[Array], bool]) -> Array:
        start = time.perf_counter()
        with self._claimed(path.with_suffix(".claim")):
            table = _read(path, text, fits)
            if table is None:
                table = make()
                self.encoded += len(table)
                # What is no file of ours is left alone, and costs the next protocol another encoding.
                if path.is_file() or not os.path.lexists(path):
                    with writing_in(self.folder, "features"):
                        publish(path, _packed(table, text), replace_existing=True)
            else:
                self.reused += len(table)
        self.seconds += time.perf_counter() - start
        return table

    def _claimed(self, path: Path) -> claims.Claim:
        """The claim, as soon as no other process holds it; one line names that one where it takes long."""
        start, reported = time.monotonic(), False
        with writing_in(self.folder, "a claim"):
            while (claim := claims.take(path, ())) is None:
                time.sleep(POLL_SECONDS)
                if not reported and time.monotonic() - start > REPORT_SECONDS:
                    _log.warning("waiting for %s; remove that file if nobody is at work there", claims.holder_of(path))
                    reported = True
        return claim


def _packed(table: Array, text: str) -> bytes:
    content = io.BytesIO()
    np.save(content, table, allow_pickle=False)
    packed = content.getvalue()
    return _sum(text, packed) + packed


def _sum(text: str, packed: bytes) -> bytes:
    """Of a table and of what it is a table of."""
    return hashlib.sha256(hashlib.sha256(text.encode()).digest() + packed).digest()


def _read(path: Path, text: str, fits: Callable[[Array], bool]) -> Array | None:
    """The table in a file; None where it is missing, damaged, of something else or of a shape that does not fit."""
    try:
        content = read_regular(path, None)
        if _sum(text, content[32:]) != content[:32]:
            return None
        table = npy_array(content[32:])
        return table if fits(table) else None
    except (OSError, ValueError):
        return None
