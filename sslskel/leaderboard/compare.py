"""Are two rows of a board different, or is it noise? Paired over the same pretrainings, and the same test clips.

A pure function of records and their predictions; it never looks at data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sslskel.errors import SslskelError, UsageError, did_you_mean
from sslskel.leaderboard.cells import is_fixed, seed_of
from sslskel.leaderboard.clip_scores import ClipScores, NoClipScores, clip_scores
from sslskel.leaderboard.labels import names_of
from sslskel.leaderboard.model import Board, Column, Row, RowKey
from sslskel.results.record import Record, RecordError
from sslskel.results.statistics import Discordance, Estimate, discordance, holm, over_clips, over_pretrainings
from sslskel.results.store import ResultStore
from sslskel.text import p_value, percent

ALPHA = 0.05

Floats = npt.NDArray[np.float64]


class NotPaired(SslskelError):
    """Why two rows cannot be compared in a column; part of a sentence."""


class Clusters(NamedTuple):
    """What clips of a column come in groups of."""

    name: str
    """``subjects``."""
    of: Mapping[int, int]
    """Clip id -> number of its group."""


class Side(NamedTuple):
    """One of the two rows in a column."""

    label: str
    pretrainings: Sequence[Sequence[Record]]
    """Each with all of its evaluations."""


@dataclass(frozen=True)
class Comparison:
    """Two rows in one column. Shares from 0 to 1; the difference is first minus second."""

    column: str
    first: str
    second: str
    seeds: tuple[int, ...]
    """Of the pretrainings that were paired."""
    scores: tuple[float, float]
    """Mean over these of the column's own score."""
    on_these_clips: Estimate
    """The difference, for other pretrainings judged on these test clips."""
    on_any_clips: Estimate | None = None
    """For other test clips too, where the score is a mean over clips; of one pretraining, for other clips alone."""
    varied: str = ""
    """What stands for other clips: ``430 clips``, ``4 subjects``."""
    mcnemar: Discordance | None = None
    """Of one pretraining whose clips are right or wrong."""
    corrected: float | None = None
    """p, corrected for comparisons that are made together."""
    learnt: bool = True
    """Whether one of the two was pretrained; of others boards claim nothing."""

    @property
    def difference(self) -> float:
        """First minus second."""
        return self.on_these_clips.mean

    @property
    def widest(self) -> Estimate:
        """For other clips too where that is known."""
        return self.on_any_clips or self.on_these_clips

    @property
    def p(self) -> float | None:
        """Two-sided, of the widest estimate; None for one pretraining, and where all differ by the same."""
        return self.widest.p if len(self.seeds) > 1 else None

    @property
    def sure(self) -> bool:
        """True where the difference is more than noise of pretrainings, and of clips where these are known."""
        if not self.learnt:
            return False
        p = self.p if self.corrected is None else self.corrected
        return p is not None and p < ALPHA

    def words(self) -> str:
        """What it means, in a sentence or two."""
        count = len(self.seeds)
        minus, points = f"{self.first} minus {self.second}", percent(self.difference)
        if not self.learnt:
            return f"{minus} is {points} points{self._of_floors()}; neither was pretrained, so that nothing is claimed"
        if count == 1:
            return f"{minus} is {points} points for the weights of seed {self.seeds[0]}{self._of_one()}"
        if self.p is None:
            return f"{minus} is {points} points in each of {count} pretrainings, so that its spread is unknown"
        over = f"{count} pretrainings, on these test clips"
        alone = ""
        if self.on_any_clips is not None:
            over = f"{count} pretrainings and {self.varied}"
            alone = f"; on these test clips alone {self._interval(self.on_these_clips)}"
        if self.corrected is not None:
            alone += f"; corrected for all comparisons {p_value(self.corrected)}"
        if self.sure:
            better, worse = (self.first, self.second) if self.difference > 0 else (self.second, self.first)
            text = f"{better} is better than {worse} by more than noise: {percent(abs(self.difference))}"
        else:
            text = f"{minus} may be noise: {points}"
        return f"{text} points, 95 % interval {self._interval(self.widest)}, over {over}{alone}"

    def _of_floors(self) -> str:
        """Over what the difference was measured."""
        over = [f"{len(self.seeds)} seeds"] if len(self.seeds) > 1 else []
        over += [self.varied] if self.on_any_clips is not None else []
        known = self.widest.interval is not None and self.widest.p is not None
        interval = f", 95 % interval {self._interval(self.widest)}" if known else ""
        return f"{interval} over {' and '.join(over)}" if over else ""

    def _interval(self, one: Estimate) -> str:
        assert one.interval is not None
        assert one.p is not None
        # Of the better minus the worse where one is better.
        low, high = (-one.interval[1], -one.interval[0]) if self.sure and self.difference < 0 else one.interval
        return f"{percent(low)} to {percent(high)} ({p_value(one.p)})"

    def _of_one(self) -> str:
        text = ""
        if self.on_any_clips is not None and self.on_any_clips.interval is not None:
            text += f", 95 % interval over {self.varied} {self._interval(self.on_any_clips)}"
        if self.mcnemar is not None:
            first, second, p = self.mcnemar.only_first, self.mcnemar.only_second, self.mcnemar.p
            text += f"; {first:,} clips are right for {self.first} alone, {second:,} for {self.second} alone"
            text += f" (McNemar, exact: {p_value(p)})"
        return f"{text}; how much another pretraining would change is not known"


