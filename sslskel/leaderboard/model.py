"""What a board is made of: plain values, filled by ``build.py`` and read by the renderers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from sslskel.errors import UsageError
from sslskel.results.record import Record
from sslskel.results.statistics import Summary, summarise
from sslskel.text import EMPTY, percent, plain

if TYPE_CHECKING:
    import pandas


def mean_words(summary: Summary, *, counts: bool = True) -> str:
    """``84.9 ± 0.3 (3)``, in %; how many values it is over where it ``counts``."""
    spread = "" if summary.sd is None else f" ± {percent(summary.sd)}"
    return f"{percent(summary.mean)}{spread}{f' ({summary.n})' if counts else ''}"


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
    def marks(self) -> str:
        """What stands behind a number that ranks nothing."""
        return f"{' †' if self.leak else ''}{' ‡' if self.unproven else ''}{' §' if self.swept else ''}"

    def words(self, *, counts: bool) -> str:
        """``84.9 ± 0.3 (3)``, in %; the number of pretrainings where it ``counts``."""
        return f"{mean_words(self.summary, counts=counts)}{self.marks}"

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
class Failed:
    """A cell that was tried and has no record."""

    title: str
    method: str
    """Empty in notes of early versions."""
    benchmark: str
    """``NAME/SPLIT``."""
    protocol: str
    reason: str
    """With the place of the traceback where there is one."""


@dataclass(frozen=True)
class Literature:
    """What the plugins say of the papers behind a board, and nothing else."""

    kind: str
    """``method`` or ``benchmark``."""
    name: str
    paper: str
    """Authors, title and venue as the plugin gives them."""
    year: int | None
    family: str = ""
    """Of methods."""


@dataclass(frozen=True)
class FeatureMap:
    """Features of clips in two dimensions."""

    title: str
    way: str
    """How they were brought there."""
    points: tuple[tuple[int, int, int], ...]
    """(x, y, class), places from 0 to 1000."""
    encoder: frozenset[str] = frozenset()
    """Identity of the pretraining and sha256 of the weights that gave the features; empty where nothing says them."""


@dataclass(frozen=True)
class Curve:
    """How the loss of one pretraining went, and what its probe gave."""

    label: str
    points: tuple[tuple[float, float], ...]
    """(epoch, loss), thinned."""
    probe: str = ""
    """``PROTOCOL/subjects`` or ``PROTOCOL/clips``: what was scored, and what was held out for it."""
    scores: tuple[tuple[float, float], ...] = ()
    """(epoch, share) of the probe; the epoch is not chosen by it unless the row says so."""

    def probed(self) -> str:
        """The scores in one sentence: first, best and last; empty where there are none."""
        if not self.scores:
            return ""
        what, _, held = self.probe.partition("/")
        best = max(self.scores, key=lambda point: point[1])
        points = ", ".join(
            f"{word} {percent(share)} at epoch {epoch:g}"
            for word, (epoch, share) in (("first", self.scores[0]), ("highest", best), ("last", self.scores[-1]))
        )
        return f"{self.label}: {what} on held-out training {held}: {points}"


@dataclass(frozen=True)
class Confusion:
    """Test clips of one number by true and predicted class, summed over its seeds."""

    row: int
    column: int
    """Positions on the board."""
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """By true class, then by predicted class."""


@dataclass(frozen=True, repr=False)
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
    failed: tuple[Failed, ...] = ()
    literature: tuple[Literature, ...] = ()
    checkpoints: tuple[tuple[str, str], ...] = ()
    """(identity of a pretraining, its newest checkpoint below the results folder), of those that are there."""
    maps: tuple[FeatureMap, ...] = ()
    highlights: tuple[str, ...] = ()
    """Those of the findings that a short form shows as many of as it has room for, the most telling first."""

    def __repr__(self) -> str:
        """One line: of what it is, how large, and who leads."""
        places = ", ".join(sorted({f"{column.benchmark}/{column.split}" for column in self.columns}))
        sizes = f"{len(self.rows)} rows, {len(self.columns)} columns, {len(self.records)} records"
        first = f"; first: {self.rows[0].label}" if self.rows else ""
        return plain(f"<Board of {self.title or places or 'no records'}: {sizes}{first}>")

    def _repr_html_(self) -> str:
        """The scores as a table, for notebooks; the page with everything is ``render(board, "html")``."""
        titles = ["#", "method", "preset", "backbone", *(column.title for column in self.columns)]
        lines = [[*titles, *(mean.title for mean in self.means)]]
        for row in self.rows:
            facts = [EMPTY if row.rank is None else str(row.rank), row.label, row.key.preset, row.key.backbone]
            cells = [EMPTY if cell is None else cell.words(counts=True) for cell in row.cells]
            lines.append([*facts, *cells, *map(percent, row.means)])
        head, *body = [
            "".join(f"<{tag}>{escape(plain(word))}</{tag}>" for word in line)
            for tag, line in zip(["th", *["td"] * len(self.rows)], lines, strict=True)
        ]
        rows = "".join(f"<tr>{line}</tr>" for line in body)
        caption = escape("Scores in %: mean ± standard deviation over pretrainings (how many)")
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def to_pandas(self) -> pandas.DataFrame:
        """A table with a line for each number: what was pretrained, what it was judged on, and the score.

        ``mean``, ``sd``, ``low`` and ``high`` are shares from 0 to 1, over ``n`` pretrainings. Raises ``UsageError``
        where pandas is not installed.
        """
        try:
            import pandas
        except ImportError as fault:
            raise UsageError(
                "tables of pandas need pandas; run `pip install 'sslskel[tables]'`, or take render(board, 'csv')"
            ) from fault
        return pandas.DataFrame([*self._numbers()])

    def _numbers(self) -> Iterator[dict[str, object]]:
        for row in self.rows:
            for column, cell in zip(self.columns, row.cells, strict=True):
                if cell is None:
                    continue
                low, high = cell.summary.interval or (None, None)
                yield {
                    "rank": row.rank,
                    "label": row.label,
                    "method": row.key.method,
                    "backbone": row.key.backbone,
                    "preset": row.key.preset,
                    "streams": "+".join(row.key.streams),
                    "precision": row.key.precision,
                    "benchmark": column.benchmark,
                    "split": column.split,
                    "protocol": column.protocol,
                    "recipe": column.recipe,
                    "score": column.score,
                    "mean": cell.summary.mean,
                    "sd": cell.summary.sd,
                    "low": low,
                    "high": high,
                    "n": cell.summary.n,
                    "ranks": cell.ranks,
                }
