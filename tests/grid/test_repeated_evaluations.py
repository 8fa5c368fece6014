"""Evaluating one pretraining again and again makes no more pretrainings of it."""

from __future__ import annotations

from pathlib import Path

import pytest

import sslskel
from sslskel.leaderboard.folder import board_of

SMALL = ["backbone.dim=8", "backbone.depth=1", "backbone.heads=2", "clip.frames=8"]


def test_a_checkpoint_that_is_evaluated_with_three_seeds_is_one_pretraining(tiny: str, tmp_path: Path) -> None:
    sslskel.bench(["random_init"], ["knn"], [tiny], seeds=[1], output=tmp_path, overrides=SMALL)
    [run] = (tmp_path / "pretrain").iterdir()
    records = [sslskel.evaluate(run, "knn", seed=seed, output=tmp_path) for seed in (0, 1, 2)]
    assert [record.pretrain_seed for record in records] == [1, None, 1]
    assert '"pretrain_seed"' not in records[1].to_json()
    [row] = board_of(tmp_path).rows
    [cell] = row.cells
    assert cell is not None
    assert (cell.summary.n, cell.seeds, len(cell.evaluations), cell.summary.interval) == (1, (1,), 3, None)


@pytest.mark.long
def test_raw_features_are_one_encoder_whatever_the_seed(tiny: str, tmp_path: Path) -> None:
    overrides = ["protocol.epochs=1", "protocol.views=1", *SMALL]
    sslskel.bench(
        ["raw_features", "random_init"], ["linear"], [tiny], seeds=[0, 1], output=tmp_path, overrides=overrides
    )
    cells = {row.label: row.cells[0] for row in board_of(tmp_path).rows}
    fixed, drawn = cells["raw_features"], cells["random_init"]
    assert fixed is not None
    assert drawn is not None
    assert (fixed.summary.n, fixed.fixed, fixed.seeds) == (1, True, (0, 1))
    assert (drawn.summary.n, drawn.fixed, drawn.seeds) == (2, False, (0, 1))