@dataclass(frozen=True)
class Skipped:
    """A column in which the two cannot be compared."""

    column: str
    reason: str

    def words(self) -> str:
        """Why not, in a sentence."""
        return f"not compared: {self.reason}"


def compare(
    board: Board, store: ResultStore, first: str, second: str, clusters: Callable[[Column], Clusters] | None = None
) -> tuple[Comparison | Skipped, ...]:
    """Compare two rows in every column that both have.

    Each is named by its label, with preset and the like behind it where boards write them, by its method or by a
    record's identity. ``clusters`` gives the groups of a column's clips that vary instead of clips. Raises
    ``UsageError`` where a name fits no row or several, and where the two can be compared in no column.
    """
    one, other = _named(board, first), _named(board, second)
    results: list[Comparison | Skipped] = []
    for at, column in enumerate(board.columns):
        if at not in one.cells or at not in other.cells:
            continue
        mine, theirs = Side(one.label, one.cells[at]), Side(other.label, other.cells[at])
        try:
            groups = None if clusters is None else clusters(column)
            made = paired(store, column.title, column.score, mine, theirs, clusters=groups)
            results.append(replace(made, learnt=one.trained or other.trained))
        except (NotPaired, RecordError) as fault:
            results.append(Skipped(column.title, str(fault)))
    if not any(isinstance(result, Comparison) for result in results):
        reasons = "; ".join(f"{result.column}: {result.words()}" for result in results if isinstance(result, Skipped))
        raise UsageError(
            f"'{one.label}' and '{other.label}' can be compared in no column ({reasons or 'they share none'}); run both"
            " with the same --benchmark, --protocol and --seeds"
        )
    return tuple(results)


def paired(
    store: ResultStore,
    title: str,
    score: str,
    first: Side,
    second: Side,
    *,
    condition: str | None = None,
    clusters: Clusters | None = None,
) -> Comparison:
    """Compare two rows by one score, a difference for each seed that both were pretrained with.

    Evaluations of the same weights are averaged first. ``condition`` is the one whose predictions make
    the score, where there are several. Raises ``NotPaired`` where they have no seed in common or
    other test clips, ``RecordError`` where predictions are missing or damaged.
    """
    seeds, sides = _pairs(first, second)
    scores = np.array([[np.mean([one.scores[score] for one in records]) for records in side] for side in sides])
    means = float(scores[0].mean()), float(scores[1].mean())
    here = over_pretrainings((scores[0] - scores[1]).tolist())
    made = Comparison(title, first.label, second.label, seeds, means, here)
    tables = _by_clip(store, sides, score, condition)
    if tables is None:
        return made
    keys, values = tables
    varied, groups = f"{len(keys):,} clips", None
    if clusters is not None:
        if missing := sum(int(key) not in clusters.of for key in keys):
            raise NotPaired(f"the {clusters.name} of {missing:,} of {len(keys):,} test clips are unknown")
        groups = np.array([clusters.of[int(key)] for key in keys])
        varied = f"{len(np.unique(groups)):,} {clusters.name}"
    single = values[:, 0] if len(seeds) == 1 else None
    decided = single is not None and bool(np.isin(single, (0.0, 1.0)).all())
    mcnemar = discordance(single[0], single[1]) if single is not None and decided else None
    anywhere = over_clips(values[0] - values[1], groups)
    return replace(made, on_any_clips=anywhere, varied=varied, mcnemar=mcnemar)


