"""Means over columns: only of one score under one protocol, each column on other data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from sslskel.leaderboard.model import AcrossBenchmarks, AcrossRow, BoardCell, Column, Mean, Row, RowKey
from sslskel.results.statistics import across_benchmarks, critical_difference

FEWEST_BENCHMARKS = 5
"""From so many on, rows are compared across benchmarks; ranks over fewer say little (Demšar 2006)."""


def means_of(columns: Sequence[Column]) -> tuple[Mean, ...]:
    """Groups of two columns or more that differ in their data, and in how a recipe suits these.

    Other scores, protocols or versions of one are other groups; a group with two columns of the same
    split, such as two recipes, has no mean.
    """
    groups: dict[tuple[str, int, str], list[int]] = defaultdict(list)
    for at, column in enumerate(columns):
        groups[column.protocol, column.protocol_version, column.score].append(at)
    kept = {
        key: places
        for key, places in groups.items()
        if len(places) > 1 and len({(columns[at].benchmark, columns[at].split) for at in places}) == len(places)
    }
    alone = len(groups) == 1
    return tuple(
        Mean("mean" if alone else f"mean {protocol} {score}", tuple(places))
        for (protocol, _, score), places in kept.items()
    )


def means_of_row(cells: Sequence[BoardCell | None], means: Sequence[Mean]) -> tuple[float | None, ...]:
    """None where a number is missing."""
    values = []
    for mean in means:
        own = [cell.summary.mean for at in mean.columns if (cell := cells[at]) is not None]
        values.append(sum(own) / len(own) if len(own) == len(mean.columns) else None)
    return tuple(values)


def across_of(
    columns: Sequence[Column], means: Sequence[Mean], rows: Sequence[Row], names: Mapping[RowKey, str]
) -> tuple[AcrossBenchmarks, ...]:
    """The rows over the benchmarks of each mean that has five or more, but those that may have seen test clips."""
    tables = []
    for mean in means:
        benchmarks = tuple(sorted({columns[at].benchmark for at in mean.columns}))
        if len(benchmarks) < FEWEST_BENCHMARKS:
            continue
        scores = {row.key: own for row in rows if (own := _scores(row, mean)) is not None}
        results = across_benchmarks(list(scores.values())) if scores else ()
        order = sorted(zip(scores, results, strict=True), key=lambda pair: (pair[1].rank, names[pair[0]]))
        places = {key: at for at, key in enumerate(scores)}
        tables.append(
            AcrossBenchmarks(
                mean.title,
                benchmarks,
                tuple(
                    AcrossRow(
                        names[key],
                        one.iqm,
                        one.interval,
                        one.rank,
                        tuple(one.improvements[places[other]] for other, _ in order),
                    )
                    for key, one in order
                ),
                critical_difference(len(scores), len(benchmarks)) if len(scores) > 1 else 0.0,
                tuple(names[row.key] for row in rows if row.key not in scores),
            )
        )
    return tuple(tables)


def _scores(row: Row, mean: Mean) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
    """(pretrainings, columns); None where one is missing, ranks nothing, or is of other numbers of pretrainings."""
    cells = [row.cells[at] for at in mean.columns]
    own = [cell.scores for cell in cells if cell is not None and cell.ranks]
    if len(own) < len(cells) or len({len(scores) for scores in own}) > 1:
        return None
    return np.array(own).T
