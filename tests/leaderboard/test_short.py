"""Boards are short unless more is asked for: scores in one table, and as many findings as fit into eight lines."""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import replace

import pytest
from board_records import mixed_records, three
from rich.console import Console

from sslskel.leaderboard import build_board, print_board, render
from sslskel.leaderboard.formats.short import LINES, key_findings
from sslskel.leaderboard.model import Board, Published
from sslskel.leaderboard.wording import short_titles

PROTOCOLS = ("linear", "knn", "finetune", "retrieval", "motion_prediction", "occlusion")
METHODS = {"mamp": 0.5, "a_method_of_a_longer_name": 0.46, "random_init": 0.35, "raw_features": 0.4}


def wide_board(seeds: int = 3, methods: int = len(METHODS)) -> Board:
    """Six protocols; the last two methods saw no data."""
    records = []
    for name, base in [*METHODS.items()][:methods]:
        seen = {"seen": []} if base < 0.45 else {}
        for protocol in PROTOCOLS:
            records += three(name, *(base + seed / 100 for seed in range(seeds)), protocol=protocol, **seen)
    return build_board(records)


def printed(board: Board, width: int = 80, **shown: bool) -> str:
    out = io.StringIO()
    print_board(board, Console(file=out, width=width, color_system=None, legacy_windows=False), **shown)
    return out.getvalue()


def test_six_protocols_are_one_table_of_eighty_columns() -> None:
    text = printed(wide_board())
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("#  method") == 1
    assert text.count("51.0") >= len(PROTOCOLS)
    assert text.count("± 1.0") == len(PROTOCOLS) * len(METHODS)
    assert "preset cpu, backbone transformer" in text


@pytest.mark.parametrize("methods", [2, 4])
def test_findings_take_at_most_eight_lines_and_the_others_are_counted(methods: int) -> None:
    board = wide_board(methods=methods)
    kept, more = key_findings(board)
    assert sum(len(textwrap.wrap(sentence, 80, break_on_hyphens=False)) for sentence in kept) <= LINES
    assert len(kept) + more == len(board.findings)
    text = " ".join(printed(board).split())
    assert all(sentence in text for sentence in kept)
    assert f"{more} more findings" in text
    assert kept[0].startswith(f"{short_titles(board.columns)[1][0]}: mamp has the highest mean")


def test_every_finding_stays_with_details() -> None:
    board = wide_board()
    text = " ".join(printed(board, details=True).split())
    assert all(sentence in text for sentence in (*board.findings, *board.notes))
    assert not any(note in " ".join(printed(board).split()) for note in board.notes)


def test_warnings_are_never_left_out() -> None:
    board = build_board(mixed_records())
    assert board.warnings
    for form in ("table", "markdown"):
        assert render(board, form).count("more seeds were run or asked for") == 2


@pytest.mark.parametrize(
    ("seeds", "says", "cell"),
    [
        (1, "of one pretraining each.", " 50.0"),
        (3, "mean ± standard deviation over 3 pretrainings.", "51.0 ± 1.0"),
    ],
)
def test_one_number_of_pretrainings_is_said_once(seeds: int, says: str, cell: str) -> None:
    text = printed(wide_board(seeds), width=140)
    assert says in " ".join(text.split())
    assert text.count(cell) >= len(PROTOCOLS)
    assert f"({seeds})" not in text


def test_numbers_of_pretrainings_that_differ_are_in_the_cells() -> None:
    text = render(build_board([*three("mamp", 0.5, 0.6), *three("skeletonmae", 0.4)]), "markdown")
    assert "| 55.0 ± 7.1 (2) |" in text
    assert "| 40.0 (1) |" in text
    assert "over pretrainings (how many)." in text


@pytest.mark.parametrize("form", ["table", "markdown", "latex"])
def test_intervals_stand_behind_scores_where_asked_for(form: str) -> None:
    board = build_board(three("mamp", 0.80, 0.81, 0.82))
    assert "78.5" not in render(board, form)
    assert re.search(r"81\.0 (±|\$\\pm\$) 1\.0 \S*\[", render(board, form, intervals=True))


def test_published_numbers_are_counted_and_shown_with_details() -> None:
    board = build_board(three("mamp", 0.8))
    published = (Published("MAMP", 2023, "transformer", "joint", "a paper", (0.893,)),)
    board = replace(board, published=published)
    assert "1 published number," in render(board, "table")
    assert "89.3" not in render(board, "table")
    assert "89.3" in render(board, "table", details=True)


def test_what_all_columns_share_is_said_once() -> None:
    board = build_board([*three("mamp", 0.5), *three("mamp", 0.5, protocol="knn")])
    assert short_titles(board.columns) == ("utd_mhad/xsub, top1", ("linear", "knn"))
    board = build_board([*three("mamp", 0.5), *three("mamp", 0.5, benchmark__split="xview")])
    assert short_titles(board.columns) == ("top1", ("utd_mhad/xsub linear", "utd_mhad/xview linear"))


def test_a_latex_table_is_a_papers() -> None:
    records = [*three("mamp", 0.5, 0.6, 0.7), *three("mamp", 0.4, 0.5, 0.6, protocol="knn")]
    text = render(build_board(records), "latex")
    assert r"\caption{utd\_mhad/xsub. Scores in \% on the test part: mean" in text
    assert r"\label{tab:utd-mhad-xsub}" in text
    assert r"\multicolumn" not in text
    assert "learning rate" not in text
    two = render(build_board([*records, *three("mamp", 0.3, 0.4, 0.5, benchmark__split="xview")]), "latex")
    assert r"\multicolumn{2}{c}{utd\_mhad/xsub} & \multicolumn{1}{c}{utd\_mhad/xview}" in two
    assert r"\cmidrule(lr){3-4} \cmidrule(lr){5-5}" in two
