"""A board of nothing says which filter left nothing, and what there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_records import made

from sslskel.cli import main
from sslskel.errors import UsageError
from sslskel.leaderboard.folder import board_of
from sslskel.results.store import ResultStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two records: knn on a/xsub, linear on b/xsub."""
    for name, protocol in (("a", "knn"), ("b", "linear")):
        record = made("mamp", 0.5, benchmark__name=name, benchmark__split="xsub", protocol=protocol)
        ResultStore(tmp_path).write(record, {})
    return tmp_path


@pytest.mark.parametrize(
    ("benchmarks", "protocols", "said"),
    [
        (["c"], None, r"is of --benchmark c \(there are: a/xsub, b/xsub\)"),
        (None, ["liner"], r"is of --protocol liner \(there are: knn, linear\)"),
        (["a"], ["liner"], r"is of --protocol liner \(there are: knn, linear\)"),
        (["a"], ["linear"], r"is of --benchmark a and --protocol linear \(there are: a/xsub, b/xsub; knn, linear\)"),
    ],
)
def test_the_filter_that_left_none_is_named(
    folder: Path, benchmarks: list[str] | None, protocols: list[str] | None, said: str
) -> None:
    with pytest.raises(UsageError, match=r"^none of the 2 records in .* " + said):
        board_of(folder, benchmarks, protocols=protocols, required=True)
    assert board_of(folder, benchmarks, protocols=protocols).rows == (), "a grid whose cells are yet to come"


def test_the_command_ends_with_that_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", "--results", str(folder), "--benchmark", "c"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--benchmark c (there are: a/xsub, b/xsub)" in err


def test_a_name_that_has_no_record_beside_one_that_has_is_said(folder: Path) -> None:
    said: list[str] = []
    board = board_of(folder, ["a", "b/xview"], said.append, protocols=["knn", "liner"], required=True)
    assert [column.protocol for column in board.columns] == ["knn"]
    assert said[-2:] == ["no record is of --benchmark b/xview", "no record is of --protocol liner"]


def test_what_a_filter_leaves_is_shown(folder: Path) -> None:
    assert [column.protocol for column in board_of(folder, ["a"], protocols=["knn"], required=True).columns] == ["knn"]


def test_a_folder_without_records_is_no_fault_of_a_filter(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    assert board_of(tmp_path, ["a"], required=True).rows == ()
