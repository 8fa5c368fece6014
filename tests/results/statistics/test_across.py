"""Over benchmarks: interquartile mean, probability of improvement, ranks, as the papers define them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sslskel.results.statistics import (
    across_benchmarks,
    critical_difference,
    improvement,
    interquartile_mean,
    mean_ranks,
)


@pytest.mark.parametrize("shape", [(3, 5), (5, 6), (1, 5), (4, 8)])
def test_the_interquartile_mean_is_a_trimmed_mean_over_all_scores(shape: tuple[int, int]) -> None:
    scores = np.random.default_rng(0).random(shape)
    assert interquartile_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=None))


def test_the_probability_of_improvement_is_that_of_mann_whitney() -> None:
    random = np.random.default_rng(1)
    one, other = random.integers(0, 6, (3, 5)) / 10, random.integers(0, 6, (4, 5)) / 10
    expected = np.mean(
        [
            stats.mannwhitneyu(one[:, task], other[:, task], alternative="greater").statistic / (3 * 4)
            for task in range(5)
        ]
    )
    assert improvement(one, other) == pytest.approx(expected)
    assert improvement(one, one) == pytest.approx(0.5)


def test_ranks_by_hand() -> None:
    """Second on the first benchmark, shared first on the second."""
    assert mean_ranks([[0.7, 0.5], [0.8, 0.5], [0.1, 0.2]]).tolist() == [1.75, 1.25, 3.0]


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_the_table(methods: int, q: float) -> None:
    """Table 5 (a) of Demšar 2006."""
    assert critical_difference(methods, 14) == pytest.approx(q * np.sqrt(methods * (methods + 1) / (6 * 14)), abs=1e-3)


def test_the_bootstrap_is_seeded_and_stratified() -> None:
    """Benchmarks that lie far apart do not widen an interval: pretrainings are drawn within each."""
    near = np.random.default_rng(2).normal(0.5, 0.01, (5, 8))
    far = near + np.linspace(-0.4, 0.4, 8)
    one, other = across_benchmarks([near, far])
    assert across_benchmarks([near, far]) == (one, other)
    assert one.interval is not None
    assert other.interval is not None
    assert one.interval[0] < one.iqm < one.interval[1]
    assert np.ptp(other.interval) < 0.03
    assert one.improvements[0] == 0.5
    assert one.rank + other.rank == 3


def test_single_pretrainings_have_no_interval_and_other_benchmarks_are_refused() -> None:
    assert across_benchmarks([np.full((1, 5), 0.5)])[0].interval is None
    with pytest.raises(ValueError, match="same benchmarks"):
        across_benchmarks([np.zeros((2, 5)), np.zeros((2, 4))])
    with pytest.raises(ValueError, match="same benchmarks"):
        across_benchmarks([])
