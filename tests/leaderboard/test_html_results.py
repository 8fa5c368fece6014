"""Lines of the table of results: what they are filtered by, and cells that failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from board_page import unpacked
from board_records import made, three

from sslskel.errors import RunError
from sslskel.leaderboard import build_board, render
from sslskel.leaderboard.folder import board_of
from sslskel.leaderboard.formats.bibtex import bibtex_text
from sslskel.leaderboard.formats.html_results import FILTERS, Line, failed_at, lines_of, unranked
from sslskel.leaderboard.model import Board, Failed, Literature
from sslskel.results.failures import FailedCell
from sslskel.results.store import ResultStore

PAPER = "Mao et al., Masked Motion Predictors are Strong 3D Action Representation Learners, ICCV 2023"


def word(line: Line, name: str) -> str:
    return line["words"][FILTERS.index(name)]


def test_lines_say_family_year_and_status() -> None:
    leaking = three("mamp", 0.5, seen=[{**made().seen[0], "overlap": 3}])
    board = replace(build_board(leaking), literature=(Literature("method", "mamp", PAPER, 2023, "masked prediction"),))
    [line] = lines_of(board)
    assert [word(line, name) for name in ("family", "year")] == ["masked prediction", "2023"]
    assert word(line, "status") == "measured, saw test clips †"
    assert (line["parameters"], line["row"]) == (board.rows[0].parameters, 0)


def failed(method: str, protocol: str = "knn") -> Failed:
    return Failed(f"{method} on utd_mhad/xsub, seed 0, {protocol}", method, "utd_mhad/xsub", protocol, "out of memory")


def board_with_failures(*names: str) -> Board:
    records = [*three("mamp", 0.5), *three("other", 0.4), *three("other", 0.4, protocol="knn")]
    return replace(build_board(records), failed=tuple(failed(name) for name in names))


def test_failed_cells_are_lines_and_marks() -> None:
    board = board_with_failures("mamp", "broken", "other")
    lines = [line for line in lines_of(board) if line["kind"] == "failed"]
    assert [word(line, "method") for line in lines] == ["mamp", "broken", "other"]
    assert {line["score"] for line in lines} == {"failed"}
    assert lines[0]["source"] == "mamp on utd_mhad/xsub, seed 0, knn: out of memory"
    at = [column.protocol for column in board.columns].index("knn")
    assert failed_at(board, "mamp") == {at}
    assert unranked(board) == ["broken"]
    assert lines[1]["row"] == len(board.rows)
    page = render(board, "html")
    assert page.count('data-order="-1.0">failed</td>') == 2, "one of each, and none where there is a number"


def test_rows_that_leave_open_which_of_them_failed_have_no_mark() -> None:
    records = [
        *three("mamp", 0.5),
        *three("mamp", 0.4, config__method__mask_ratio=0.5),
        *three("x", 0.1, protocol="knn"),
    ]
    board = replace(build_board(records), failed=(failed("mamp"),))
    assert failed_at(board, "mamp") == set()


def test_a_folder_of_failures_alone_is_a_page(tmp_path: Path) -> None:
    cell = FailedCell("mamp on utd_mhad/xsub, seed 0, linear", "utd_mhad/xsub", "linear", "mamp")
    ResultStore(tmp_path).fail("a" * 32, RunError("<b>no memory</b>"), cell=cell)
    page = render(board_of(tmp_path, details=True), "html")
    [line] = unpacked(page)["lines"]
    assert line["words"][FILTERS.index("family")] == "masked prediction"
    assert line["source"].endswith("<b>no memory</b>")
    assert "<b>no memory" not in page


def test_a_run_names_its_checkpoint_where_it_is_there(tmp_path: Path) -> None:
    records = three("mamp", 0.5, 0.6)
    for record in records:
        ResultStore(tmp_path).write(record)
    run = f"mamp-synthetic-xsub-s0-{records[0].pretrain_identity[:10]}"
    for step in ("step-9", "step-30", "step-70.tmp-x"):
        (tmp_path / "pretrain" / run / step).mkdir(parents=True)
    runs = unpacked(render(board_of(tmp_path, details=True), "html"))["runs"]
    shown = {run["identity"]: dict(run["facts"])["checkpoint"] for run in runs}
    assert shown[records[0].identity] == f"pretrain/{run}/step-30"
    assert shown[records[1].identity].endswith("not there when this page was made")


@pytest.mark.parametrize(
    ("kind", "paper", "author", "title", "venue"),
    [
        ("method", PAPER, "Mao and others", PAPER.split(", ")[1], "ICCV"),
        (
            "method",
            "A and B, One: Two, Three, ECCV 2024; network of C et al., ICCV 2023",
            "A and B",
            "One: Two, Three",
            "ECCV",
        ),
        (
            "benchmark",
            "J. Wang, S.-C. Zhu: Cross-view Modeling. CVPR 2014.",
            "J. Wang and S.-C. Zhu",
            "Cross-view Modeling",
            "CVPR 2014",
        ),
        ("method", "SLiM, NeurIPS 2026", "", "", ""),
    ],
)
def test_papers_become_bibtex(kind: str, paper: str, author: str, title: str, venue: str) -> None:
    board = replace(board_with_failures(), literature=(Literature(kind, "a_b", paper, 2023),))
    entry, own = bibtex_text(board).split("\n\n")
    fields = dict(line.strip(" ,").split(" = ", 1) for line in entry.splitlines()[1:-1])
    assert fields.get("author", "{}") == f"{{{author}}}"
    assert fields.get("title", "{{}}") == f"{{{{{title}}}}}"
    assert fields.get("howpublished", "{}") == f"{{{venue}}}"
    assert (fields["year"], fields["keywords"]) == ("{2023}", r"{a\_b}")
    assert own.startswith("@software{sslskel,")


def test_hostile_names_leave_bibtex_whole() -> None:
    board = replace(board_with_failures(), literature=(Literature("method", "}\n@misc{x", "{\\input{x}} % a", None),))
    text = bibtex_text(board)
    assert text.count("{") == text.count("}")
    assert text.count("\n@") == 1
    assert r"\input" not in text
