"""Comparing two rows: what is different is said to be, what is noise is not, and nothing is paired that cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sslskel.cli import main
from sslskel.errors import UsageError
from sslskel.leaderboard.compare import Comparison, compare
from sslskel.leaderboard.folder import board_of
from sslskel.results.record import Record, parse_record
from sslskel.results.statistics import paired_interval
from sslskel.results.store import ResultStore

STORED = parse_record((Path(__file__).parents[1] / "results" / "record_v1.json").read_text(encoding="utf-8"))
CLIPS, CLASSES = 400, 5


def judged(folder: Path, method: str, seed: int, share: float, *, labels: bool = True, clips: int = CLIPS) -> Record:
    """A record whose predictions are right for about ``share`` of the clips, in a file order of its own."""
    random = np.random.default_rng([sum(method.encode()), seed])
    truth = np.arange(clips) % CLASSES
    right = random.random(clips) < share
    predicted = np.where(right, truth, (truth + 1) % CLASSES)
    order = random.permutation(clips)
    arrays = {"keys": order + 1000, "value_predicted": predicted[order]} | ({"label": truth[order]} if labels else {})
    identity = f"{sum(method.encode()):016x}{seed:016x}"
    record = replace(
        STORED,
        identity=identity,
        pretrain_identity=identity,
        method={**STORED.method, "name": method},
        seed=seed,
        scores={"top1": float(right.mean())},
        predictions=None,
    )
    return ResultStore(folder).write(record, arrays)


def compared(folder: Path, first: str, second: str) -> Comparison:
    [one] = compare(board_of(folder), ResultStore(folder), first, second)
    return one


def test_a_real_difference_is_said_to_be_one(tmp_path: Path) -> None:
    for seed in range(3):
        judged(tmp_path, "good", seed, 0.8)
        judged(tmp_path, "poor", seed, 0.6)
    one = compared(tmp_path, "poor", "good")
    assert one.sure
    assert one.difference < 0
    assert one.interval[0] < one.difference < one.interval[1]
    assert "good is better than poor by more than noise" in one.words()
    assert "400 clips and 3 seeds" in one.words()
    board = {row.label: row.cells[0].summary.mean for row in board_of(tmp_path).rows if row.cells[0]}
    assert one.scores == pytest.approx((board["poor"], board["good"]))


def test_noise_is_not_called_a_difference(tmp_path: Path) -> None:
    for seed in range(3):
        judged(tmp_path, "one", seed, 0.7)
        judged(tmp_path, "other", seed, 0.7)
    one = compared(tmp_path, "one", "other")
    assert not one.sure
    assert "one minus other may be noise" in one.words()


def test_one_seed_says_what_it_does_not_know(tmp_path: Path) -> None:
    judged(tmp_path, "good", 0, 0.9)
    judged(tmp_path, "poor", 0, 0.5)
    assert "how much another seed would change is not known" in compared(tmp_path, "good", "poor").words()


def test_only_seeds_that_both_have_are_paired(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        judged(tmp_path, "good", seed, 0.9)
    for seed in (1, 2, 3):
        judged(tmp_path, "poor", seed, 0.5)
    assert [discordance.seed for discordance in compared(tmp_path, "good", "poor").seeds] == [1, 2]


def test_mcnemar_is_the_exact_binomial_test(tmp_path: Path) -> None:
    judged(tmp_path, "good", 0, 0.75)
    judged(tmp_path, "poor", 0, 0.68)
    [seed] = compared(tmp_path, "good", "poor").seeds
    expected = stats.binomtest(seed.only_first, seed.only_first + seed.only_second, 0.5).pvalue
    assert seed.p == pytest.approx(expected)


def test_a_row_against_itself_is_no_difference(tmp_path: Path) -> None:
    judged(tmp_path, "good", 0, 0.9)
    one = compared(tmp_path, "good", "good")
    assert (one.difference, one.interval, one.seeds[0].p) == (0.0, (0.0, 0.0), 1.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(2, 60), st.integers(0, 2**31))
def test_the_interval_holds_the_mean_and_keeps_its_sign_when_swapped(seeds: int, clips: int, seed: int) -> None:
    gains = np.random.default_rng(seed).integers(-1, 2, (seeds, clips)).astype(float)
    low, high = paired_interval(gains)
    assert low - 1e-12 <= gains.mean() <= high + 1e-12
    assert paired_interval(-gains) == pytest.approx((-high, -low))


def test_the_interval_covers_as_it_says() -> None:
    """95 of 100, give or take: 200 trials of a known difference, clips alone."""
    random = np.random.default_rng(7)
    covered = 0
    for trial in range(200):
        gains = random.choice([-1.0, 0.0, 1.0], p=[0.2, 0.5, 0.3], size=(1, 200))
        low, high = paired_interval(gains, seed=trial, draws=500)
        covered += low <= 0.1 <= high
    assert 178 <= covered <= 199


@pytest.mark.parametrize(
    ("first", "message"),
    [("goood", "no row is called 'goood'; did you mean 'good'"), ("old", "keeps no predicted classes")],
)
def test_what_cannot_be_compared_is_one_sentence(tmp_path: Path, first: str, message: str) -> None:
    judged(tmp_path, "good", 0, 0.9)
    judged(tmp_path, "old", 0, 0.9, labels=False)
    with pytest.raises(UsageError, match=message):
        compared(tmp_path, first, "good")


def test_different_test_clips_are_never_paired(tmp_path: Path) -> None:
    judged(tmp_path, "good", 0, 0.9)
    judged(tmp_path, "short", 0, 0.9, clips=CLIPS - 1)
    with pytest.raises(UsageError, match="different test clips"):
        compared(tmp_path, "good", "short")


def test_no_seed_in_common(tmp_path: Path) -> None:
    judged(tmp_path, "good", 0, 0.9)
    judged(tmp_path, "poor", 1, 0.9)
    with pytest.raises(UsageError, match="no column with the same seed"):
        compared(tmp_path, "good", "poor")


def test_the_command_prints_words_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = judged(tmp_path, "good", 0, 0.9)
    judged(tmp_path, "poor", 0, 0.5)
    assert main(["compare", "good", "poor", "--results", str(tmp_path)]) == 0
    assert "good is better than poor by more than noise" in capsys.readouterr().out
    assert main(["compare", first.identity, "poor", "--results", str(tmp_path), "--format", "json"]) == 0
    [content] = json.loads(capsys.readouterr().out)
    assert content["sure"] is True
    assert main(["compare", "good", "nobody", "--results", str(tmp_path)]) == 2
