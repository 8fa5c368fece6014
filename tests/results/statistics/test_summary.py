"""Means and intervals agree with SciPy's, and edge cases have an answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sslskel.results.statistics import Summary, bootstrap_interval, summarise


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_summary_agrees_with_scipy(n: int) -> None:
    values = np.random.default_rng(n).uniform(0.3, 0.9, n)
    summary = summarise(list(values))
    assert summary.n == n
    assert summary.mean == pytest.approx(values.mean(), abs=1e-15)
    assert summary.sd == pytest.approx(values.std(ddof=1), abs=1e-15)
    expected = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert summary.interval == pytest.approx(expected, abs=1e-12)


def test_a_known_interval() -> None:
    # t(0.975, 2) = 4.302653; mean 2, sd 1, n 3
    summary = summarise([0.1, 0.2, 0.3])
    assert summary.interval == pytest.approx((0.2 - 4.302652729696 * 0.1 / 3**0.5, 0.2 + 4.302652729696 * 0.1 / 3**0.5))


def test_one_seed_has_no_spread() -> None:
    assert summarise([0.7]) == Summary(1, 0.7, None, None)


def test_equal_values_have_no_spread_and_so_no_interval() -> None:
    """An interval of no width would be the surest of all, from values that say nothing of their spread."""
    assert summarise([0.1, 0.1, 0.1]) == Summary(3, 0.1, 0.0, None)


def test_the_order_of_values_does_not_matter() -> None:
    values = list(np.random.default_rng(0).uniform(size=7))
    assert summarise(values) == summarise(values[::-1])


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        summarise([])


def test_bootstrap_is_seeded_and_close_to_the_binomial_interval() -> None:
    correct = np.arange(400) < 260
    interval = bootstrap_interval(correct)
    assert interval == bootstrap_interval(correct)
    assert interval != bootstrap_interval(correct, seed=1)
    half = 1.96 * (0.65 * 0.35 / 400) ** 0.5
    assert interval == pytest.approx((0.65 - half, 0.65 + half), abs=0.006)


def test_bootstrap_in_blocks_covers_every_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    correct = np.random.default_rng(0).uniform(size=100)
    whole = bootstrap_interval(correct, draws=1003)
    monkeypatch.setattr("sslskel.results.statistics.summary.BLOCK_VALUES", 700)
    assert bootstrap_interval(correct, draws=1003) == pytest.approx(whole, abs=1e-15)


def test_bootstrap_of_constant_and_of_no_clips() -> None:
    assert bootstrap_interval(np.ones(50)) == (1.0, 1.0)
    with pytest.raises(ValueError, match="at least one clip"):
        bootstrap_interval([])
