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
