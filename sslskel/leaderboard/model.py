"""What a board is made of: plain values, filled by ``build.py`` and read by the renderers."""

from __future__ import annotations

from dataclasses import dataclass

from sslskel.results.record import Record
from sslskel.results.statistics import Summary, summarise


@dataclass(frozen=True, order=True)
class Column:
    """What a score is a score of."""

    benchmark: str
    split: str
    protocol: str
    recipe: str
    selection: str
    score: str
    benchmark_version: int
    protocol_version: int
    fingerprint: str
    options: str
    """Options of the protocol as canonical JSON: other options, other column."""
    title: str = ""
    """For people; says no more than it needs to tell the columns of this board apart."""


@dataclass(frozen=True, order=True)
class RowKey:
    """What was pretrained."""

    method: str
    backbone: str
    preset: str
    streams: tuple[str, ...]
    precision: str
    method_version: int
    backbone_version: int
    pretrained_on: str
    """Empty for nothing, or for the training part of the column itself."""
    config: str
    """Configuration as canonical JSON, without groups and fields that do not tell rows apart."""


@dataclass(frozen=True)
class Evaluation:
    """One record of a cell."""

    seed: int
    record: str
    """Identity."""
    score: float


@dataclass(frozen=True)
class Pretraining:
    """One set of weights and all evaluations of it; its score is their mean."""

    seed: int
    """That it was pretrained with."""
    evaluations: tuple[Evaluation, ...]

    @property
    def score(self) -> float:
        """A share from 0 to 1."""
        return summarise([one.score for one in self.evaluations]).mean


@dataclass(frozen=True)
class BoardCell:
    """One row in one column."""

    summary: Summary
    """Over pretrainings, or over these and the test clips."""
    pretrainings: tuple[Pretraining, ...]
    """By seed; what ``n`` counts."""
    leak: bool
    """True where pretraining saw clips of the test part, or may have."""
    unproven: bool = False
    """True where nothing proves what the encoder saw: released weights, foreign networks, files of unknown origin."""
    swept: bool = False
    """True where a sweep ran other option values too on the test part: the best of them is chosen on test data."""
    fixed: bool = False
    """True where several seeds gave the same weights: there is one encoder, and seeds are those of its evaluations."""
    bold: bool = False
    above_all: float | None = None
    """Corrected p that this row is not above every other one of the column; None unless it leads and was tested."""

    @property
    def ranks(self) -> bool:
        """Whether it takes part in tests and findings, and may be bold."""
        return not (self.leak or self.unproven or self.swept)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the pretrainings; of the evaluations where there is one encoder for all."""
        return tuple(one.seed for one in (self.evaluations if self.fixed else self.pretrainings))

    @property
    def scores(self) -> tuple[float, ...]:
        """One per pretraining."""
        return tuple(one.score for one in self.pretrainings)

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Of all pretrainings."""
        return tuple(one for pretraining in self.pretrainings for one in pretraining.evaluations)

    @property
    def records(self) -> tuple[str, ...]:
        """Identities of all records."""
        return tuple(one.record for one in self.evaluations)

    @property
    def sample(self) -> tuple[float, ...]:
        """What a test may take as independent: pretrainings, or the evaluations of an encoder that has no seed."""
        return tuple(one.score for one in (self.evaluations if self.fixed else self.pretrainings))


@dataclass(frozen=True)
class Mean:
    """A column of means over other columns, which are of one score and protocol, each on other data; or of means of
    what was gained there over a network that learnt nothing."""

    title: str
    columns: tuple[int, ...]
    """Places on the board."""


@dataclass(frozen=True)
class Row:
    """One line of the board; ``cells`` follows the board's columns, None where there is no number."""

    key: RowKey
    label: str
    cells: tuple[BoardCell | None, ...]
    means: tuple[float | None, ...]
    """Follows the board's ``means``; None where a cell is missing."""
    rank: int | None
    """By the first column; equal means share a rank."""
    trained: bool
    """False where the encoder is known to have seen no data at all."""
    parameters: int
    pretrain_seconds: float
    """Median over seeds."""
    samples_per_second: float
    """Clips that pretraining took in; median over seeds, 0 where there was none or nothing is known."""


@dataclass(frozen=True)
class AcrossRow:
    """One row over the benchmarks of a mean; see ``results/statistics/across.py``."""

    label: str
    iqm: float
    interval: tuple[float, float] | None
    rank: float
    improvements: tuple[float, ...]
    """Probability of scoring above each row of the table, in its order."""


@dataclass(frozen=True)
class AcrossBenchmarks:
    """Rows that have a number on every one of several benchmarks, best mean rank first."""

    title: str
    benchmarks: tuple[str, ...]
    rows: tuple[AcrossRow, ...]
    critical_difference: float
    """Of mean ranks, 5 %."""
    left_out: tuple[str, ...]
    """Rows that lack a number, or have other numbers of pretrainings on other benchmarks."""


@dataclass(frozen=True)
class Published:
    """Numbers that others printed; no row of the board's own, since nothing here made them."""

    method: str
    year: int | None
    backbone: str
    streams: str
    source: str
    values: tuple[float | None, ...]
    """Shares, 0 to 1; follows the board's columns, None where nothing was printed."""


@dataclass(frozen=True)
class Curve:
    """How the loss of one pretraining went."""

    label: str
    points: tuple[tuple[float, float], ...]
    """(epoch, loss), thinned."""


@dataclass(frozen=True)
class Confusion:
    """Test clips of one number by true and predicted class, summed over its seeds."""

    row: int
    column: int
    """Positions on the board."""
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """By true class, then by predicted class."""


@dataclass(frozen=True)
class Board:
    """Columns, rows best first, and what must stand below them."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    findings: tuple[str, ...]
    """What the numbers show, in words."""
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    commands: tuple[str, ...]
    records: tuple[Record, ...] = ()
    """What the numbers came from, for formats with room for it."""
    curves: tuple[Curve, ...] = ()
    published: tuple[Published, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    means: tuple[Mean, ...] = ()
    across: tuple[AcrossBenchmarks, ...] = ()
    over_clips: bool = False
    """Whether intervals are over test clips too."""
    title: str = ""
    """Of a suite; others are called by their benchmarks."""
    highlights: tuple[str, ...] = ()
    """Those of the findings that a short form shows as many of as it has room for, the most telling first."""
