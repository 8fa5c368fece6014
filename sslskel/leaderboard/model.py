"""What a board is made of: plain values, filled by ``build.py`` and read by the renderers."""

from __future__ import annotations

from dataclasses import dataclass

from sslskel.results.record import Record
from sslskel.results.statistics import Summary


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
class BoardCell:
    """The seeds of one row in one column."""

    summary: Summary
    seeds: tuple[int, ...]
    scores: tuple[float, ...]
    records: tuple[str, ...]
    """Identities, in the order of the seeds."""
    leak: bool
    """True where pretraining saw clips of the test part, or may have."""
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the board; ``cells`` follows the board's columns, None where there is no number."""

    key: RowKey
    label: str
    cells: tuple[BoardCell | None, ...]
    mean: float | None
    """Over columns of one kind of score; None unless every cell is there."""
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
