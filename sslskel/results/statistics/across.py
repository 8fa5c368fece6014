"""Methods over several benchmarks: interquartile mean, probability of improvement, mean rank.

The first two and their stratified bootstrap are those of Agarwal et al., Deep Reinforcement Learning at the
Edge of the Statistical Precipice, NeurIPS 2021 (``rliable``); ranks and their critical difference those of
Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006. A runs x tasks matrix
there is pretrainings x benchmarks here. Nothing is filled in: a method without a score on a benchmark
has to be left out by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslskel.results.statistics.summary import LEVEL, percentiles

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Across:
    """One method over several benchmarks."""

    iqm: float
    interval: tuple[float, float] | None
    """95 % stratified bootstrap; None where a benchmark has a single pretraining."""
    rank: float
    """Mean over benchmarks, 1 for the best; equal scores share the mean of their ranks."""
    improvements: tuple[float, ...]
    """Probability that a pretraining of this method scores above one of each method, its own place included."""


def across_benchmarks(scores: Sequence[npt.ArrayLike], seed: int = 0, draws: int = 2000) -> tuple[Across, ...]:
    """Each method of ``scores`` (pretrainings, benchmarks), over the same benchmarks in the same order.

    Raises ``ValueError`` where methods have other numbers of benchmarks, or one has no score.
    """
    tables = [np.asarray(one, dtype=np.float64) for one in scores]
    if not tables or any(one.ndim != 2 or one.size == 0 or one.shape[1] != tables[0].shape[1] for one in tables):
        raise ValueError("every method needs scores (pretrainings, benchmarks) on the same benchmarks")
    ranks = mean_ranks(np.stack([one.mean(0) for one in tables]))
    return tuple(
        Across(
            interquartile_mean(one),
            _interval(one, seed, draws),
            float(rank),
            tuple(improvement(one, other) for other in tables),
        )
        for one, rank in zip(tables, ranks, strict=True)
    )


def interquartile_mean(scores: npt.ArrayLike) -> float:
    """Mean of the middle half of all scores, a quarter of them (rounded down) cut at each end."""
    values = np.sort(np.asarray(scores, dtype=np.float64).ravel())
    return float(_trimmed(values[None])[0])


def improvement(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """P(X > Y) of scores (pretrainings, benchmarks) of two methods: on each benchmark the share of pairs of
    pretrainings in which the first is above, ties counting half (Mann-Whitney), averaged over benchmarks."""
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    signs = np.sign(first[:, None] - second[None])
    return float((0.5 + signs.mean((0, 1)) / 2).mean())


def mean_ranks(means: npt.ArrayLike) -> Floats:
    """Mean rank (methods,) of scores (methods, benchmarks)."""
    values = np.asarray(means, dtype=np.float64)
    above = (values[None] > values[:, None]).sum(1)
    level = (values[None] == values[:, None]).sum(1)
    ranks: Floats = (above + (level + 1) / 2).mean(1)
    return ranks


def critical_difference(methods: int, benchmarks: int) -> float:
    """Least difference of two mean ranks that the Nemenyi test calls one at 5 % (Demšar 2006, section 3.2.2)."""
    error = math.sqrt(methods * (methods + 1) / (6 * benchmarks))
    return _studentized_range(methods) / math.sqrt(2) * error


def _studentized_range(methods: int) -> float:
    """95 % quantile of the range of ``methods`` standard normal values."""
    # Half a second of imports, which boards of fewer benchmarks are spared.
    from scipy import stats

    return float(stats.studentized_range.ppf(LEVEL, methods, np.inf))


def _interval(scores: Floats, seed: int, draws: int) -> tuple[float, float] | None:
    """Pretrainings are drawn with replacement for each benchmark on its own."""
    runs, benchmarks = scores.shape
    if runs < 2:
        return None
    chosen = np.random.default_rng(seed).integers(0, runs, (draws, runs, benchmarks))
    drawn = np.take_along_axis(scores[None], chosen, 1).reshape(draws, -1)
    return percentiles(_trimmed(np.sort(drawn, axis=1)))


def _trimmed(values: Floats) -> Floats:
    """Mean of the middle half of each sorted row."""
    cut = values.shape[1] // 4
    middle: Floats = values[:, cut : values.shape[1] - cut].mean(1)
    return middle
