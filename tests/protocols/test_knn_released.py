"""Neighbours and votes of released evaluation code, recorded with scikit-learn's classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sslskel.evaluation.neighbours import nearest
from sslskel.protocols.knn import Ties, vote


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("k", [1, 5, 9])
def test_neighbours_cosines_and_votes_are_those_recorded(shared: Path, seed: int, k: int) -> None:
    with np.load(shared / "golden_contrastive" / f"down_knn_seed{seed}.npz") as file:
        case = {name: torch.from_numpy(file[name]) for name in file.files if file[name].dtype.kind in "if"}
    rows, cosines = nearest(case["in/test"], case["in/train"], k)
    assert torch.equal(rows, case[f"out/k{k}_neighbours"].long())
    assert torch.allclose(1 - cosines, case[f"out/k{k}_cosine_distance"].double(), atol=1e-6)
    predicted = vote(case["in/train_labels"].long()[rows], 5, ties=Ties.smallest)
    assert torch.equal(predicted, case[f"out/k{k}_prediction"].long())
