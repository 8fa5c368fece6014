"""Statistics over seeds and clips; shares in, shares out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats


@dataclass(frozen=True)
class Summary:
    """Of one score over several seeds. ``sd`` and ``interval`` are None for a single seed."""

    n: int
    mean: float
    sd: float | None
    interval: tuple[float, float] | None
    """95 % Student t interval of the mean."""


def summarise(values: Sequence[float]) -> Summary:
    """Mean, standard deviation (n - 1) and 95 % t interval; ``ValueError`` for no values."""
    if not values:
        raise ValueError("a summary needs at least one value")
    array = np.sort(np.asarray(values, dtype=np.float64))
    mean = float(array.mean())
    if len(array) == 1:
        return Summary(1, mean, None, None)
    sd = float(array.std(ddof=1))
    half = float(stats.t.ppf(0.975, len(array) - 1)) * sd / float(np.sqrt(len(array)))
    return Summary(len(array), mean, sd, (mean - half, mean + half))


def disjoint(a: Summary, b: Summary) -> bool:
    """True where both have an interval and the two do not touch."""
    if a.interval is None or b.interval is None:
        return False
    return a.interval[0] > b.interval[1] or b.interval[0] > a.interval[1]


def bootstrap_interval(correct: npt.NDArray[np.floating], seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95 % percentile interval of a mean over clips, by resampling clips with a fixed seed."""
    values = np.asarray(correct, dtype=np.float64)
    generator = np.random.default_rng(seed)
    block = max(1, int(2e7 // max(len(values), 1)))
    means = [
        values[generator.integers(0, len(values), (min(block, draws - done), len(values)))].mean(1)
        for done in range(0, draws, block)
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)
