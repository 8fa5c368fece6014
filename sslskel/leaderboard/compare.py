"""Are two rows of a board different, or is it noise? Paired over the same test clips and the same seeds.

A pure function of records and their predictions; it never looks at data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from sslskel.errors import UsageError, did_you_mean
from sslskel.leaderboard.model import Board, Row
from sslskel.results.record import Record
from sslskel.results.statistics import paired_interval, summarise
from sslskel.results.store import ResultStore
from sslskel.text import percent


@dataclass(frozen=True)
class Discordance:
    """Clips of one seed that only one of the two classified correctly, and McNemar's exact two-sided p."""

    seed: int
    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True)
class Comparison:
    """The two in one column. Shares from 0 to 1; the difference is first minus second."""

    column: str
    first: str
    second: str
    clips: int
    scores: tuple[float, float]
    """Mean over the paired seeds of the share of clips classified correctly."""
    difference: float
    interval: tuple[float, float]
    """95 % bootstrap interval over clips, and over seeds where there are several."""
    seeds: tuple[Discordance, ...]

    @property
    def sure(self) -> bool:
        """True where the interval leaves out zero."""
        return self.interval[0] > 0 or self.interval[1] < 0

    def words(self) -> str:
        """What it means, in a sentence or two."""
        count = len(self.seeds)
        over = f"{self.clips:,} clips and {count} seeds" if count > 1 else f"{self.clips:,} clips of one seed"
        if self.sure:
            better, worse = (self.first, self.second) if self.difference > 0 else (self.second, self.first)
            low, high = sorted(abs(end) for end in self.interval)
            points = percent(abs(self.difference))
            sentence = f"{better} is better than {worse} by more than noise: {points} points, 95 %"
        else:
            low, high = self.interval
            sentence = f"{self.first} minus {self.second} may be noise: {percent(self.difference)} points, 95 %"
        sentence += f" interval {percent(low)} to {percent(high)}, over {over}"
        return sentence if count > 1 else f"{sentence}; how much another seed would change is not known"


