"""Contrastive methods on networks they were not made with, as papers' tables have them."""

from __future__ import annotations

from pathlib import Path

import pytest

import sslskel

SMALL = ("backbone.width=4", "backbone.channels=[4,8]", "backbone.segment=4", "clip.frames=16", "clip.min_frames=1")
SHORT = ("train.epochs=2", "train.batch_size=6", "method.queue=16", "method.dim=8")
LATER = {"crossclr": "method.cross_epoch=1", "aimclr": "method.mining_epoch=1"}


@pytest.mark.parametrize("method", sorted(LATER))
def test_a_method_trains_the_tuple_transformer(method: str, tiny: str, tmp_path: Path) -> None:
    request = sslskel.GridRequest(
        methods=(method,),
        benchmarks=("tiny",),
        protocols=("knn",),
        backbone="sttformer",
        output=tmp_path,
        overrides=(*SMALL, *SHORT, LATER[method]),
    )
    result = sslskel.run_grid(request)
    assert not result.failures
    assert result.ran == 1
