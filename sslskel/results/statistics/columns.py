"""Tests between the rows of one column: two-sided Welch, corrected for their number by Holm.

Holm's procedure is that of the Scand. J. Statistics 1979, with weights where one claim matters more than others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from sslskel.results.statistics.summary import all_equal

FEWEST = 3
"""Fewest pretrainings of a row that may be called above all others."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ColumnTests:
    """p values of one column, corrected together, so that at most 5 % of columns hold a false claim."""

    leader: int | None
    """Place of the sample with the highest mean; None where there is none or the highest mean is shared."""
    above_all: float | None
    """Corrected p that the leader is not above every other sample; None where that cannot be tested."""
    pairs: tuple[float | None, ...]
    """Corrected p of each pair that was asked for; None where it cannot be tested."""
    tested: int
    """How many p values were corrected together."""


def column_tests(
    samples: Sequence[Sequence[float]],
    pairs: Sequence[tuple[int, int]],
    may_lead: Sequence[bool],
    unranked: Sequence[Sequence[float]] = (),
) -> ColumnTests:
    """Test pairs of samples, and the sample with the highest mean against all others, in one family.

    Pairs may name ``unranked`` samples too, which are counted on behind ``samples``; none of them leads or is beaten.

    The leader's p is the largest of its tests against every other sample: it is above all only
    where it is above each, an intersection-union test (Berger, Technometrics 1982). Holm corrects
    it together with the pairs; it weighs as much as all of these, or many pairs without a difference
    would hide it. Where ``may_lead`` is False of the leader, or any other sample cannot be tested,
    there is no such claim.
    """
    moments = _moments([*samples, *unranked])
    means = moments[1][: len(samples)]
    highest = np.flatnonzero(means == means.max()) if len(means) else np.array([], dtype=np.int64)
    leader = int(highest[0]) if len(highest) == 1 else None
    family = list(_p_values(moments, pairs))
    above = np.nan
    if leader is not None and may_lead[leader] and len(samples) > 1:
        above = float(_p_values(moments, [(leader, other) for other in range(len(samples)) if other != leader]).max())
    family.append(above)
    tested = [place for place, p in enumerate(family) if not np.isnan(p)]
    corrected: list[float | None] = [None] * len(family)
    weights = [float(max(1, len(tested) - 1)) if place == len(pairs) else 1.0 for place in tested]
    for place, p in zip(tested, holm([family[place] for place in tested], weights), strict=True):
        corrected[place] = p
    return ColumnTests(leader, corrected[-1], tuple(corrected[:-1]), len(tested))


def welch(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Two-sided p of Welch's t test that the means of ``a`` and ``b`` are equal.

    None where either has fewer than two values, or neither has any spread: then nothing says
    how much another pretraining would change.
    """
    [p] = _p_values(_moments([a, b]), [(0, 1)])
    return None if np.isnan(p) else float(p)


def holm(chances: Sequence[float], weights: Sequence[float] | None = None) -> list[float]:
    """p values corrected for their number, in the given order; none is above 1. All weigh the same by default."""
    share = np.ones(len(chances)) if weights is None else np.asarray(weights, dtype=np.float64)
    each = np.asarray(chances, dtype=np.float64) / share
    order = np.argsort(each, kind="stable")
    # What is left of the weights when a value's turn comes.
    left = share[order][::-1].cumsum()[::-1]
    corrected = np.empty(len(each))
    corrected[order] = np.minimum(np.maximum.accumulate(each[order] * left), 1.0)
    return [float(p) for p in corrected]


def _moments(samples: Sequence[Sequence[float]]) -> tuple[Floats, Floats, Floats]:
    """Number, mean and variance of each sample; equal values have exactly none."""
    arrays = [np.sort(np.asarray(sample, dtype=np.float64)) for sample in samples]
    counts = np.array([len(array) for array in arrays], dtype=np.float64)
    means = np.array([array[0] if all_equal(array) else array.mean() for array in arrays])
    variances = np.array([0.0 if all_equal(array) else array.var(ddof=1) for array in arrays])
    return counts, means, variances


def _p_values(moments: tuple[Floats, Floats, Floats], pairs: Sequence[tuple[int, int]]) -> Floats:
    """Two-sided p of each pair; nan where it cannot be tested."""
    counts, means, variances = moments
    one, other = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    parts = variances / counts
    squares = parts**2 / np.maximum(counts - 1, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = parts[one] + parts[other]
        freedom = error**2 / (squares[one] + squares[other])
        p = 2 * special.stdtr(freedom, -np.abs(means[one] - means[other]) / np.sqrt(error))
    return np.where((counts[one] > 1) & (counts[other] > 1) & (error > 0), p, np.nan)
