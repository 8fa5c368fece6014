"""Subjects of a column's clips come from the prepared dataset, and from no other data than it was judged on."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sslskel
from sslskel import BENCHMARKS, open_benchmark
from sslskel.grid.subjects import subjects_of
from sslskel.leaderboard.compare import Comparison, NotPaired, compare
from sslskel.leaderboard.folder import board_of
from sslskel.leaderboard.model import Board, Column
from sslskel.results.store import ResultStore


def judged(benchmark: str, folder: Path) -> Board:
    """Untrained encoders of two widths."""
    for dim in (8, 16):
        options = [f"backbone.dim={dim}", "backbone.depth=1", "backbone.heads=2", "clip.frames=8"]
        sslskel.bench(["random_init"], ["knn"], [benchmark], seeds=[0, 1, 2], output=folder, overrides=options)
    return board_of(folder)


@pytest.fixture
def column(tiny: str, tmp_path: Path) -> Column:
    [column] = judged(tiny, tmp_path).columns
    return column


def test_rows_are_compared_over_the_subjects_of_their_clips(tiny: str, tmp_path: Path) -> None:
    board, dataset = judged(tiny, tmp_path), open_benchmark(BENCHMARKS.get(tiny))
    asked = functools.partial(subjects_of, asked=[tiny])
    subjects = asked(board.columns[0])
    assert subjects.of == dict(zip(dataset.keys.tolist(), dataset.subjects.tolist(), strict=True))
    [one] = compare(board, ResultStore(tmp_path), *(row.label for row in board.rows), asked)
    assert isinstance(one, Comparison)
    keys = ResultStore(tmp_path).predictions(board.records[0])["keys"]
    assert one.varied == f"{len(np.unique(dataset.subjects[np.isin(dataset.keys, keys)]))} subjects"


def test_other_data_and_other_benchmarks_are_refused(column: Column) -> None:
    with pytest.raises(NotPaired, match="as prepared here is data"):
        subjects_of(replace(column, fingerprint="0" * 64), asked=[column.benchmark])
    with pytest.raises(NotPaired, match="not installed"):
        subjects_of(replace(column, benchmark="elsewhere"))
    with pytest.raises(NotPaired, match=r"one of your own folder is looked at where you name it \(--benchmark tiny\)"):
        subjects_of(column)
    with pytest.raises(NotPaired, match=r"subjects of its clips are unknown: .*is not prepared"):
        subjects_of(replace(column, benchmark="utd_mhad"))
