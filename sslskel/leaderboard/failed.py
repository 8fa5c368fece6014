"""Names the cells of a results folder that failed and have no record, so that no board hides them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from sslskel.leaderboard.model import Failed
from sslskel.results.failures import FOLDER, failures
from sslskel.results.record import Record

LISTED = 5
"""Cells that a board lists before it only counts the rest."""


def failed_cells(
    folder: Path, records: Iterable[Record], benchmarks: Sequence[str] | None, protocols: Sequence[str] | None
) -> tuple[Failed, ...]:
    """The failed cells of these benchmarks (``NAME`` or ``NAME/SPLIT``) and protocols, of all where None.

    ``records`` are all of the folder.
    """
    done = {record.identity for record in records}
    return tuple(
        Failed(one.cell.title, one.cell.method, one.cell.benchmark, one.cell.protocol, one.words(folder))
        for one in failures(folder)
        if one.identity not in done
        and one.cell.protocol
        and (benchmarks is None or {one.cell.benchmark, one.cell.benchmark.partition("/")[0]} & {*benchmarks})
        and (protocols is None or one.cell.protocol in protocols)
    )


def failed_sentences(folder: Path, failed: Sequence[Failed]) -> list[str]:
    """A sentence for each of the first :data:`LISTED`, and one for the rest."""
    listed = [f"failed: {one.title}: {one.reason}" for one in failed[:LISTED]]
    more = [f"{len(failed) - LISTED} more cells failed; {folder / FOLDER} says why"] if failed[LISTED:] else []
    return listed + more
