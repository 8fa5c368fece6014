"""Which rows of a column differ: the tests behind bold cells and sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sslskel.leaderboard.model import BoardCell, Row, RowKey
from sslskel.results.statistics import FEWEST, ColumnTests, column_tests

ALPHA = 0.05
"""At most this share of columns holds a false claim, if all rows are equal or some are."""


@dataclass(frozen=True)
class TestedColumn:
    """The rows of a column that take part, and what the tests say of them."""

    rows: tuple[tuple[Row, BoardCell], ...]
    """Highest mean first; those whose pretraining saw test clips, or may have, and swept ones are left out."""
    against: tuple[tuple[int, int, float | None], ...]
    """(row, floor, corrected p) of each pretrained row and each of its floors, as places in ``rows``: features without
    a network, and untrained networks of its own backbone."""
    own: tuple[tuple[int, BoardCell, float | None], ...]
    """(row, cell, corrected p) of each pretrained row and its own network without learning, which is no row."""
    above_all: float | None
    """Corrected p of the first row."""

    @property
    def bold(self) -> RowKey | None:
        """The row that is above all others by more than chance."""
        return self.rows[0][0].key if self.above_all is not None and self.above_all < ALPHA else None


def tested(rows: Sequence[Row], column: int, unlearnt: Mapping[RowKey, Row]) -> TestedColumn:
    """Test one column. Only pretrainings count: a row of one makes no claim, nor does one whose seeds change nothing.

    Other rows are tested against a row whose seeds change nothing by the spread of its evaluations. ``unlearnt`` has
    the rows of networks that went through a pretraining in which nothing was learnt, by the row that they belong to.
    """
    fair = [(row, cell) for row in rows if (cell := row.cells[column]) is not None and cell.ranks]
    fair.sort(key=lambda pair: (-pair[1].summary.mean, pair[0].key))
    before = [(at, cell) for at, (row, _) in enumerate(fair) if (cell := _cell(unlearnt.get(row.key), column))]
    floors = _floors([row for row, _ in fair])
    pairs = [*floors, *((at, len(fair) + number) for number, (at, _) in enumerate(before))]
    possible = [pair for pair in pairs if fair[pair[0]][1].summary.n > 1]
    result = ColumnTests(None, None, (), 0)
    if fair:
        may_lead = [cell.summary.n >= FEWEST for _, cell in fair]
        samples, others = [cell.sample for _, cell in fair], [cell.sample for _, cell in before]
        result = column_tests(samples, possible, may_lead, others)
    chances = dict(zip(possible, result.pairs, strict=True))
    against = tuple((*pair, chances.get(pair)) for pair in floors)
    own = tuple((at, cell, chances.get((at, len(fair) + number))) for number, (at, cell) in enumerate(before))
    return TestedColumn(tuple(fair), against, own, result.above_all)


def _cell(row: Row | None, column: int) -> BoardCell | None:
    return None if row is None else row.cells[column]


def _floors(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """(row, floor) of each pretrained row and those that saw no data and tell something of it, floor by floor."""
    unseeing = [(at, row) for at, row in enumerate(rows) if not row.trained]
    features = [at for at, row in unseeing if not row.parameters]
    networks = [(at, row) for at, row in unseeing if row.parameters]
    pairs = [
        (floor, at)
        for at, row in enumerate(rows)
        if row.trained
        for floor in (*features, *_own_networks(row, networks))
    ]
    return [(at, floor) for floor, at in sorted(pairs)]


def _own_networks(row: Row, networks: Sequence[tuple[int, Row]]) -> list[int]:
    """Places of the untrained networks of a row's backbone, and of its sizes, views and streams where there are."""
    alike = [(at, one) for at, one in networks if one.key.backbone == row.key.backbone]
    same = [at for at, one in alike if _network(one) == _network(row)] if len(alike) > 1 else []
    return same or [at for at, _ in alike]


def _network(row: Row) -> tuple[object, ...]:
    config = json.loads(row.key.config)
    return row.key.streams, config.get("backbone"), config.get("clip")


def marked(rows: Sequence[Row], columns: Sequence[TestedColumn]) -> list[Row]:
    """The rows with their bold cells, and what was found of the first row of each column."""

    def cell_of(row: Row, at: int, cell: BoardCell | None) -> BoardCell | None:
        one = columns[at]
        if cell is None or not one.rows or one.rows[0][0].key != row.key or not cell.ranks:
            return cell
        return replace(cell, bold=one.bold == row.key, above_all=one.above_all)

    return [replace(row, cells=tuple(cell_of(row, at, cell) for at, cell in enumerate(row.cells))) for row in rows]
