"""Tests between rows of a column: Welch as SciPy has it, Holm by hand, and one family for all that a board claims."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sslskel.results.statistics import column_tests, holm, welch

FLOOR, LOW, HIGH = [0.50, 0.52, 0.51], [0.53, 0.56, 0.50], [0.70, 0.72, 0.73]


@pytest.mark.parametrize("seed", range(5))
def test_welch_is_two_sided_and_agrees_with_scipy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    a, b = generator.normal(0.6, 0.02, 3), generator.normal(0.58, 0.05, 5)
    expected = float(stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert welch(list(a), list(b)) == pytest.approx(expected, abs=1e-12)
    assert welch(list(b), list(a)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.filterwarnings("ignore:Precision loss")
def test_welch_where_one_side_or_both_do_not_vary() -> None:
    assert welch([0.6], [0.5, 0.4]) is None
    assert welch([0.6, 0.6], [0.5, 0.5]) is None
    assert welch([0.5, 0.5], [0.5, 0.5]) is None
    expected = stats.ttest_ind([0.7, 0.8, 0.75], [0.5, 0.5, 0.5], equal_var=False).pvalue
    assert welch([0.7, 0.8, 0.75], [0.5, 0.5, 0.5]) == pytest.approx(float(expected), abs=1e-12)


def test_holm_by_hand() -> None:
    """Sorted .01 .02 .03 .04 become 4 x .01, 3 x .02, 2 x .03 and the one before, which is higher than .04."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_weighted_holm_by_hand() -> None:
    """p / w: .02, .04, .015. The last is first, with all weights left: .015 x 4; then .02 x 2, which is below it."""
    assert holm([0.02, 0.04, 0.03], [1, 1, 2]) == pytest.approx([0.06, 0.06, 0.06])
    assert holm([0.001, 0.04, 0.03], [1, 1, 2]) == pytest.approx([0.004, 0.045, 0.045])


def test_all_claims_of_a_column_are_corrected_together() -> None:
    found = column_tests([HIGH, FLOOR, LOW], [(0, 1), (2, 1)], [True] * 3)
    raw = [stats.ttest_ind(one, FLOOR, equal_var=False).pvalue for one in (HIGH, LOW)]
    leads = max(raw[0], stats.ttest_ind(HIGH, LOW, equal_var=False).pvalue)
    expected = holm([*raw, leads], [1, 1, 2])
    assert found.leader == 0
    assert found.tested == 3
    assert [*found.pairs, found.above_all] == pytest.approx(expected)


def test_the_leader_is_above_all_only_where_it_is_above_each() -> None:
    """The test against the nearest row decides, however far the others are."""
    near = [0.69, 0.71, 0.70]
    found = column_tests([HIGH, near, FLOOR], [], [True] * 3)
    assert found.above_all == pytest.approx(stats.ttest_ind(HIGH, near, equal_var=False).pvalue)


@pytest.mark.parametrize(
    ("samples", "may_lead"),
    [
        ([HIGH, FLOOR], [False, True]),
        ([HIGH, [0.3]], [True, True]),
        ([HIGH, HIGH], [True, True]),
        ([[0.9, 0.9], [0.8, 0.8]], [True, True]),
        ([[0.9, 0.9 + 1e-16, 0.9], [0.8, 0.8, 0.8 + 2e-16]], [True, True]),
        ([HIGH], [True]),
        ([], []),
    ],
    ids=["may not", "a single value", "equal means", "no spread", "spread of rounding", "alone", "nobody"],
)
def test_where_nobody_can_be_called_above_all(samples: list[list[float]], may_lead: list[bool]) -> None:
    assert column_tests(samples, [], may_lead).above_all is None


def test_many_rows_like_the_floor_do_not_hide_the_leader() -> None:
    """The leader keeps half of the error, however many comparisons find nothing."""
    best, rest = [0.80, 0.81, 0.82], [[0.50 + at / 1e4, 0.52, 0.51] for at in range(20)]
    found = column_tests([*rest, best], [(at, 0) for at in range(1, 20)], [True] * 21)
    highest = max(float(stats.ttest_ind(best, other, equal_var=False).pvalue) for other in rest)
    assert found.above_all == pytest.approx(2 * highest)


def test_what_cannot_be_tested_weighs_nothing() -> None:
    found = column_tests([HIGH, FLOOR, [0.9]], [(0, 1), (2, 1)], [True, True, False])
    assert found.pairs == (pytest.approx(stats.ttest_ind(HIGH, FLOOR, equal_var=False).pvalue), None)
    assert found.tested == 1
