"""Statistics over seeds and clips; shares in, shares out. Knows no record and no board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special  # the distributions of scipy.stats without its half second of imports

LEVEL = 0.95
BLOCK_VALUES = 5_000_000
"""How many resampled values are held at once."""


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
    if len(values) == 0:
        raise ValueError("a summary needs at least one value")
    array = np.sort(np.asarray(values, dtype=np.float64))
    # All equal is stated exactly: summing them would leave a rounding error as their spread.
    same = array[0] == array[-1]
    mean = float(array[0]) if same else float(array.mean())
    if len(array) == 1:
        return Summary(1, mean, None, None)
    sd = 0.0 if same else float(array.std(ddof=1))
    half = float(special.stdtrit(len(array) - 1, 0.5 + LEVEL / 2)) * sd / float(np.sqrt(len(array)))
    return Summary(len(array), mean, sd, (mean - half, mean + half))


def disjoint(a: Summary, b: Summary) -> bool:
    """True where both have an interval and the two do not touch."""
    if a.interval is None or b.interval is None:
        return False
    return a.interval[0] > b.interval[1] or b.interval[0] > a.interval[1]


def welch_better(a: Sequence[float], b: Sequence[float]) -> float | None:
    """One-sided p of Welch's t test that the mean of ``a`` is above that of ``b``.

    None where either has fewer than two values. Without any spread the test is the
    comparison itself: 0 where ``a`` is above, 0.5 where equal, 1 where below.
    """
    if len(a) < 2 or len(b) < 2:
        return None
    one, two = summarise(a), summarise(b)
    assert one.sd is not None
    assert two.sd is not None
    parts = one.sd**2 / one.n, two.sd**2 / two.n
    error = sum(parts)
    if error == 0:
        return float(0.5 - 0.5 * np.sign(one.mean - two.mean))
    freedom = error**2 / (parts[0] ** 2 / (one.n - 1) + parts[1] ** 2 / (two.n - 1))
    return float(special.stdtr(freedom, -(one.mean - two.mean) / np.sqrt(error)))


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
    low, high = np.percentile(np.concatenate(means), [50 - 50 * LEVEL, 50 + 50 * LEVEL])
    return float(low), float(high)


def paired_interval(gains: npt.ArrayLike, seed: int = 0, draws: int = 5000) -> tuple[float, float]:
    """95 % percentile interval of the mean of paired differences (seeds, clips), by a two-way bootstrap.

    Clips are resampled, the same in every seed, and seeds too where there are several: the
    interval holds for other test clips and other seeds. Raises ``ValueError`` for no values.
    """
    values = np.asarray(gains, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ValueError("a paired bootstrap needs one difference per seed and clip, and at least one")
    generator = np.random.default_rng(seed)
    rows, columns = values.shape
    block = max(1, BLOCK_VALUES // columns)
    means = []
    for done in range(0, draws, block):
        count = min(block, draws - done)
        chosen = generator.integers(0, columns, (count, columns))
        weights = np.stack([np.bincount(one, minlength=columns) for one in chosen]) / columns
        by_seed = weights @ values.T
        picked = generator.integers(0, rows, (count, rows))
        means.append(np.take_along_axis(by_seed, picked, 1).mean(1))
    low, high = np.percentile(np.concatenate(means), [50 - 50 * LEVEL, 50 + 50 * LEVEL])
    return float(low), float(high)
