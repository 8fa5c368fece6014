"""Differences over pretrainings and clips: Student's t, variance components by hand, McNemar's binomial test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sslskel.results.statistics import Estimate, discordance, over_clips, over_pretrainings


def crossed(runs: int = 4, clips: int = 60, seed: int = 0) -> np.ndarray:
    """Values with an effect of the pretraining, one of the clip, and one of both."""
    random = np.random.default_rng(seed)
    return random.normal(0.1, 0.3, (runs, 1)) + random.normal(0, 1, clips) + random.normal(0, 0.5, (runs, clips))


def test_over_pretrainings_is_the_paired_t_test() -> None:
    first, second = np.array([0.61, 0.64, 0.60]), np.array([0.58, 0.60, 0.59])
    found = over_pretrainings(list(first - second))
    expected = stats.ttest_rel(first, second)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert found.interval == pytest.approx((interval.low, interval.high))


def test_one_pretraining_and_equal_differences_say_nothing_of_their_spread() -> None:
    assert over_pretrainings([0.1]) == Estimate(0.1, None, None)
    assert over_pretrainings([0.1, 0.1]) == Estimate(0.1, None, None)
    assert over_clips([[0.0, 1.0], [1.0, 0.0]]) == Estimate(0.5, None, None)


def test_differences_that_are_equal_up_to_rounding_are_equal() -> None:
    """Two more clips of twelve, twice: their 1e-17 of spread would be a p of 1e-16."""
    differences = [7 / 12 - 5 / 12, 11 / 12 - 9 / 12]
    assert differences[0] != differences[1]
    assert over_pretrainings(differences) == Estimate(pytest.approx(1 / 6), None, None)
    assert over_pretrainings([0.3 - 0.2 - 0.1, 0.7 - 0.6 - 0.1]).p is None


def test_the_variance_over_clips_too_is_that_of_crossed_effects() -> None:
    """(MS runs + MS clips - MS interaction) / (runs x clips), Satterthwaite's freedom: analysis of variance by hand."""
    values = crossed()
    runs, clips = values.shape
    mean = values.mean()
    squares = {
        "runs": (clips * ((values.mean(1) - mean) ** 2).sum(), runs - 1),
        "clips": (runs * ((values.mean(0) - mean) ** 2).sum(), clips - 1),
    }
    rest = ((values - mean) ** 2).sum() - squares["runs"][0] - squares["clips"][0]
    squares["rest"] = (rest, (runs - 1) * (clips - 1))
    parts = {name: (total / freedom / values.size, freedom) for name, (total, freedom) in squares.items()}
    variance = parts["runs"][0] + parts["clips"][0] - parts["rest"][0]
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts.values())
    alone = np.sqrt(parts["runs"][0]) * stats.t.ppf(0.975, runs - 1)
    half = max(alone, np.sqrt(variance) * stats.t.ppf(0.975, freedom))
    found = over_clips(values)
    assert found.mean == pytest.approx(mean)
    assert found.interval == pytest.approx((mean - half, mean + half))


def test_noise_of_clips_is_not_counted_twice() -> None:
    """Noise that a clip has anew in every pretraining is in the spread of pretrainings already."""
    random = np.random.default_rng(1)
    values = random.normal(0, 1, (3, 5000))
    here, anywhere = over_pretrainings(list(values.mean(1))), over_clips(values)
    assert here.interval is not None
    assert anywhere.interval is not None
    assert np.ptp(anywhere.interval) == pytest.approx(np.ptp(here.interval), rel=0.02)


@pytest.mark.parametrize("seed", range(20))
def test_other_clips_never_make_an_estimate_surer(seed: int) -> None:
    values = crossed(2, 50, seed)
    here, anywhere = over_pretrainings(list(values.mean(1))), over_clips(values)
    assert here.interval is not None
    assert anywhere.interval is not None
    assert here.p is not None
    assert anywhere.p is not None
    assert anywhere.interval[0] <= here.interval[0] + 1e-12
    assert anywhere.interval[1] >= here.interval[1] - 1e-12
    assert anywhere.p >= here.p - 1e-12
    flipped = over_clips(-values)
    assert flipped.p == pytest.approx(anywhere.p)
    assert flipped.interval == pytest.approx((-anywhere.interval[1], -anywhere.interval[0]))


def test_a_single_pretraining_varies_by_its_clips_alone() -> None:
    values = crossed(1)[0]
    expected = stats.ttest_1samp(values, 0)
    found = over_clips(values[None])
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert found.interval == pytest.approx((interval.low, interval.high))


def test_clusters_of_one_clip_are_clips_and_copies_of_a_clip_add_nothing() -> None:
    values = crossed()
    clips = values.shape[1]
    plain = over_clips(values)
    assert over_clips(values, np.random.default_rng(0).permutation(clips)) == plain
    copied = over_clips(np.repeat(values, 3, axis=1), np.repeat(np.arange(clips), 3))
    assert copied.interval == pytest.approx(plain.interval)
    assert copied.p == pytest.approx(plain.p)


def test_one_cluster_says_nothing_of_others() -> None:
    assert over_clips(crossed(), np.zeros(60)).interval is None
    with pytest.raises(ValueError, match="at least one"):
        over_clips([])


def test_mcnemar_is_the_exact_binomial_test() -> None:
    random = np.random.default_rng(3)
    first, second = random.random(400) < 0.75, random.random(400) < 0.68
    found = discordance(first, second)
    assert found.only_first == int((first & ~second).sum())
    expected = stats.binomtest(found.only_first, found.only_first + found.only_second, 0.5).pvalue
    assert found.p == pytest.approx(expected)
    assert discordance(first, first).p == 1.0
