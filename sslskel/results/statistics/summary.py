"""Mean, spread and interval of one score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special  # the distributions of scipy.stats without its half second of imports

LEVEL = 0.95
ROUNDING = 1e-12
"""Scores that are closer to each other than this, or than this share of one above 1, are equal: equal differences of
scores are not so to the last digit, and the spread of their rounding would make them certain."""
BLOCK_VALUES = 5_000_000
"""How many resampled values are held at once."""


@dataclass(frozen=True)
class Summary:
    """Of one score over several pretrainings. ``sd`` is None for a single one."""

    n: int
    mean: float
    sd: float | None
    interval: tuple[float, float] | None
    """95 % Student t interval of the mean; None for a single value, and for equal ones, whose spread is unknown."""


def summarise(values: Sequence[float]) -> Summary:
    """Mean, standard deviation (n - 1) and 95 % t interval; ``ValueError`` for no values."""
    if len(values) == 0:
        raise ValueError("a summary needs at least one value")
    if len(values) == 1 and math.isfinite(values[0]):
        return Summary(1, float(values[0]), None, None)
    array = np.sort(np.asarray(values, dtype=np.float64))
    same = all_equal(array)
    mean = float(array[0]) if same else float(array.mean())
    if same:
        return Summary(len(array), mean, None if len(array) == 1 else 0.0, None)
    sd = float(array.std(ddof=1))
    half = quantile(len(array) - 1) * sd / float(np.sqrt(len(array)))
    return Summary(len(array), mean, sd, (mean - half, mean + half))


def all_equal(values: npt.NDArray[np.float64]) -> bool:
    """Whether values (n,), at least one, are equal up to rounding."""
    return bool(np.ptp(values) <= ROUNDING * max(1.0, float(np.abs(values).max())))


def quantile(freedom: float) -> float:
    """Student's t with 2.5 % above it."""
    return float(special.stdtrit(freedom, 0.5 + LEVEL / 2))


def bootstrap_interval(correct: npt.ArrayLike, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95 % percentile interval of a mean over clips (R,), by resampling clips with a fixed seed.

    Raises ``ValueError`` for no clips.
    """
    values = np.asarray(correct, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError("a bootstrap needs one value per clip and at least one clip")
    generator = np.random.default_rng(seed)
    block = max(1, BLOCK_VALUES // len(values))
    means = [
        values[generator.integers(0, len(values), (min(block, draws - done), len(values)))].mean(1)
        for done in range(0, draws, block)
    ]
    return percentiles(np.concatenate(means))


def percentiles(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of resampled values."""
    low, high = np.percentile(values, [50 - 50 * LEVEL, 50 + 50 * LEVEL])
    return float(low), float(high)
