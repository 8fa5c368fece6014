"""Published numbers stand below the measured ones in every format, with their sources, and change nothing of these."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from board_page import with_block_unpacked
from board_records import HOSTILE, mixed_records
from markdown_it import MarkdownIt

from sslskel.errors import DataError
from sslskel.leaderboard import build_board, render
from sslskel.leaderboard.formats import RENDERERS
from sslskel.leaderboard.model import Board
from sslskel.leaderboard.published import FIELDS, Printed, published_numbers, published_rows, read_published
from sslskel.plugins.registry import BENCHMARKS
from sslskel.text import percent


def printed(method: str, value: float, source: str = "a paper", **changes: Any) -> Printed:
    facts = {"split": "xsub", "protocol": "linear", "score": "top1"} | changes
    return Printed(method, 2023, "ST-GCN", "J", source, value=value, **facts)


def board_with(*numbers: Printed) -> Board:
    board = build_board(mixed_records())
    return replace(board, published=published_rows(board.columns, {"ntu60": numbers}))


def test_numbers_meet_their_column_and_no_other() -> None:
    board = board_with(
        printed("A", 0.8), printed("A", 0.9, protocol="finetune"), printed("A", 0.7, split="xview"), printed("B", 0.85)
    )
    places = [f"{column.benchmark} {column.protocol}" for column in board.columns]
    assert [(row.method, dict(zip(places, row.values, strict=True))["ntu60 linear"]) for row in board.published] == [
        ("B", 0.85),
        ("A", 0.8),
    ]
    assert sum(value is not None for row in board.published for value in row.values) == 2


def test_sources_that_disagree_both_stay() -> None:
    board = board_with(printed("A", 0.8), printed("A", 0.81, "another"), printed("A", 0.82, "another"))
    values = [(next(value for value in row.values if value is not None), row.source) for row in board.published]
    assert values == [(0.82, "another"), (0.81, "another"), (0.8, "a paper")]


def test_measured_rows_are_what_they_were() -> None:
    with_, without = board_with(printed("A", 0.999)), build_board(mixed_records())
    assert (with_.rows, with_.findings) == (without.rows, without.findings)


@pytest.mark.parametrize("form", list(RENDERERS))
def test_every_format_shows_value_and_source(form: str) -> None:
    text = render(board_with(printed("A method", 0.8125, "the source, page 3")), form, details=True)
    text = with_block_unpacked(text) if form == "html" else text
    assert "81.2" in text
    assert "the source, page 3" in text
    assert "ublished" in text
    assert render(build_board(mixed_records()), form, details=True).count("ublished, not measured") == 0


def test_json_and_csv_hold_the_numbers_in_full() -> None:
    board = board_with(*(printed(f"m{at}", 0.1234 + at / 100) for at in range(5)))
    rows = json.loads(render(board, "json"))["published"]
    assert [row["values"] for row in rows] == [list(row.values) for row in board.published]
    lines = [line for line in csv.DictReader(io.StringIO(render(board, "csv"))) if line["kind"] == "published"]
    assert [float(line["mean"]) for line in lines] == [
        value for row in board.published for value in row.values if value is not None
    ]
    assert {line["source"] for line in lines} == {"a paper"}


def test_hostile_names_stay_text() -> None:
    board = board_with(*(printed(name, 0.5, f"source {name}") for name in HOSTILE))
    page = MarkdownIt("commonmark").enable("table").render(render(board, "markdown", details=True))
    tables = re.findall(r"<table>.*?</table>", page, re.S)
    assert [table.count("<tr>") for table in tables] == [len(board.rows) + 1, len(HOSTILE) + 1]
    assert not re.search(r"<(script|a|img|strong|em|code|s)\b", tables[1])
    html = render(board, "html")
    assert "<script>alert" not in html
    assert "<script>alert" in with_block_unpacked(html)
    lines = list(csv.DictReader(io.StringIO(render(board, "csv"))))
    assert not [line for line in lines if line["method"].lstrip().startswith(("=", "+", "-", "@", "＝"))]
    latex = render(board, "latex", details=True)
    assert latex.count(r"\begin{tabular}{") == latex.count(r"\bottomrule") == 2
    assert not re.search(r"(?<!\\)(?:\\\\)*\$x\^", latex)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n", "line 1: the columns are"),
        ("{fields}\nA,2023,,J,xsub,linear,top1,84.9\n", "line 2: it does not have 9 values"),
        ("{fields}\nA,2023,,J,xsub,linear,top1,84.9,x,y\n", "line 2: it does not have 9 values"),
        ("{fields}\nA,2023,,J,xsub,linear,top1,high,x\n", "line 2: year '2023' and value 'high'"),
        ("{fields}\nA,2023,,J,xsub,linear,top1,849,x\n", "line 2: value 849.0 is not a percentage"),
        ("{fields}\nA,2023,,J,xsub,linear,top1,nan,x\n", "line 2: value nan is not a percentage"),
        ("{fields}\nA,2023,,J,xsub,linear,top1,84.9,\n", "line 2: source is empty"),
    ],
)
def test_a_broken_file_is_named_with_its_line(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "published.csv"
    path.write_text(text.format(fields=",".join(FIELDS)), encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(fault)) as error:
        read_published(path)
    assert str(path) in str(error.value)


def test_files_beside_the_benchmarks_can_be_read() -> None:
    """Each number is for a split that its benchmark has."""
    for name, numbers in published_numbers(BENCHMARKS.names()).items():
        assert {number.split for number in numbers} <= set(BENCHMARKS.get(name).splits), name
        assert all(percent(number.value) != "0.0" for number in numbers), name


def doubles(numbers: Iterable[Printed]) -> list[tuple[str, str]]:
    """Methods, as two lines call them, whose one number one source gives twice, in whatever spelling or table."""
    seen: dict[tuple[str, str, str, str, float, str], str] = {}
    found = []
    for number in numbers:
        # "*" and "+" are parts of names: SkeletonMAE and SkeletonMAE* are two models.
        name = re.sub(r"[^\w*+]", "", number.method.casefold())
        work = re.split(r"\W*\btables?\b", number.source.casefold())[0]
        key = (name, number.split, number.protocol, number.score, number.value, work)
        if key in seen:
            found.append((seen[key], number.method))
        seen[key] = number.method
    return found


def test_no_number_of_a_source_stands_twice() -> None:
    for name, numbers in published_numbers(BENCHMARKS.names()).items():
        assert doubles(numbers) == [], name


@pytest.mark.parametrize(
    ("other", "double"),
    [
        (printed("A (from B)", 0.8), True),
        (printed("a, from b", 0.8), True),
        (replace(printed("A from B", 0.8), year=None, backbone="", streams=""), True),
        (printed("A from B", 0.8, "a paper, Table 4"), True),
        (printed("A* from B", 0.8), False),
        (printed("A from B", 0.81), False),
        (printed("A from B", 0.8, "another"), False),
        (printed("A from B", 0.8, split="xview"), False),
    ],
)
def test_doubles_are_found_in_any_spelling(other: Printed, double: bool) -> None:
    assert bool(doubles([printed("A from B", 0.8), other])) == double
