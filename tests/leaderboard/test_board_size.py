"""The HTML board of 20,000 records, in both shapes that `scripts/pages/board_size.py` measures."""

from __future__ import annotations

import random
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
from board_page import unpacked

from sslskel.leaderboard import render
from sslskel.leaderboard.confusion import LEAST_COUNTS
from sslskel.leaderboard.model import Board, Confusion, Curve

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "pages" / "board_size.py"))
SHAPES = SCRIPT["SHAPES"]


def with_everything(board: Board) -> Board:
    """As full as a board of that size gets: a long curve of every pretraining, and all confusions it has room for."""
    draw = random.Random(0)
    named = {(one.method["name"], one.benchmark["name"], one.pretrain_identity): one.seed for one in board.records}
    points = [tuple((float(epoch), round(draw.random(), 5)) for epoch in range(100)) for _ in range(50)]
    curves = tuple(
        Curve(f"{method}, {benchmark}, {identity[:4]}, seed {seed}", points[at % 50])
        for at, ((method, benchmark, identity), seed) in enumerate(sorted(named.items()))
    )
    counts = tuple(tuple(draw.randrange(1, 99) for _ in range(100)) for _ in range(100))
    confusions = (Confusion(0, 0, tuple(f"class {at}" for at in range(100)), counts),) * (LEAST_COUNTS // 10_000)
    return replace(board, curves=curves, confusions=confusions)


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_twenty_thousand_records_stay_under_five_megabytes(shape: tuple[int, int, int, int]) -> None:
    board = with_everything(SCRIPT["board_like"](shape))
    assert len(board.records) == 20_000
    page = render(board, "html")
    assert len(page.encode()) < 5_000_000
    content = unpacked(page)
    assert len(content["runs"]) == 20_000
    assert len(content["curves"]) == len(board.curves)
    assert content["curves"][0]["points"][-1] == list(board.curves[0].points[-1]), "the last loss is never left out"
    assert sum(len(line["runs"]) for line in content["lines"]) == 20_000