@dataclass(frozen=True)
class OverSeeds:
    """Two rows whose scores are not means over clips, paired by seed; the difference is first minus second."""

    first: str
    second: str
    difference: float
    interval: tuple[float, float] | None
    """95 % t interval of the mean difference; None for a single seed."""
    seeds: int

    @property
    def sure(self) -> bool:
        """True where the interval leaves out zero."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    def words(self) -> str:
        """What it means, in a sentence."""
        if self.interval is None:
            return (
                f"{self.first} minus {self.second} is {percent(self.difference)} points in one seed, which may be noise"
            )
        low, high = self.interval
        verdict = "is more than noise" if self.sure else "may be noise"
        return (
            f"{self.first} minus {self.second} {verdict}: {percent(self.difference)} points, 95 % interval"
            f" {percent(low)} to {percent(high)}, over {self.seeds} seeds"
        )


Difference = Comparison | OverSeeds


def over_seeds(first: str, second: str, scores: Sequence[tuple[float, float]]) -> OverSeeds:
    """Compare two rows by their scores alone, a pair of shares per seed; raises ``ValueError`` for none."""
    summary = summarise([one - other for one, other in scores])
    return OverSeeds(first, second, summary.mean, summary.interval, summary.n)


def compare(board: Board, store: ResultStore, first: str, second: str) -> tuple[Comparison, ...]:
    """Compare two rows, named by label, method or a record's identity, in every column that both have.

    Raises ``UsageError`` where a name fits no row or several, or where they share no column
    and seed, and ``RecordError`` where predictions are missing or damaged.
    """
    one, other = _cells(board, first), _cells(board, second)
    differences = []
    for at, column in enumerate(board.columns):
        mine, theirs = one.cells.get(at, {}), other.cells.get(at, {})
        shared = sorted(mine.keys() & theirs.keys())
        if shared:
            pairs = [(mine[seed], theirs[seed]) for seed in shared]
            differences.append(paired(store, column.title, one.label, other.label, pairs))
    if not differences:
        raise UsageError(
            f"'{one.label}' and '{other.label}' have no column with the same seed in common; run both with the same"
            " --benchmark, --protocol and --seeds"
        )
    return tuple(differences)


@dataclass(frozen=True)
class _Named:
    """The records of one side: position of the column -> seed -> record."""

    label: str
    cells: Mapping[int, Mapping[int, Record]]


def _cells(board: Board, name: str) -> _Named:
    records = {record.identity: record for record in board.records}
    by_identity = [row for row in board.rows for cell in row.cells if cell and name in cell.records]
    rows = by_identity or [row for row in board.rows if name == row.label]
    rows = rows or [row for row in board.rows if name == row.key.method]
    if not rows:
        labels = [row.label for row in board.rows]
        raise UsageError(f"no row is called '{name}'{did_you_mean(name, labels)} (there are: {', '.join(labels)})")
    if len(rows) > 1:
        described = ", ".join(_described(row) for row in rows)
        raise UsageError(f"'{name}' may be any of {described}; give a label, or a record's identity")
    cells = {
        at: {seed: records[i] for seed, i in zip(cell.seeds, cell.records, strict=True) if not by_identity or i == name}
        for at, cell in enumerate(rows[0].cells)
        if cell is not None
    }
    return _Named(rows[0].label, cells)


def _described(row: Row) -> str:
    return f"'{row.label}' [{row.key.preset}, {row.key.backbone}, {row.key.precision}]"


def _correct(store: ResultStore, record: Record, condition: str | None) -> dict[int, bool]:
    """Clip id -> whether the reported prediction is right, in one condition where there are several."""
    arrays = store.predictions(record)
    if condition is not None and "condition" in arrays:
        rows = arrays["condition"] == condition
        arrays = {
            name: arrays[name][rows] for name in ("keys", "label", "value_predicted", "value_logits") if name in arrays
        }
    if "label" not in arrays or not ("value_predicted" in arrays or "value_logits" in arrays):
        raise UsageError(
            f"record {record.identity} ({record.protocol['name']}) keeps no predicted classes beside the true ones"
            " and cannot be compared clip by clip; choose another --protocol, or run the cell again"
        )
    if len(np.unique(arrays["keys"])) != len(arrays["keys"]):
        raise UsageError(
            f"record {record.identity} ({record.protocol['name']}) has several predictions for a clip and cannot be"
            " compared clip by clip; choose another --protocol"
        )
    predicted = arrays["value_predicted"] if "value_predicted" in arrays else arrays["value_logits"].argmax(-1)
    return dict(zip(arrays["keys"].tolist(), (predicted == arrays["label"]).tolist(), strict=True))


def paired(
    store: ResultStore,
    title: str,
    first: str,
    second: str,
    pairs: Sequence[tuple[Record, Record]],
    condition: str | None = None,
) -> Comparison:
    """Compare records of the same seeds, one pair per seed; errors as of :func:`compare`."""
    sides = [(_correct(store, one, condition), _correct(store, other, condition)) for one, other in pairs]
    clips = sorted(sides[0][0])
    if any(sorted(side) != clips for pair in sides for side in pair):
        raise UsageError(f"{title}: the records were evaluated on different test clips and cannot be paired")
    right = np.array([[[side[clip] for clip in clips] for side in pair] for pair in sides], dtype=np.int8)
    gains = right[:, 0].astype(np.float64) - right[:, 1]
    means = right.mean((0, 2))
    return Comparison(
        title,
        first,
        second,
        len(clips),
        (float(means[0]), float(means[1])),
        float(gains.mean()),
        paired_interval(gains),
        tuple(_discordance(one.seed, gain) for (one, _), gain in zip(pairs, gains, strict=True)),
    )


def _discordance(seed: int, gain: npt.NDArray[np.float64]) -> Discordance:
    """McNemar's exact test: is a clip that only one gets right equally likely to be either's?"""
    first, second = int((gain > 0).sum()), int((gain < 0).sum())
    p = min(1.0, 2 * float(special.bdtr(min(first, second), first + second, 0.5))) if first + second else 1.0
    return Discordance(seed, first, second, p)
