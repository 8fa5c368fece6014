"""Which rows of a column differ: the tests behind bold cells and sentences."""

from __future__ import annotations

from collections.abc import Sequence
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
    """(row, floor, corrected p) of each pretrained row and each that saw no data, as places in ``rows``."""
    above_all: float | None
    """Corrected p of the first row."""

    @property
    def bold(self) -> RowKey | None:
        """The row that is above all others by more than chance."""
        return self.rows[0][0].key if self.above_all is not None and self.above_all < ALPHA else None


def tested(rows: Sequence[Row], column: int) -> TestedColumn:
    """Test one column. Only pretrainings count: a row of one makes no claim, nor does one whose seeds change nothing.

    Other rows are tested against a row whose seeds change nothing by the spread of its evaluations.
    """
    fair = [(row, cell) for row in rows if (cell := row.cells[column]) is not None and cell.ranks]
    fair.sort(key=lambda pair: (-pair[1].summary.mean, pair[0].key))
    claims = [cell.summary.n > 1 for _, cell in fair]
    floors = [at for at, (row, _) in enumerate(fair) if not row.trained]
    pairs = [(at, floor) for floor in floors for at, (row, _) in enumerate(fair) if row.trained]
    possible = [pair for pair in pairs if claims[pair[0]]]
    result = ColumnTests(None, None, (), 0)
    if fair:
        may_lead = [cell.summary.n >= FEWEST for _, cell in fair]
        result = column_tests([cell.sample for _, cell in fair], possible, may_lead)
    chances = dict(zip(possible, result.pairs, strict=True))
    against = tuple((*pair, chances.get(pair)) for pair in pairs)
    return TestedColumn(tuple(fair), against, result.above_all)


def marked(rows: Sequence[Row], columns: Sequence[TestedColumn]) -> list[Row]:
    """The rows with their bold cells, and what was found of the first row of each column."""

    def cell_of(row: Row, at: int, cell: BoardCell | None) -> BoardCell | None:
        one = columns[at]
        if cell is None or not one.rows or one.rows[0][0].key != row.key or not cell.ranks:
            return cell
        return replace(cell, bold=one.bold == row.key, above_all=one.above_all)

    return [replace(row, cells=tuple(cell_of(row, at, cell) for at, cell in enumerate(row.cells))) for row in rows]
