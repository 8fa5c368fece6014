"""Scores and differences over pretrainings, and over clips too. The same test clips are judged in each pretraining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from sslskel.results.statistics.summary import all_equal, quantile, summarise

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean, and how far it can be trusted."""

    mean: float
    interval: tuple[float, float] | None
    """95 %; None where the spread is unknown."""
    p: float | None
    """Two-sided, that the true mean is 0."""


@dataclass(frozen=True)
class Discordance:
    """Clips that only one of two encoders classified correctly, and McNemar's exact two-sided p."""

    only_first: int
    only_second: int
    p: float


class _Spread(NamedTuple):
    """Variance of a mean, and the degrees of freedom of its estimate."""

    variance: float
    freedom: float


def over_pretrainings(values: Sequence[float]) -> Estimate:
    """The mean of one value per pretraining, on these test clips: Student's t. ``ValueError`` for none."""
    summary = summarise(values)
    if not summary.sd:
        return Estimate(summary.mean, None, None)
    return _estimate(summary.mean, [_Spread(summary.sd**2 / summary.n, summary.n - 1)])


def over_clips(values: npt.ArrayLike, clusters: npt.ArrayLike | None = None) -> Estimate:
    """The mean of values (pretrainings, clips), for other pretrainings and other clips.

    Pretrainings and clips are crossed random effects: the variance of the mean is that between
    pretrainings plus that between clips less that of their interaction, which both hold (Searle,
    Casella and McCulloch, Variance Components 1992, chapter 4), with Satterthwaite's degrees of
    freedom. The estimate is never surer than over pretrainings alone, since few of them say little of
    their variance. A single pretraining is taken as it is: then clips alone vary. ``clusters``
    (clips,) are the subjects or recordings that vary instead of clips. ``ValueError`` for no values.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.size == 0:
        raise ValueError("an estimate needs one value per pretraining and clip, and at least one")
    count, clips = table.shape
    groups = np.arange(clips) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    number = int(groups.max()) + 1
    mean, by_clip, by_run = float(table.mean()), table.mean(0), table.mean(1)
    if number < 2 or (count > 1 and all_equal(by_run)):
        return Estimate(mean, None, None)
    between = _between(by_clip[None] - mean, groups, number) / clips**2
    if count == 1:
        return _estimate(mean, [_Spread(between, number - 1)])
    runs = float(by_run.var(ddof=1)) / count
    rest = _between(table - by_run[:, None] - by_clip + mean, groups, number)
    both = rest * count / (count - 1) / (count * clips) ** 2
    extra = max(0.0, between - both)
    total = runs + extra
    error = runs**2 / (count - 1)
    if extra:
        error += between**2 / (number - 1) + both**2 / ((count - 1) * (number - 1))
    return _estimate(mean, [_Spread(runs, count - 1), _Spread(total, total**2 / error)])


def discordance(first: npt.ArrayLike, second: npt.ArrayLike) -> Discordance:
    """McNemar's exact test of two encoders, given which clips (C,) each classified correctly.

    Is a clip that only one of them gets right equally likely to be either's?
    """
    one, other = np.asarray(first, dtype=np.bool_), np.asarray(second, dtype=np.bool_)
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    p = min(1.0, 2 * float(special.bdtr(min(gained, lost), gained + lost, 0.5))) if gained + lost else 1.0
    return Discordance(gained, lost, p)


def _between(values: Floats, groups: npt.NDArray[np.int64], number: int) -> float:
    """Sum of squares of the groups' sums of values (rows, clips) that have mean 0, for groups drawn at random."""
    sums = np.stack([np.bincount(groups, row, number) for row in values])
    return float((sums**2).sum()) * number / (number - 1)


def _estimate(mean: float, spreads: Sequence[_Spread]) -> Estimate:
    """By the spread that is the least sure."""
    known = [spread for spread in spreads if spread.variance > 0]
    if not known:
        return Estimate(mean, None, None)
    half = max(quantile(freedom) * float(np.sqrt(variance)) for variance, freedom in known)
    p = max(2 * float(special.stdtr(freedom, -abs(mean) / np.sqrt(variance))) for variance, freedom in known)
    return Estimate(mean, (mean - half, mean + half), p)
