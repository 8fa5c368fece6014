"""Features in two dimensions: of the files of embed, the same each time, and nothing of other files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_records import made

from sslskel.errors import UsageError
from sslskel.leaderboard import feature_map as module
from sslskel.leaderboard.feature_map import MOST_POINTS, feature_map, require_encoders_of


def written(path: Path, clips: int = 30, **changes: Any) -> Path:
    """Two classes far apart in one of four dimensions; the last ten clips are for training."""
    draw = np.random.default_rng(0)
    labels = np.arange(clips) % 2
    features = (draw.normal(size=(clips, 4)) * [1, 0.1, 0.1, 0.1] + labels[:, None] * [9, 0, 0, 0]).astype(np.float32)
    parts = np.where(np.arange(clips) < clips - 10, "test", "train")
    np.savez(path, **{"features": features, "labels": labels, "parts": parts} | changes)
    return path


@pytest.fixture
def pca(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)


@pytest.mark.usefixtures("pca")
def test_classes_that_are_apart_stay_apart(tmp_path: Path) -> None:
    drawn = feature_map(written(tmp_path / "mamp.npz"))
    assert drawn.title == "mamp"
    assert len(drawn.points) == 20, "test clips alone"
    assert drawn == feature_map(tmp_path / "mamp.npz")
    low, high = ([x for x, _, label in drawn.points if label == one] for one in (0, 1))
    assert max(low) < min(high) or max(high) < min(low)
    assert min(min(low), min(high)) == 0
    assert max(max(low), max(high)) == 1000
    assert re.match(r"20 clips\. Placed by .* \(\d+ %", drawn.way)


@pytest.mark.usefixtures("pca")
def test_many_clips_are_thinned(tmp_path: Path) -> None:
    assert len(feature_map(written(tmp_path / "a.npz", 3 * MOST_POINTS)).points) == MOST_POINTS


@pytest.mark.usefixtures("pca")
def test_one_dimension_and_one_place_are_drawn(tmp_path: Path) -> None:
    one = feature_map(written(tmp_path / "a.npz", features=np.arange(30, dtype=np.float32)[:, None]))
    assert {y for _, y, _ in one.points} == {0}
    same = feature_map(written(tmp_path / "a.npz", features=np.ones((30, 3), np.float32)))
    assert {(x, y) for x, y, _ in same.points} == {(0, 0)}


@pytest.mark.parametrize(
    "changes",
    [
        {"features": np.zeros((29, 4), np.float32)},
        {"features": np.zeros(30, np.float32)},
        {"features": np.full((30, 4), np.nan, np.float32)},
        {"features": np.zeros((30, 4), object)},
        {"labels": np.array(["a"] * 30)},
        {"parts": np.zeros((30, 2))},
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "a.npz"))):
        feature_map(written(tmp_path / "a.npz", **changes))


@pytest.mark.usefixtures("pca")
def test_features_of_another_encoder_are_refused_and_unknown_ones_are_named(tmp_path: Path) -> None:
    record, other = made("mamp"), made("skeletonclr")
    own = feature_map(written(tmp_path / "own.npz", encoder=np.array(["", record.weights_sha256])))
    run = feature_map(written(tmp_path / "run.npz", encoder=np.array([record.pretrain_identity, "0" * 64])))
    unknown = feature_map(written(tmp_path / "unknown.npz"))
    require_encoders_of([own, run, unknown], [other, record])
    with pytest.raises(UsageError, match=rf"features own .*{record.weights_sha256[:12]}.*no record of this board"):
        require_encoders_of([unknown, own], [other])
    said = "Its file does not say which encoder made it."
    assert [said in one.way for one in (own, run, unknown)] == [False, False, True]


@pytest.mark.parametrize("content", [None, b"no zip", b""])
def test_other_files_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"could not be read.*sslskel embed"):
        feature_map(path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(UsageError, match="lacks features, labels, parts"):
        feature_map(path)
