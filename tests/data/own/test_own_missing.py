"""Joints that were not detected are missing, not positions: filled by a stated rule, or their frame is not valid."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from own_cases import dense
from own_sets import CHAIN, opened, write_layout, write_table

from sslskel.data.own.importing import import_dataset
from sslskel.data.own.missing import parse_missing
from sslskel.errors import DataError

RNG = np.random.default_rng(3)
START = RNG.uniform(200, 400, (1, 13, 2))
BODY = START + 4 * np.arange(20)[:, None, None] + np.arange(13)[None, :, None]
"""(20, 13, 2) pixels: every joint moves evenly, so that what is between two frames is known."""


def imported(folder: Path, array: np.ndarray, *overrides: str) -> tuple[np.ndarray, str]:
    """The first of two equal clips (T, V, C), and the notes; frames that are not valid are zeros."""
    np.save(folder / "c.npy", array)
    clips = write_table(folder, [["c.npy", name, "sit", name] for name in "ab"], "file,name,label,subject")
    import_dataset("mine", clips=clips, layout=write_layout(folder, CHAIN, unit="pixel"), overrides=overrides)
    dataset = opened()[1]
    return dense(dataset, 0)[0], " ".join(dataset.report()["notes"])


def with_confidence(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, np.full((*array.shape[:-1], 1), 0.9)], -1)


@pytest.mark.parametrize("how", ["zero", "confidence", "nan", "low"])
def test_missing_joints_lie_between_the_frames_that_show_them(root: Path, tmp_path: Path, how: str) -> None:
    array, overrides = with_confidence(BODY), ["coordinates=xyc"]
    lost = [(5, 3), (6, 3), (9, 0), (12, 12)]
    for frame, joint in lost:
        if how == "zero":
            array[frame, joint, :2] = 0
        elif how == "nan":
            array[frame, joint, :2] = np.nan
        else:
            array[frame, joint] = 0 if how == "confidence" else (7, 7, 0.2)
    overrides += {"nan": ["missing=nan"], "low": ["missing=confidence<0.3"]}.get(how, [])
    clip, told = imported(tmp_path, array, *overrides)
    assert np.allclose(clip, BODY, atol=1e-3)
    assert "8 of 520 joints (1.5 %) are missing" in told


def test_before_the_first_and_behind_the_last_frame_a_joint_stays_where_it_is(root: Path, tmp_path: Path) -> None:
    array = BODY.copy()
    array[:3, 4] = array[18:, 4] = 0
    clip, _ = imported(tmp_path, array, "coordinates=xy")
    assert np.allclose(clip[:3, 4], BODY[3, 4], atol=1e-3)
    assert np.allclose(clip[18:, 4], BODY[17, 4], atol=1e-3)


def test_a_joint_that_is_never_seen_takes_the_place_of_the_nearest(root: Path, tmp_path: Path) -> None:
    array = BODY.copy()
    array[:, 11:] = 0
    clip, told = imported(tmp_path, array, "coordinates=xy")
    assert np.array_equal(clip[:, 11], clip[:, 10])
    assert np.array_equal(clip[:, 12], clip[:, 10])
    assert "80 that no frame of their person shows" in told


def test_frames_that_lack_a_joint_can_be_not_valid(root: Path, tmp_path: Path) -> None:
    array = BODY.copy()
    array[5, 3] = 0
    clip, told = imported(tmp_path, array, "coordinates=xy", "fill=drop")
    assert not clip[5].any()
    assert "2 frames of persons lack a joint and are not valid" in told


def test_nan_is_refused_until_somebody_says_what_it_means(root: Path, tmp_path: Path) -> None:
    array = BODY.copy()
    array[5, 3] = np.nan
    with pytest.raises(DataError, match="missing: nan"):
        imported(tmp_path, array, "coordinates=xy")


def test_zero_is_a_position_where_data_are_centred(root: Path, tmp_path: Path) -> None:
    body = np.cumsum(np.random.default_rng(0).normal(0, 0.3, (1, 13, 3)), axis=1)
    centred = body + np.cumsum(np.full((20, 1, 3), 0.05), axis=0)
    for joint, name in ((0, "the root"), (6, "another joint")):
        array = centred - centred[:, joint : joint + 1]
        clip, told = imported(tmp_path, array, "coordinates=xyz")
        assert np.array_equal(clip, array.astype(np.float32)), name
        assert "missing" not in told
    # Centred on the place of the first frame.
    array = centred - centred[:1, :1]
    clip, told = imported(tmp_path, array, "coordinates=xyz")
    assert np.array_equal(clip, array.astype(np.float32))


def test_zeros_in_front_of_a_camera_are_missing(root: Path, tmp_path: Path) -> None:
    body = np.cumsum(np.random.default_rng(0).normal(0, 0.2, (1, 13, 3)), axis=1) + np.array([0, 0, 3])
    body = np.repeat(body, 20, 0)
    array = body.copy()
    array[4:7, 0] = 0
    clip, told = imported(tmp_path, array, "coordinates=xyz")
    assert np.allclose(clip, body, atol=1e-5)
    assert "6 of 520 joints" in told
    clip, told = imported(tmp_path, array, "coordinates=xyz", "missing=none")
    assert not clip[4, 0].any()
    assert "missing" not in told


def test_scores_of_a_pickle_mark_what_was_not_detected(root: Path, tmp_path: Path) -> None:
    score = np.full((1, 20, 13), 0.8)
    keypoint = BODY[None].copy()
    keypoint[0, 7, 2], score[0, 7, 2] = 3, 0
    notes = [{"frame_dir": f"v{i}", "label": 0, "keypoint": keypoint, "keypoint_score": score} for i in range(2)]
    content = {"split": {"train": ["v0"], "val": ["v1"]}, "annotations": notes}
    (tmp_path / "set.pkl").write_bytes(pickle.dumps(content))
    import_dataset("mine", pyskl=tmp_path / "set.pkl", layout=write_layout(tmp_path, CHAIN))
    assert np.allclose(dense(opened()[1], 0)[0], BODY, atol=1e-3)


@pytest.mark.parametrize("word", ["zeros", "confidence>0.2", "confidence<x", "confidence<2", "none, zero"])
def test_rules_that_are_none(word: str) -> None:
    with pytest.raises(ValueError, match=word.split("<", maxsplit=1)[0]):
        parse_missing(word)


def test_joints_without_any_confidence_are_named(root: Path, tmp_path: Path) -> None:
    array = with_confidence(BODY)
    array[..., 2] = 0
    with pytest.raises(DataError, match="without confidence"):
        imported(tmp_path, array, "coordinates=xyc")
