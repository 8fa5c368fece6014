"""A method is one row on a board of several benchmarks, whatever these ask for themselves."""

from __future__ import annotations

from typing import Any

from board_records import STORED, made

from sslskel.leaderboard.build import build_board
from sslskel.results.record import Record


def on(benchmark: str, centre: str, method: str = "mamp", **changes: Any) -> Record:
    seen = [STORED["seen"][0] | {"dataset": benchmark, "split": "xsub", "fingerprint": benchmark}]
    where = {"benchmark__name": benchmark, "benchmark__split": "xsub", "benchmark__fingerprint": benchmark}
    return made(method, seen=seen, config__clip__centre=centre, **where, **changes)


def test_what_benchmarks_ask_for_makes_no_row() -> None:
    """The recipe of utd_mhad says clip.centre=first, that of synthetic leaves it stored."""
    board = build_board([on("synthetic", "stored"), on("utd_mhad", "first")])
    [row] = board.rows
    assert row.label == "mamp"
    assert None not in row.cells
    assert row.means == (0.5,)


def test_what_a_user_chose_does() -> None:
    board = build_board([on("synthetic", "stored"), on("utd_mhad", "first"), on("utd_mhad", "sized")])
    assert {row.label for row in board.rows} == {"mamp", "mamp (centre=sized)"}


def test_a_board_of_one_benchmark_shows_its_options() -> None:
    board = build_board([on("utd_mhad", "first")])
    assert '"centre":"first"' in board.rows[0].key.config


def test_an_unknown_benchmark_asks_for_nothing() -> None:
    board = build_board([on("synthetic", "stored"), on("nobody_s", "stored"), on("nobody_s", "first")])
    assert {len(row.cells) for row in board.rows} == {2}
    assert len(board.rows) == 2


def released(benchmark: str, depth: int, tau: float, **changes: Any) -> Record:
    options = {"config__method__decoder_depth": depth, "config__method__tau": tau}
    return on(benchmark, "stored", preset="released", **options, **changes)


def test_what_a_preset_has_for_a_dataset_makes_no_row() -> None:
    """MAMP has three decoder blocks on NTU RGB+D 60 and five on 120, as its scripts have it."""
    board = build_board([released("ntu60", 3, 0.8), released("ntu120", 5, 0.75), released("pku_mmd1", 5, 0.8)])
    [row] = board.rows
    assert row.label == "mamp"
    assert None not in row.cells


def test_what_a_user_chose_beside_a_preset_does() -> None:
    board = build_board([released("ntu60", 3, 0.8), released("ntu120", 5, 0.75), released("ntu120", 3, 0.75)])
    assert {row.label for row in board.rows} == {"mamp", "mamp (decoder_depth=3)"}


def test_other_presets_and_methods_are_told_apart_as_before() -> None:
    cpu = [on(name, "stored", config__method__decoder_depth=depth) for name, depth in (("ntu60", 3), ("ntu120", 5))]
    assert len(build_board(cpu).rows) == 2
    unknown = [released(name, depth, 0.8, method="mine") for name, depth in (("ntu60", 3), ("ntu120", 5))]
    assert len(build_board(unknown).rows) == 2
