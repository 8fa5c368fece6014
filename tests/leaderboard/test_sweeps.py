"""Scores of option values that a sweep ran on test clips are marked, whatever else the board shows."""

from __future__ import annotations

import pytest
from board_records import bold_rows, three

from sslskel.leaderboard import build_board, render
from sslskel.leaderboard.formats import RENDERERS
from sslskel.leaderboard.sweeps import swept_values

SWEEP = "sslskel sweep --method mamp --benchmark utd_mhad --seeds 3 method.mask_ratio=0.5,0.7,0.9 train.epochs=5"


@pytest.mark.parametrize(
    ("command", "values"),
    [
        (SWEEP, 3),
        (f"{SWEEP} 'train.lr=choice(1e-3,1e-4)'", 6),
        ("sslskel sweep --method mamp 'method.tau=range(0.2,1.0,0.2)' --jobs 2", 4),
        ("sslskel sweep --method mamp train.lr=1e-3", 1),
        ("sslskel sweep --method mamp --launcher slurm 'launcher.hours=1,2'", 1),
        (f"{SWEEP} --trials 20", 1),
        (f"{SWEEP} --trials=20", 1),
        (SWEEP.replace("sweep", "bench"), 1),
        ("sslskel bench --method sweep train.lr=1e-3,1e-4", 1),
        ("sslskel sweep 'train.lr=interval(1e-4,1e-2)'", 1),
        ("sslskel sweep 'unfinished", 1),
        ("sweep", 1),
        ("", 1),
    ],
)
def test_a_command_says_how_many_values_it_ran(command: str, values: int) -> None:
    assert swept_values(command) == values


@pytest.mark.parametrize("shown", [1, 3])
def test_a_swept_row_is_marked_and_ranks_nothing(shown: int) -> None:
    """Also where it is the only one shown of several."""
    values = [three("mamp", 0.9, 0.91, 0.92, command=SWEEP, config__method__mask_ratio=at / 10) for at in (9, 7, 5)]
    others = [*three("skeletonmae", 0.60, 0.61, 0.62), *three("random_init", 0.3, 0.31, 0.32, seen=[])]
    board = build_board([*(record for value in values[:shown] for record in value), *others])
    swept = [row for row in board.rows if row.key.method == "mamp"]
    assert len(swept) == shown
    assert all(row.cells[0] is not None and row.cells[0].swept and not row.cells[0].bold for row in swept)
    assert bold_rows(board) == ["skeletonmae"]
    assert not any("mamp" in finding for finding in board.findings)
    [warning] = [warning for warning in board.warnings if "swept" in warning]
    assert "marked §: mamp" in warning
    assert "choose on --split xsub-validation, or with --trials" in warning
    marks = {"latex": r"{\S}", "json": '"swept": true'}
    for form in RENDERERS:
        assert marks.get(form, "§") in render(board, form), form


def test_values_compared_on_held_out_subjects_and_plain_runs_bear_no_mark() -> None:
    plain = [*three("mamp", 0.9, 0.91, 0.92), *three("random_init", 0.3, 0.31, 0.32, seen=[])]
    held_out = three("mamp", 0.9, 0.91, 0.92, command=SWEEP, benchmark__split="xsub-validation")
    for board in (build_board(plain), build_board(held_out)):
        assert not any(cell.swept for row in board.rows for cell in row.cells if cell is not None)
        assert not any("swept" in warning for warning in board.warnings)
        assert "§" not in render(board, "markdown")
