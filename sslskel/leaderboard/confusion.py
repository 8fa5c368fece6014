"""What each number of a board is made of: confusion matrices, summed over seeds, from the predictions files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sslskel.errors import SslskelError
from sslskel.leaderboard.model import Board, Confusion
from sslskel.plugins.registry import BENCHMARKS
from sslskel.results.record import Record
from sslskel.results.store import ResultStore

CLEAN = "confusion_all"
"""The array of a predictions file: of all test clips, nothing hidden."""
MOST_COUNTS = 200_000
"""Counts that a small board has room for; what ranks lower goes without, and the page says so."""
COUNTS_OF_RECORD, LEAST_COUNTS = 8, 40_000
"""Counts that take as much room as a record does, and what is left for them on any board."""


def confusions_of(board: Board, store: ResultStore) -> tuple[Confusion, ...]:
    """One per number whose seeds all kept a matrix, rows in the board's order."""
    records = {record.identity: record for record in board.records}
    tables: list[Confusion] = []
    room = max(MOST_COUNTS - COUNTS_OF_RECORD * len(board.records), LEAST_COUNTS)
    for at, row in enumerate(board.rows):
        for position, cell in enumerate(row.cells):
            if cell is None:
                continue
            counts = _summed([records[identity] for identity in cell.records], store)
            if counts is None:
                continue
            room -= int(np.count_nonzero(counts))
            if room < 0:
                return tuple(tables)
            names = _class_names(board.columns[position].benchmark, len(counts))
            tables.append(Confusion(at, position, names, tuple(map(tuple, counts.tolist()))))
    return tuple(tables)


def _summed(records: Sequence[Record], store: ResultStore) -> npt.NDArray[np.int64] | None:
    total = None
    for record in records:
        try:
            counts = store.predictions(record).get(CLEAN)
        except SslskelError:
            # A board needs the records alone; predictions may have been left on another machine.
            return None
        if counts is None or (total is not None and counts.shape != total.shape):
            return None
        total = counts if total is None else total + counts
    return total


def _class_names(benchmark: str, number: int) -> tuple[str, ...]:
    """The benchmark's own where it is installed here, since records do not repeat them."""
    if known := BENCHMARKS.installed(benchmark):
        names = tuple(known.info.classes)
        if len(names) == number:
            return names
    return tuple(f"class {label}" for label in range(number))
