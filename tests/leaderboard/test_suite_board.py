"""A suite's board holds what keeps the suite's rules, and ranks, averages and subtracts as it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from board_records import STORED, made

from sslskel.config.suites import Suite
from sslskel.leaderboard.suite import ColumnRule, SuiteRules, Training, suite_board
from sslskel.leaderboard.wording import title
from sslskel.results.record import Record

PLACES = ("a/xsub", "b/xsub", "b/xview")
SUITE = Suite(
    name="three",
    title="Three places",
    version=2,
    preset="cpu",
    seeds=2,
    protocols=("linear",),
    floors=("raw",),
    untrained=("train.lr=0",),
    tasks={"subjects": ("a/xsub", "b/xsub"), "views": ("b/xview",)},
    ranking=("a/xsub", "b/xview"),
)
OPTIONS = made().config["protocol"]
RULES = SuiteRules(
    SUITE,
    {(place, "linear"): ColumnRule(1, 1, OPTIONS) for place in PLACES},
    lambda record: {0.0: Training.none, 9.0: Training.other}.get(record.config["train"].get("lr"), Training.own),
)


def scored(method: str, *scores: float, places: tuple[str, ...] = PLACES, **changes: Any) -> list[Record]:
    """One record per place and seed, the seed's score a hundredth higher."""
    records = []
    for place, score in zip(places, scores, strict=True):
        name, _, split = place.partition("/")
        where = {"benchmark__name": name, "benchmark__split": split, "benchmark__version": 1, "protocol__version": 1}
        seen = [STORED["seen"][0] | {"dataset": name, "split": split, "fingerprint": name}]
        where |= {"benchmark__fingerprint": name, "seen": seen}
        records += [made(method, score + seed / 100, seed, preset="cpu", **where, **changes) for seed in range(2)]
    return records


LEARNT = [*scored("best", 0.5, 0.6, 0.7), *scored("next", 0.6, 0.5, 0.6)]
STILL = [*scored("best", 0.2, 0.3, 0.6, config__train__lr=0.0)]


def test_rows_are_ranked_by_mean_rank_over_what_the_suite_ranks() -> None:
    third = scored("third", 0.1, 0.9, 0.1)
    board = suite_board(RULES, [*LEARNT, *third])
    # By a/xsub and b/xview: ranks (2, 1), (1, 2) and (3, 3).
    assert [(row.label, row.rank) for row in board.rows] == [("best", 1), ("next", 1), ("third", 3)]
    assert title(board) == "Leaderboard: Three places (three, version 2)"
    assert [column.benchmark + column.split for column in board.columns] == ["axsub", "bxsub", "bxview"]


def test_means_are_over_ranked_benchmarks_and_over_each_task() -> None:
    board = suite_board(RULES, [*LEARNT, *STILL])
    assert [mean.title for mean in board.means] == ["linear mean", "linear subjects", "linear gain over no learning"]
    best, other = board.rows
    assert best.means[:2] == pytest.approx((0.605, 0.555))
    # (0.5 - 0.2 + 0.7 - 0.6) / 2, whichever the seed.
    assert best.means[2] == pytest.approx(0.2)
    assert other.means[2] is None, "without its untrained network there is no gain"
    assert "linear mean without learning (train.lr=0), %: best 40.5" in board.notes


def test_rows_are_compared_with_their_own_networks_without_learning() -> None:
    """These are no rows, and lead nothing, but their claims are corrected with the others."""
    still = [
        *scored("best", 0.2, 0.3, 0.6, config__train__lr=0.0),
        *scored("next", 0.9, 0.5, 0.6, config__train__lr=0.0),
    ]
    board = suite_board(RULES, [*LEARNT, *still])
    assert [row.label for row in board.rows] == ["best", "next"]
    of_first = [text.partition(": ")[2] for text in board.findings if text.startswith(board.columns[0].title)]
    assert of_first[0].startswith("next has the highest mean, 60.5 %")
    assert of_first[1].startswith("against its own network without learning, in points: better: best (+30.0, p = ")
    assert "; worse: next (-30.0, p = " in of_first[1]
    of_second = [text.partition(": ")[2] for text in board.findings if text.startswith(board.columns[1].title)]
    assert "not shown to differ: next (+0.0, p = 1.000)" in of_second[1]


