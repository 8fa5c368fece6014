"""Means over columns of one kind, and rows over benchmarks: nothing is filled in, ranks are those of the papers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from board_records import made, three

from sslskel.leaderboard import render
from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.model import Board
from sslskel.results.record import Record
from sslskel.results.statistics import critical_difference, improvement, interquartile_mean

NAMES = ("a", "b", "c", "d", "e")


def scores(method: str, level: float, count: int = 3) -> np.ndarray:
    """(pretrainings, benchmarks) shares."""
    random = np.random.default_rng(sum(method.encode()))
    return level + np.linspace(0, 0.2, len(NAMES)) + random.normal(0, 0.005, (count, len(NAMES)))


def records(method: str, level: float, names: tuple[str, ...] = NAMES, count: int = 3) -> list[Record]:
    table = scores(method, level, count)
    return [
        made(method, float(table[seed, at]), seed, benchmark__name=name)
        for at, name in enumerate(names)
        for seed in range(count)
    ]


def board_of_three() -> Board:
    return build_board([*records("best", 0.6), *records("middle", 0.5), *records("last", 0.3)])


def test_five_benchmarks_are_summed_up() -> None:
    [table] = board_of_three().across
    assert table.benchmarks == NAMES
    assert [row.label for row in table.rows] == ["best", "middle", "last"]
    assert [row.rank for row in table.rows] == [1.0, 2.0, 3.0]
    for row, (name, level) in zip(table.rows, (("best", 0.6), ("middle", 0.5), ("last", 0.3)), strict=True):
        assert row.iqm == pytest.approx(interquartile_mean(scores(name, level)))
        assert row.interval is not None
        assert row.interval[0] < row.iqm < row.interval[1]
    assert table.rows[0].improvements == pytest.approx(
        [0.5, *(improvement(scores("best", 0.6), scores(*other)) for other in (("middle", 0.5), ("last", 0.3)))]
    )
    assert table.critical_difference == pytest.approx(critical_difference(3, 5))


def test_sentences_and_json_say_so() -> None:
    board = board_of_three()
    said = " ".join(board.findings)
    assert "mean over 5 benchmarks: interquartile mean, %" in said
    assert "mean rank: best 1.00, middle 2.00, last 3.00; critical difference 1.48 (Nemenyi, 5 %)" in said
    assert "best is not shown to differ from middle" in said
    assert "probability that a pretraining of best is above one of: middle 1.00, last 1.00" in said
    [table] = json.loads(render(board, "json"))["across"]
    assert [row["rank"] for row in table["rows"]] == [1.0, 2.0, 3.0]


def test_four_benchmarks_are_too_few() -> None:
    board = build_board([*records("best", 0.6, NAMES[:4]), *records("last", 0.3, NAMES[:4])])
    assert board.across == ()
    assert len(board.means) == 1


def test_a_missing_benchmark_or_other_numbers_of_pretrainings_leave_a_row_out() -> None:
    """Nothing is filled in, and no pretraining is left out to make numbers equal."""
    short = [record for record in records("short", 0.6) if record.benchmark["name"] != "c"]
    uneven = [record for record in records("uneven", 0.6) if (record.benchmark["name"], record.seed) != ("c", 2)]
    board = build_board([*records("best", 0.6), *records("last", 0.3), *short, *uneven])
    [table] = board.across
    assert {row.label for row in table.rows} == {"best", "last"}
    assert set(table.left_out) == {"short", "uneven"}
    assert any("left out" in finding and "short" in finding for finding in board.findings)
    assert {row.label: row.means[0] is None for row in board.rows}["short"]


def test_one_pretraining_each_has_no_interval() -> None:
    [table] = build_board([*records("best", 0.6, count=1), *records("last", 0.3, count=1)]).across
    assert [row.interval for row in table.rows] == [None, None]


def test_a_missing_cell_means_no_mean() -> None:
    other = {"benchmark__name": "hdm05"}
    board = build_board([*three("mamp", 0.5), *three("mamp", 0.3, **other), *three("skeletonmae", 0.6)])
    assert [mean.title for mean in board.means] == ["mean"]
    means = {row.label: row.means for row in board.rows}
    assert means == {"mamp": (pytest.approx(0.4),), "skeletonmae": (None,)}


@pytest.mark.parametrize(
    "other",
    [
        {"primary": "map", "scores": {"map": 0.9}},
        {"protocol": "knn"},
        {"protocol__version": 2},
        {"benchmark__name": "utd_mhad", "protocol__recipe": "another"},
    ],
    ids=["score", "protocol", "version", "recipe on the same data"],
)
def test_scores_of_different_kinds_have_no_mean(other: dict[str, Any]) -> None:
    board = build_board([*three("mamp", 0.5), *three("mamp", 0.9, **{"benchmark__name": "hdm05", **other})])
    assert len(board.columns) == 2
    assert board.means == ()
    assert board.rows[0].means == ()


def test_every_kind_of_score_has_a_mean_of_its_own() -> None:
    board = build_board(
        [
            made("mamp", score, protocol=protocol, benchmark__name=name)
            for protocol, score in (("linear", 0.4), ("knn", 0.2))
            for name, score in (("a", score), ("b", score + 0.1))
        ]
    )
    assert {mean.title: value for mean, value in zip(board.means, board.rows[0].means, strict=True)} == {
        "mean linear top1": pytest.approx(0.45),
        "mean knn top1": pytest.approx(0.25),
    }
