"""The store: what goes in comes out as plain arrays, under a fingerprint of the numbers alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_clips import clip, described, track

from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.data.store.format import npy_header, parse_array
from sslskel.data.store.store import open_dataset, verify_dataset, write_dataset
from sslskel.hashing import stable_id

FIELDS = ("names", "keys", "labels", "lengths", "subjects", "cameras", "setups",
          "track_clip", "track_slot", "track_begin", "track_length", "track_offset")  # fmt: skip


def test_round_trip(prepared_toy: Path) -> None:
    dataset = open_dataset(prepared_toy)
    assert isinstance(dataset.joints, np.memmap)
    assert isinstance(dataset.valid, np.memmap)
    assert not dataset.joints.flags.writeable
    assert not dataset.labels.flags.writeable
    assert list(dataset.names) == ["a", "ö", "b"]
    assert dataset.keys.tolist() == [stable_id("toy", name) for name in ("a", "ö", "b")]
    assert dataset.labels.tolist() == [0, -1, 1]
    assert dataset.track_clip.tolist() == [0, 0, 1, 2]
    assert dataset.track_slot.tolist() == [0, 1, 0, 0]
    assert dataset.track_begin.tolist() == [1, 0, 0, 0]
    assert dataset.track_offset.tolist() == [0, 3, 7, 11]
    assert (dataset.subjects[0], dataset.cameras[0], dataset.setups[0]) == (3, 2, 1)
    assert np.array_equal(dataset.joints[3:7], track(1, seed=1).joints)
    assert dataset.info == replace(described(), source={"a.zip": "00"})
    assert dataset.report()["dropped"] == {"c": "empty"}
    assert dataset.report()["counts"] == {"clips": 3, "rows": 15, "dropped": 1}
    assert len(dataset) == 3
    dataset.verify()
    verify_dataset(prepared_toy)


def test_files_are_plain_numpy(prepared_toy: Path) -> None:
    dataset = open_dataset(prepared_toy)
    for field in (*FIELDS, "joints", "valid"):
        assert np.array_equal(np.load(prepared_toy / f"{field}.npy", allow_pickle=False), getattr(dataset, field))


@st.composite
def datasets(draw: st.DrawFn) -> tuple[DatasetInfo, list[Clip]]:
    joints, coordinates, persons = draw(st.integers(1, 6)), draw(st.sampled_from([2, 3])), draw(st.integers(1, 3))
    clips = []
    for number in range(draw(st.integers(1, 5))):
        length = draw(st.integers(1, 9))
        slots = draw(st.lists(st.integers(0, persons - 1), unique=True, min_size=number == 0, max_size=persons))
        tracks = []
        for slot in slots:
            begin = draw(st.integers(0, length - 1))
            frames = draw(st.integers(1, length - begin))
            made = track(slot, begin, frames, joints, coordinates, seed=number)
            made.valid[1:] = draw(st.lists(st.booleans(), min_size=frames - 1, max_size=frames - 1))
            tracks.append(made)
        clips.append(Clip(f"clip {number}", draw(st.integers(-1, 1)), length, tuple(tracks)))
    return described(joints, coordinates, persons), clips


@settings(max_examples=25, deadline=None)
@given(datasets())
def test_any_dataset_comes_back(tmp_path_factory: pytest.TempPathFactory, made: tuple[DatasetInfo, list[Clip]]) -> None:
    info, clips = made
    path = tmp_path_factory.mktemp("any") / "toy"
    digest = write_dataset(path, info, iter(clips))
    dataset = open_dataset(path)
    assert (dataset.info, dataset.fingerprint, len(dataset)) == (info, digest, len(clips))
    at = 0
    for row, one in enumerate(clips):
        assert dataset.lengths[row] == one.length
        for person in sorted(one.tracks, key=lambda t: t.slot):
            first, size = dataset.track_offset[at], dataset.track_length[at]
            assert dataset.track_clip[at] == row
            assert (dataset.track_slot[at], dataset.track_begin[at]) == (person.slot, person.begin)
            assert np.array_equal(dataset.joints[first : first + size], person.joints)
            assert np.array_equal(dataset.valid[first : first + size], person.valid)
            at += 1
    assert at == len(dataset.track_clip)


def test_fingerprint_is_of_the_numbers_alone(tmp_path: Path) -> None:
    def made(folder: str, info: DatasetInfo, *clips: Clip, **options: Any) -> str:
        return write_dataset(tmp_path / folder, info, clips, **options)

    plain = made("plain", described(), clip())
    assert plain == made("again", described(licence="none", source={"x": "y"}), clip())
    moved = tmp_path / "elsewhere" / "moved"
    shutil.copytree(tmp_path / "plain", moved)
    assert open_dataset(moved).fingerprint == plain
    changes = [
        made("seed", described(), clip("a", track(seed=1))),
        made("name", described(), clip("b")),
        made("label", described(), clip(label=1)),
        made("length", described(), clip(length=5)),
        made("fps", replace(described(), fps=25.0), clip()),
        made("unit", replace(described(), unit="pixel"), clip()),
        made("version", replace(described(), version=2), clip()),
        made("classes", replace(described(), classes=("sit", "walk")), clip()),
        made("recipe", replace(described(), recipe="raw"), clip()),
        made("persons", replace(described(), persons=3), clip()),
        made("precision", described(), clip(), float16=True),
    ]
    assert len({plain, *changes}) == len(changes) + 1


def test_fingerprint_of_a_known_dataset_never_changes(tmp_path: Path) -> None:
    """Pinned: another machine, numpy or sslskel must find the same, or recorded results lose their dataset."""
    values = np.arange(12, dtype=np.float32).reshape(2, 2, 3) / 8
    only = Clip("one", 1, 2, (Track(0, 0, values, np.array([True, False])),), subject=1)
    digest = write_dataset(tmp_path / "toy", described(2, persons=1), [only])
    assert digest == "955f1ee29dd4ca8e35674e2c1c3951c3f9042d0a175e68186a547583f9e72fd2"


def test_float16_is_stored_as_such(tmp_path: Path) -> None:
    write_dataset(tmp_path / "toy", described(), [clip()], float16=True)
    dataset = open_dataset(tmp_path / "toy")
    assert dataset.joints.dtype == np.float16
    assert np.array_equal(dataset.joints, track().joints.astype(np.float16))
    verify_dataset(tmp_path / "toy")


def test_header_is_read_by_numpy_and_by_us() -> None:
    for array in (
        np.arange(6.0).reshape(2, 3),
        np.array(["ab", "ö"]),
        np.zeros((0, 2), np.int64),
        np.ones(3, np.bool_),
    ):
        content = npy_header(array.dtype, array.shape) + array.tobytes()
        assert np.array_equal(parse_array(content), array)
        assert parse_array(content).dtype == array.dtype