def test_a_supervised_reference_is_a_note_and_takes_no_rank() -> None:
    suite = replace(SUITE, references={"all_labels": "new"})
    rule = ColumnRule(1, 1, OPTIONS)
    rules = replace(RULES, suite=suite, columns={**RULES.columns, **{(place, "all_labels"): rule for place in PLACES}})
    labelled = scored("new", 0.8, 0.7, 0.9, protocol__name="all_labels")
    others = scored("best", 0.99, 0.99, 0.99, protocol__name="all_labels")
    plain, board = suite_board(rules, LEARNT), suite_board(rules, [*LEARNT, *labelled, *others])
    assert [(row.label, row.rank, row.means) for row in board.rows] == [
        (row.label, row.rank, row.means) for row in plain.rows
    ]
    said = "new by all_labels, %: a/xsub 80.5, b/xsub 70.5, b/xview 90.5, mean 85.5"
    assert f"supervised reference, not ranked: {said}" in board.notes
    assert "6 records left out: of other methods than a reference's" in board.warnings
    [half] = [note for note in suite_board(rules, labelled[:2] + LEARNT).notes if "supervised" in note]
    assert half.endswith("%: a/xsub 80.5"), "no mean where a benchmark is missing"


def test_what_breaks_a_rule_is_left_out_and_counted() -> None:
    strangers = [
        *scored("best", 0.9, places=("c/xsub",)),
        *scored("best", 0.9, places=("a/xsub",), config__train__lr=9.0),
        *scored("best", 0.9, places=("a/xsub",), config__protocol__batch_size=7),
    ]
    strangers += [
        made("best", 0.9, 5, benchmark__name="a", benchmark__split="xsub", preset="released"),
        made("best", 0.9, 6, benchmark__name="a", benchmark__split="xsub", preset="cpu", benchmark__version=7),
    ]
    board = suite_board(RULES, [*LEARNT, *strangers])
    assert [row.means[0] for row in board.rows] == [0.605, 0.605]
    left_out = [warning for warning in board.warnings if "left out" in warning]
    assert left_out == [
        "2 records left out: of other benchmarks or protocols",
        "1 record left out: of other presets than cpu",
        "1 record left out: of other versions of a benchmark or protocol than are installed",
        "2 records left out: with other options of a protocol",
        "2 records left out: with other options of clips or training than the suite's",
    ]


def test_a_row_that_lacks_a_number_or_a_pretraining_says_so() -> None:
    short = [record for record in scored("short", 0.99, 0.99, places=PLACES[:2]) if record.seed == 0]
    board = suite_board(RULES, [*LEARNT, *short])
    assert [(row.label, row.rank) for row in board.rows][-1] == ("short", None)
    assert "fewer than the suite's 2 pretrainings: short (1)" in board.warnings


def test_a_part_of_a_suite_ranks_nobody() -> None:
    """Means of a task are there; they are not what the suite ranks by."""
    part = [record for record in LEARNT if record.benchmark["split"] == "xsub"]
    board = suite_board(RULES, part)
    assert [mean.title for mean in board.means] == ["linear subjects"]
    assert [row.rank for row in board.rows] == [None, None]


def test_no_records_make_an_empty_board() -> None:
    board = suite_board(RULES, [])
    assert (board.rows, board.means) == ((), ())


def test_whose_training_nobody_compared_is_said_without_details() -> None:
    rules = SuiteRules(SUITE, RULES.columns, lambda record: Training.unknown)
    [said] = [one for one in suite_board(rules, LEARNT).warnings if "not compared" in one]
    assert said.endswith(": best, next")
