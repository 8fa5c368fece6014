"""What several devices gain, by timings of steps of fewer clips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sslskel.speed.occupancy import advice, gain, seconds_of

FIXED = [(3, 9.0), (3, 1.003), (6, 1.006), (128, 1.128)]
SHARED = [(3, 0.03), (128, 1.28)]


def test_seconds_lie_between_those_that_were_timed() -> None:
    assert seconds_of(FIXED, 16) == pytest.approx(1.016)
    assert seconds_of(FIXED, 1) == pytest.approx(1.003)
    assert seconds_of(SHARED, 256) == pytest.approx(2.56)


def test_a_fixed_cost_is_not_shared() -> None:
    assert gain(FIXED, 128, 8) == pytest.approx(1.128 / 1.016)
    assert gain(SHARED, 128, 8) == pytest.approx(8)


def test_the_sentence_says_what_to_do_where_most_is_lost() -> None:
    said = advice(FIXED, 128, 8)
    assert "128 clips a step on 8 processes are 16 for each: computed, a step is 1.1 times faster" in said
    assert "86% of the devices' time is lost" in said
    assert "--jobs 8" in said
    assert "train.batch_size=1024" in said
    assert advice(SHARED, 128, 8).endswith("8.0 times faster than on one device, exchange of gradients left out.")
    assert not advice(FIXED, 128, 1)


def test_a_dry_run_says_it(sslskel: Callable[..., Any]) -> None:
    words = ("bench", "--method", "mamp,raw_features", "--benchmark", "tiny", "--protocol", "knn", "--dry-run")
    small = ("--preset", "quick", "backbone.dim=8", "backbone.depth=1", "train.batch_size=16")
    [said] = [line for line in sslskel(*words, *small, "--processes", "4").stdout.splitlines() if "processes" in line]
    assert said.startswith("mamp: 16 clips a step on 4 processes are 4 for each: computed, a step is ")
    assert "processes" not in sslskel(*words, *small).stdout