def corrected(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The same, with p values corrected together by Holm."""
    tested = [at for at, one in enumerate(comparisons) if one.p is not None]
    chances = dict(zip(tested, holm([comparisons[at].p or 0.0 for at in tested]), strict=True))
    return tuple(replace(one, corrected=chances.get(at)) for at, one in enumerate(comparisons))


def _pairs(first: Side, second: Side) -> tuple[tuple[int, ...], list[list[Sequence[Record]]]]:
    """Seeds of the pairs, and for either side the records of each.

    A row whose seeds change no weight gives every pretraining of the other one its evaluation of that
    seed. Two such rows are one pair.
    """
    alone = [is_fixed(side.pretrainings) for side in (first, second)]
    by_seed: list[dict[int, Sequence[Record]]] = []
    for side, fixed in zip((first, second), alone, strict=True):
        if fixed and not all(alone):
            by_seed.append({record.seed: [record] for group in side.pretrainings for record in group})
        else:
            by_seed.append({seed_of(group): group for group in side.pretrainings})
    shared = sorted(by_seed[0].keys() & by_seed[1].keys())
    if not shared:
        raise NotPaired("no pretraining of the one has the seed of one of the other; run both with the same --seeds")
    return tuple(shared), [[own[seed] for seed in shared] for own in by_seed]


def _by_clip(
    store: ResultStore, sides: Sequence[Sequence[Sequence[Record]]], score: str, condition: str | None
) -> tuple[npt.NDArray[np.int64], Floats] | None:
    """Ids of the test clips, and scores (2, pretrainings, clips); None where the score is no mean over clips."""
    try:
        tables = [
            [[clip_scores(store, one, score, condition) for one in records] for records in side] for side in sides
        ]
    except NoClipScores:
        return None
    each: list[ClipScores] = [one for side in tables for records in side for one in records]
    if any(not np.array_equal(one.keys, each[0].keys) for one in each):
        raise NotPaired("the records were evaluated on different test clips")
    values = [[np.mean([one.values for one in records], axis=0) for records in side] for side in tables]
    return each[0].keys, np.array(values)


@dataclass(frozen=True)
class _Named:
    """The records of one side: place of the column -> pretrainings -> evaluations."""

    label: str
    trained: bool
    cells: Mapping[int, Sequence[Sequence[Record]]]


def _named(board: Board, name: str) -> _Named:
    records, names = {record.identity: record for record in board.records}, _names(board.rows)
    by_identity = [row for row in board.rows for cell in row.cells if cell and name in cell.records]
    rows = by_identity or [row for row in board.rows if name == names[row.key]]
    rows = rows or [row for row in board.rows if name in (row.label, row.key.method)]
    if not rows:
        known = list(names.values())
        raise UsageError(f"no row is called '{name}'{did_you_mean(name, known)} (there are: {_quoted(known)})")
    if len(rows) > 1:
        several = _quoted(names[row.key] for row in rows)
        raise UsageError(f"'{name}' may be any of {several}; give one of these names, or a record's identity")
    cells = {}
    for at, cell in enumerate(rows[0].cells):
        groups = [[records[e.record] for e in one.evaluations] for one in cell.pretrainings] if cell else []
        if by_identity:
            groups = [[one] for group in groups for one in group if one.identity == name]
        if groups:
            cells[at] = groups
    return _Named(names[rows[0].key], rows[0].trained, cells)


def _names(rows: Sequence[Row]) -> dict[RowKey, str]:
    """A name for every row that no other one has: its label, with preset and the like where several have it."""
    labels, whole = [row.label for row in rows], names_of(rows)
    return {row.key: row.label if labels.count(row.label) == 1 else whole[row.key] for row in rows}


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
