"""The HTML board of 20,000 records, in both shapes that `scripts/pages/board_size.py` measures."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from board_page import unpacked

from sslskel.leaderboard import render

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "pages" / "board_size.py"))
SHAPES = SCRIPT["SHAPES"]


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_twenty_thousand_records_stay_under_five_megabytes(shape: tuple[int, int, int, int]) -> None:
    board = SCRIPT["board_like"](shape)
    assert len(board.records) == 20_000
    page = render(board, "html")
    assert len(page.encode()) < 5_000_000
    content = unpacked(page)
    assert len(content["runs"]) == 20_000
    assert sum(len(line["runs"]) for line in content["lines"]) == 20_000
