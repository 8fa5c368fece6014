"""What a board is in a Python session: one line, a table in a notebook, a table of pandas."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from board_records import hostile_board, mixed_records, three

from sslskel.errors import UsageError
from sslskel.leaderboard import build_board
from sslskel.text import percent, plain

IN_NOTEBOOKS = "_repr_html_"
"""What IPython calls."""


def test_its_representation_is_one_line() -> None:
    board = build_board([*three("mamp", 0.5, 0.6), *three("random_init", 0.2, seen=[], protocol="knn")])
    assert repr(board) == "<Board of utd_mhad/xsub: 2 rows, 2 columns, 3 records; first: mamp>"
    assert repr(build_board([])) == "<Board of no records: 0 rows, 0 columns, 0 records>"
    assert len(repr(hostile_board()).splitlines()) == 1


def test_a_notebook_shows_every_score_as_text() -> None:
    board = hostile_board()
    page = getattr(board, IN_NOTEBOOKS)()
    tags = {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert set(re.findall(r"</?([a-z]+)", page)) == tags
    assert page.count("<tr>") == len(board.rows) + 1
    assert all(f"<td>{percent(cell.summary.mean)}" in page for row in board.rows for cell in row.cells if cell)


def test_a_table_of_pandas_has_a_line_for_each_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    board = build_board(mixed_records())
    lines: Any = board.to_pandas()
    cells = [cell for row in board.rows for cell in row.cells if cell]
    assert [line["mean"] for line in lines] == [cell.summary.mean for cell in cells]
    assert [line["n"] for line in lines] == [cell.summary.n for cell in cells]
    assert {plain(str(line["method"])) for line in lines} == {"mamp", "skeletonmae", "random_init"}
    assert {line["protocol"] for line in lines} == {"linear", "knn"}


def test_real_pandas_takes_it() -> None:
    pandas = pytest.importorskip("pandas")
    table = build_board(three("mamp", 0.5, 0.6)).to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert table.loc[0, "mean"] == pytest.approx(0.55)


def test_without_pandas_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pip install 'sslskel\[tables\]'"):
        build_board(three("mamp", 0.5)).to_pandas()
