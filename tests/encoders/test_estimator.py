"""Arrays give scikit-learn the features that ``embed`` writes of the same clips, and a wrong clip is named."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from sslskel import BENCHMARKS, Dataset, GridRequest, SkeletonEncoder, embed, open_benchmark, pretrain
from sslskel.encoders.meta import CheckpointMeta
from sslskel.errors import DataError, UsageError

SMALL = ("backbone.dim=8", "backbone.depth=1", "backbone.heads=2")


def arrays(dataset: Dataset) -> list[npt.NDArray[np.float32]]:
    """Every clip of a dataset as (M, T, V, C), NaN where a person is missing."""
    info, clips = dataset.info, []
    for row, length in enumerate(dataset.lengths):
        clip = np.full((info.persons, length, info.layout.num_joints, info.coordinates), np.nan, np.float32)
        for track in np.flatnonzero(dataset.track_clip == row):
            first, begin, frames = dataset.track_offset[track], dataset.track_begin[track], dataset.track_length[track]
            stored = np.array(dataset.joints[first : first + frames], np.float32)
            stored[~np.array(dataset.valid[first : first + frames])] = np.nan
            clip[dataset.track_slot[track], begin : begin + frames] = stored
        clips.append(clip)
    return clips


@pytest.fixture
def run_folder(tiny: str, tmp_path: Path) -> Path:
    request = GridRequest(methods=("random_init",), benchmarks=(tiny,), output=tmp_path / "runs", overrides=SMALL)
    return pretrain(request)[0]


def test_features_are_those_of_embed(run_folder: Path, tiny: str, tmp_path: Path) -> None:
    embed(run_folder, tmp_path / "features.npz")
    with np.load(tmp_path / "features.npz") as written:
        expected, labels = written["features"], written["labels"]
    clips = arrays(open_benchmark(BENCHMARKS.get(tiny)))
    step = SkeletonEncoder(run_folder, batch_size=5, device="cpu")
    with pytest.raises(NotFittedError):
        step.transform(clips)
    np.testing.assert_allclose(step.fit_transform(clips), expected, rtol=1e-5, atol=1e-6)
    assert list(step.get_feature_names_out()) == [f"skeletonencoder{at}" for at in range(8)]
    pipeline = make_pipeline(clone(step), KNeighborsClassifier(1)).fit(clips, labels)
    assert pipeline.score(clips, labels) == 1


def test_a_wrong_clip_is_named(run_folder: Path) -> None:
    step = SkeletonEncoder(run_folder, device="cpu")
    good = np.random.default_rng(0).normal(size=(20, 25, 3))
    assert step.fit([good, good[None]]).transform([good]).shape == (1, 8)
    for wrong, sentence in (
        (good[:, :17], r"X\[1\] has shape \(1, 20, 17, 3\); expected \(frames, 25, 3\) for one person"),
        (good * np.nan, r"X\[1\] has no frame with a person"),
        (np.stack([good] * 9), r"X\[1\] has 9 persons, but the encoder reads at most"),
        ([["a"]], r"X\[1\] is no array of numbers"),
    ):
        with pytest.raises(UsageError, match=sentence):
            step.transform([good, wrong])
    with pytest.raises(DataError, match=r"clip 'X\[1\]', person 0 has the value inf"):
        step.transform([good, np.where(good == good[3, 4, 1], np.inf, good)])
    with pytest.raises(UsageError, match="no clips to encode"):
        step.transform([])


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_a_table_has_a_row_a_clip(run_folder: Path, tmp_path: Path) -> None:
    parquet = importlib.import_module("pyarrow.parquet")
    embed(run_folder, tmp_path / "features.npz")
    assert embed(run_folder, tmp_path / "features.parquet") == (24, 8)
    table = parquet.read_table(tmp_path / "features.parquet")
    with np.load(tmp_path / "features.npz") as written:
        assert sorted([*table.column_names, "encoder"]) == sorted(written)
        assert table.schema.metadata[b"encoder"].decode().split() == written["encoder"].tolist()
        assert written["encoder"].tolist()[0] == CheckpointMeta.read(run_folder).identity
        for name in table.column_names:
            np.testing.assert_array_equal(np.array(table[name].to_pylist(), written[name].dtype), written[name])


def test_a_table_without_its_package_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslskel.encoders.embed.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'sslskel\[parquet\]'"):
        embed("nowhere", tmp_path / "features.parquet")
    assert not list(tmp_path.iterdir())
