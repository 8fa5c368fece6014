"""What n counts: pretrainings with weights of their own, however often each was evaluated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from board_records import cell_of, made, three
from scipy import stats

from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.cells import same_weights
from sslskel.leaderboard.folder import board_of
from sslskel.results.record import Record
from sslskel.results.statistics import over_clips
from sslskel.results.store import ResultStore

ONE, OTHER = "1" * 64, "2" * 64


def evaluations(*scores: float, weights: str = ONE, first: int = 0, pretrained: int = 0) -> list[Record]:
    """Of one checkpoint, as ``sslskel evaluate --seed`` makes them."""
    records = [made("mamp", score, first + at, weights_sha256=weights) for at, score in enumerate(scores)]
    identity = records[0].pretrain_identity
    return [
        replace(one, pretrain_identity=identity, pretrain_seed=None if one.seed == pretrained else pretrained)
        for one in records
    ]


def test_six_evaluations_of_one_pretraining_are_one() -> None:
    scores = (0.49, 0.50, 0.48, 0.49, 0.50, 0.48)
    board = build_board(evaluations(*scores))
    cell = cell_of(board, "mamp")
    assert cell is not None
    assert (cell.summary.n, cell.summary.sd, cell.summary.interval) == (1, None, None)
    assert cell.summary.mean == pytest.approx(np.mean(scores))
    assert (cell.seeds, len(cell.evaluations)) == ((0,), 6)
    assert any("6 evaluations of the pretraining of seed 0 are averaged" in note for note in board.notes)


def test_early_records_of_one_checkpoint_are_one_by_its_weights() -> None:
    """They do not say what it was pretrained with."""
    same = {"weights_sha256": ONE, "pretrain_identity": "a" * 32}
    board = build_board([made("mamp", score, seed, **same) for seed, score in enumerate((0.4, 0.5))])
    cell = cell_of(board, "mamp")
    assert cell is not None
    assert cell.summary.n == 1


def test_evaluations_are_averaged_within_their_pretraining() -> None:
    """Two of one and three of another: the mean of two means, not of five numbers."""
    records = [*evaluations(0.4, 0.5), *evaluations(0.7, 0.7, 0.8, weights=OTHER, first=1, pretrained=1)]
    cell = cell_of(build_board(records), "mamp")
    assert cell is not None
    assert cell.seeds == (0, 1)
    assert cell.scores == pytest.approx((0.45, 2.2 / 3))
    assert cell.summary.mean == pytest.approx((0.45 + 2.2 / 3) / 2)
    assert cell.summary.interval == pytest.approx(
        stats.t.interval(0.95, 1, np.mean(cell.scores), stats.sem(cell.scores))
    )


def test_a_row_whose_seeds_change_no_weight_is_one_encoder_and_claims_nothing() -> None:
    fixed = three("raw_features", 0.80, 0.81, 0.82, seen=[], weights_sha256=ONE)
    board = build_board([*fixed, *three("mamp", 0.3, 0.31, 0.32)])
    cell = cell_of(board, "raw_features")
    assert cell is not None
    assert cell.fixed
    assert (cell.summary.n, cell.summary.interval, cell.bold) == (1, None, False)
    assert "one encoder whatever the seed" in board.findings[0]
    assert any("one encoder, the same for seeds 0, 1, 2: raw_features" in note for note in board.notes)


def test_other_rows_are_tested_against_the_evaluations_of_such_a_row() -> None:
    scores, mine = (0.40, 0.43, 0.42), (0.48, 0.52, 0.51)
    fixed = three("raw_features", *scores, seen=[], weights_sha256=ONE)
    board = build_board([*fixed, *three("mamp", *mine)])
    p = stats.ttest_ind(mine, scores, equal_var=False).pvalue
    assert f"which saw no data: better: mamp (p = {2 * p:.3f})" in " ".join(board.findings)
    assert [row.label for row in board.rows if row.cells[0] and row.cells[0].bold] == ["mamp"]


def test_evaluations_of_one_pretraining_beat_nothing() -> None:
    """Ten evaluations without spread are no proof against three untrained encoders."""
    same = evaluations(*(0.6 + at / 1000 for at in range(10)))
    board = build_board([*same, *three("random_init", 0.3, 0.31, 0.32, seen=[])])
    assert "untested: mamp (one pretraining)" in " ".join(board.findings)
    assert not any(cell.bold for row in board.rows for cell in row.cells if cell)


def test_weights_and_pretrainings_both_join_records() -> None:
    """A pretraining that was run again on a GPU has other weights, and is still the same seed."""
    records = [
        made("mamp", 0.5, 0, weights_sha256=ONE, pretrain_identity="a" * 32),
        made("mamp", 0.5, 1, weights_sha256=OTHER, pretrain_identity="b" * 32),
        made("mamp", 0.5, 2, weights_sha256="3" * 64, pretrain_identity="c" * 32),
        made("mamp", 0.5, 3, weights_sha256=OTHER, pretrain_identity="a" * 32),
    ]
    assert [[record.seed for record in group] for group in same_weights(records)] == [[2], [0, 1, 3]]


def judged(store: ResultStore, seed: int, clips: int = 60) -> Record:
    """Right on half of the clips in every pretraining, on the others by chance."""
    right = (np.random.default_rng(seed).random(clips) < 0.3) | (np.arange(clips) % 2 == 0)
    wrong = (~right).astype(np.int64)
    arrays = {"keys": np.arange(clips), "label": np.zeros(clips, np.int64), "value_predicted": wrong}
    return store.write(made("mamp", float(right.mean()), seed), arrays)


def test_intervals_over_clips_too_are_those_of_crossed_effects(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    records = [judged(store, seed) for seed in range(3)]
    here, anywhere = (cell_of(board_of(tmp_path, over_clips=over), "mamp") for over in (False, True))
    assert here is not None
    assert anywhere is not None
    values = [1.0 - store.predictions(record)["value_predicted"] for record in records]
    assert anywhere.summary.interval == pytest.approx(over_clips(values).interval)
    assert anywhere.summary.interval != here.summary.interval
    assert (anywhere.summary.mean, anywhere.summary.sd) == (here.summary.mean, here.summary.sd)


def test_a_single_pretraining_has_no_interval_over_clips_either(tmp_path: Path) -> None:
    judged(ResultStore(tmp_path), 0)
    cell = cell_of(board_of(tmp_path, over_clips=True), "mamp")
    assert cell is not None
    assert cell.summary.interval is None


def test_without_predictions_there_is_no_interval_over_clips(tmp_path: Path) -> None:
    for record in three("mamp", 0.5, 0.6, 0.7):
        ResultStore(tmp_path).write(record)
    cell = cell_of(board_of(tmp_path, over_clips=True), "mamp")
    assert cell is not None
    assert cell.summary.interval is None
