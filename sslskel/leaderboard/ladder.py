"""The ladder: what each method costs beside what it scores under one recipe, and which are the cheapest for a score.

A pure function of a board and of what its pretrainings took; how that is computed is for ``sslskel.speed.effort``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sslskel.leaderboard.model import Board, BoardCell, Column, Row
from sslskel.results.record import Record
from sslskel.results.statistics import summarise


@dataclass(frozen=True)
class Effort:
    """What pretrainings took, of one seed."""

    steps: int = 0
    clips: int = 0
    """Clips seen: each counts once an epoch."""
    gpu_hours: float | None = 0.0
    """Computed, not measured; None where it cannot be."""
    parameters: int | None = None
    """Of the encoder."""

    def __add__(self, other: Effort) -> Effort:
        hours = None if self.gpu_hours is None or other.gpu_hours is None else self.gpu_hours + other.gpu_hours
        more = self.parameters if other.parameters is None else other.parameters
        return Effort(self.steps + other.steps, self.clips + other.clips, hours, more)


@dataclass(frozen=True)
class Rung:
    """One method."""

    label: str
    preset: str
    described: bool
    """Whether no code of it was released."""
    effort: Effort | None
    """Of a pretraining on each benchmark that has a number, or on all of them where none has; None if unknown."""
    cells: tuple[BoardCell | None, ...] = ()
    """Follows the ladder's columns."""
    mean: float | None = None
    """Over all columns; None where one is missing."""
    front: bool = False
    """Whether no method that costs as little, or less, has as high a mean."""


@dataclass(frozen=True)
class Ladder:
    """Rungs by their mean, best first, then those that lack numbers, by name."""

    title: str
    """Which recipe all scores are of."""
    columns: tuple[Column, ...]
    rungs: tuple[Rung, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    commands: tuple[str, ...]


def ladder_of(
    board: Board,
    effort: Callable[[Record], Effort | None],
    others: Sequence[Rung] = (),
    notes: Sequence[str] = (),
) -> Ladder:
    """The ladder of a board, whose first column names the recipe; columns of other recipes are left out.

    ``effort`` is asked once for each benchmark of a row; ``others`` are methods that have no record.
    """
    first = board.columns[0] if board.columns else None
    places = [at for at, column in enumerate(board.columns) if first and _recipe(column) == _recipe(first)]
    records = {record.identity: record for record in board.records}
    rungs = [_rung(row, [row.cells[at] for at in places], records, effort) for row in board.rows]
    rungs += [replace(one, cells=(None,) * len(places)) for one in others]
    ranked = sorted(rungs, key=lambda one: (one.mean is None, -(one.mean or 0.0), one.label, one.preset))
    front = _front(ranked)
    return Ladder(
        f"{first.protocol} {first.score}, recipe {first.recipe}, selection {first.selection}"
        if first
        else "no records",
        tuple(board.columns[at] for at in places),
        tuple(replace(one, front=at in front) for at, one in enumerate(ranked)),
        (*notes, *board.notes),
        board.warnings,
        board.commands,
    )


def _recipe(column: Column) -> tuple[str, ...]:
    return column.protocol, column.recipe, column.selection, column.score


def _rung(
    row: Row,
    cells: Sequence[BoardCell | None],
    records: dict[str, Record],
    effort: Callable[[Record], Effort | None],
) -> Rung:
    own = [[records[name] for name in cell.records] for cell in cells if cell]
    known = [effort(one[0]) for one in own]
    spent = [one for one in known if one is not None]
    whole = None
    if spent and len(spent) == len(known):
        whole = replace(sum(spent[1:], spent[0]), parameters=row.parameters)
    means = [cell.summary.mean for cell in cells if cell and cell.ranks]
    described = any(record.method.get("described", False) for one in own for record in one)
    mean = summarise(means).mean if means and len(means) == len(cells) else None
    return Rung(row.label, row.key.preset, described, whole, tuple(cells), mean)


def _front(rungs: Sequence[Rung]) -> set[int]:
    """Places of those that no other one beats in the mean at no more cost, nor equals at less."""
    costs = {
        at: (one.effort.gpu_hours, one.mean)
        for at, one in enumerate(rungs)
        if one.mean is not None and one.effort is not None and one.effort.gpu_hours is not None
    }
    return {
        at
        for at, (hours, mean) in costs.items()
        if not any(
            other != at and cost <= hours and score >= mean and (cost, score) != (hours, mean)
            for other, (cost, score) in costs.items()
        )
    }
