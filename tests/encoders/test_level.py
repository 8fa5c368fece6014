"""Levels of an encoder: protocols read them by name, and are refused one that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import sslskel
from sslskel.encoders.level import LevelEncoder, at_level, check_level
from sslskel.errors import UsageError
from sslskel.leaderboard.build import build_board


@pytest.mark.long
def test_protocols_read_a_level_by_name(tiny: str, tmp_path: Path) -> None:
    records = [
        sslskel.bench(["random_init"], [protocol], [tiny], output=tmp_path, overrides=overrides).records[0]
        for protocol in ("knn", "linear")
        for overrides in ([], ["protocol.level="], ["protocol.level=joints"], ["protocol.level=parts"])
    ]
    for plain, same, joints, parts in (records[:4], records[4:]):
        assert plain.identity == same.identity
        assert len({plain.identity, joints.identity, parts.identity}) == 3
        assert plain.weights_sha256 == joints.weights_sha256 == parts.weights_sha256
    board = build_board(records)
    assert len(board.columns) == 6
    assert any("level=joints" in column.title for column in board.columns if column.protocol == "knn")


@pytest.mark.parametrize("protocol", ["knn", "linear", "retrieval", "few_shot", "cluster", "occlusion"])
def test_a_level_that_is_not_there_is_refused_before_any_work(protocol: str, tiny: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no level 'joint'; did you mean 'joints'\? \(it has: joints, parts\)"):
        sslskel.bench(["random_init"], [protocol], [tiny], output=tmp_path, overrides=["protocol.level=joint"])
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match=r"no level 'joints' \(it has: none\)"):
        sslskel.evaluate(
            torch.nn.Flatten(),
            protocol,
            seen="none",
            benchmark=tiny,
            output=tmp_path,
            overrides=["protocol.level=joints"],
        )


def test_a_level_is_an_encoder_like_the_whole(tiny: str, tmp_path: Path) -> None:
    folder, _ = sslskel.pretrain(sslskel.GridRequest(methods=("random_init",), benchmarks=(tiny,), output=tmp_path))
    encoder = sslskel.load_encoder(folder)
    check_level("joint", encoder, "")
    assert at_level({"joint": encoder}, "") == {"joint": encoder}
    level = at_level({"joint": encoder}, "parts")["joint"]
    assert isinstance(level, LevelEncoder)
    assert (level.dim, level.provides, level.spec) == (5 * encoder.dim, encoder.provides, encoder.spec)
    assert [len(stage) for stage in level.layers()] == [len(stage) for stage in encoder.layers()]
    assert "level='parts'" in repr(level)
