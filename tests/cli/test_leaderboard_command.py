"""What `sslskel leaderboard` writes into which file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_page import unpacked
from board_records import three

from sslskel.leaderboard import render
from sslskel.leaderboard.folder import board_of
from sslskel.results.store import ResultStore

Command = Callable[..., Any]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A results folder with three records."""
    for record in three("mamp", 0.5, 0.6, 0.7):
        ResultStore(tmp_path / "runs").write(record)
    return tmp_path / "runs"


def test_the_ending_of_the_file_decides_its_format(runs: Path, sslskel: Command, tmp_path: Path) -> None:
    endings = {".html": "html", ".MD": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex", ".txt": "table"}
    for ending, form in {**endings, "": "table"}.items():
        done = sslskel("leaderboard", "--results", str(runs), "--output", f"b{ending}")
        assert (done.returncode, done.stdout) == (0, f"b{ending}\n"), done.stderr
        board = board_of(runs, details=form == "html")
        assert (tmp_path / f"b{ending}").read_text(encoding="utf-8") == render(board, form)


def test_a_format_that_is_asked_for_counts_more(runs: Path, sslskel: Command, tmp_path: Path) -> None:
    assert sslskel("leaderboard", "--results", str(runs), "--format", "csv", "--output", "b.dat").returncode == 0
    assert (tmp_path / "b.dat").read_text(encoding="utf-8") == render(board_of(runs), "csv")


def test_an_ending_that_says_no_format_is_refused_before_anything_is_written(
    runs: Path, sslskel: Command, tmp_path: Path
) -> None:
    done = sslskel("leaderboard", "--results", str(runs), "--output", "b.htlm")
    assert done.returncode == 2
    assert done.stderr == (
        "sslskel: 'b.htlm' ends in '.htlm', which says no format; end it in .txt, .md, .csv, .json, .tex, .html, or"
        " give --format\n"
    )
    assert not (tmp_path / "b.htlm").exists()


def test_features_are_drawn_on_a_page_and_refused_elsewhere(runs: Path, sslskel: Command, tmp_path: Path) -> None:
    for name in ("one", "two"):
        features = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", features=features, labels=np.arange(9) % 3, parts=np.array(["test"] * 9))
    words = ("leaderboard", "--results", str(runs), "--features", "one.npz,two.npz")
    assert sslskel(*words, "--output", "b.html").returncode == 0
    page = (tmp_path / "b.html").read_text(encoding="utf-8")
    assert [len(one["points"]) for one in unpacked(page)["maps"]] == [9, 9]
    assert '<option value="1">two</option>' in page
    done = sslskel(*words, "--output", "b.md")
    assert (done.returncode, (tmp_path / "b.md").exists()) == (2, False)
    assert done.stderr == (
        "sslskel: --features are drawn on an HTML board alone, not as markdown; give --output board.html\n"
    )
    np.savez(tmp_path / "two.npz", **{**np.load(tmp_path / "two.npz"), "encoder": np.array(["", "0" * 64])})
    done = sslskel(*words, "--output", "c.html")
    assert (done.returncode, (tmp_path / "c.html").exists()) == (2, False)
    assert "features two are of an encoder (000000000000) that no record of this board was made with" in done.stderr
    (tmp_path / "two.npz").write_bytes(b"damaged")
    done = sslskel(*words, "--output", "c.html")
    assert (done.returncode, (tmp_path / "c.html").exists()) == (2, False)
    assert "features could not be read from" in done.stderr
    assert "two.npz" in done.stderr
