"""UTD-MHAD: every clip against the manifest, and what the importer refuses."""

from __future__ import annotations

import csv
import io
import struct
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip
from sslskel.benchmarks.utd_mhad import BENCHMARK, CLASSES, LAYOUT, matlab5
from sslskel.data.prepare import open_benchmark, prepare
from sslskel.errors import DataError, SslskelError

GOOD = np.random.default_rng(3).normal(size=(20, 3, 7))


def mat(packed: bool = True, **variables: Any) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables, do_compression=packed)
    return buffer.getvalue()


def imported(folder: Path, content: bytes | None = None, name: str = "a3_s2_t1_skeleton.mat") -> list[Clip]:
    if content is not None:
        (folder / name).write_bytes(content)
    return list(BENCHMARK.read([folder], ImportReport()))


def refused(folder: Path, content: bytes, name: str = "a3_s2_t1_skeleton.mat") -> str:
    with pytest.raises(DataError) as fault:
        imported(folder, content, name)
    message = str(fault.value)
    assert name in message
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def manifest(shared: Path) -> dict[str, dict[str, str]]:
    with (shared / "data/utd_mhad/manifest.csv").open() as file:
        return {row["file"].removesuffix("_skeleton.mat"): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def clips(shared: Path) -> list[Clip]:
    return list(BENCHMARK.read([shared / "data/utd_mhad"], ImportReport()))


def test_every_clip_is_the_manifest_s(clips: list[Clip], manifest: dict[str, dict[str, str]]) -> None:
    assert len(clips) == len(manifest) == 861
    assert len({clip.name for clip in clips}) == 861
    assert [clip.name for clip in clips[:3]] == ["a1_s1_t1", "a1_s1_t2", "a1_s1_t3"]
    assert clips[-1].name == "a27_s8_t3"
    for clip in clips:
        row, (track,) = manifest[clip.name], clip.tracks
        assert clip.label == int(row["action"]) - 1
        assert clip.subject == int(row["subject"])
        assert clip.length == int(row["frames"]) == len(track.joints) == len(track.valid)
        assert track.joints.dtype == np.float32
        assert track.valid.all()
        mean = track.joints.mean((0, 1), dtype=np.float64)
        np.testing.assert_allclose(mean, [float(row[f"mean_{axis}"]) for axis in "xyz"], atol=1e-5)


def test_first_clip_is_a_right_arm_swipe_of_an_upright_body(clips: list[Clip]) -> None:
    joints = clips[0].tracks[0].joints
    travel = np.ptp(joints, axis=0).max(-1)
    assert travel[LAYOUT.joint("right_hand")] > 5 * travel[LAYOUT.joint("left_hand")]
    assert (joints[:, LAYOUT.joint("head"), 1] > joints[:, LAYOUT.joint("left_foot"), 1] + 1).all()


def test_prepared_dataset_has_the_official_split(
    shared: Path, tmp_path: Path, manifest: dict[str, dict[str, str]]
) -> None:
    prepare(BENCHMARK, [shared / "data/utd_mhad/utd_mhad.raw.tar.xz"], tmp_path)
    dataset = open_benchmark(BENCHMARK, tmp_path)
    split = BENCHMARK.split()
    for part, count in (("train", 431), ("test", 430)):
        names = set(dataset.names[split.part(dataset, part)])
        assert names == {name for name, row in manifest.items() if row["xsub"] == part}
        assert len(names) == count
    held, fit = split.part(dataset, "validation"), split.part(dataset, "fit")
    assert set(dataset.subjects[held]) == {7}
    assert set(dataset.subjects[fit]) == {1, 3, 5}


def test_layout_and_classes() -> None:
    assert LAYOUT.parents == (1, 2, 3, -1, 1, 4, 5, 6, 1, 8, 9, 10, 3, 12, 13, 14, 3, 16, 17, 18)
    assert len(LAYOUT.swaps) == 8
    assert sorted(joint for part in LAYOUT.parts.values() for joint in part) == list(range(20))
    assert len(set(CLASSES)) == 27


@pytest.mark.parametrize("packed", [True, False])
def test_a_clip_keeps_every_number(packed: bool, tmp_path: Path) -> None:
    (clip,) = imported(tmp_path, mat(packed, other="text", d_skel=GOOD, more=np.eye(3)))
    assert (clip.name, clip.label, clip.subject, clip.length) == ("a3_s2_t1", 2, 2, 7)
    assert np.array_equal(clip.tracks[0].joints, GOOD.transpose(2, 0, 1).astype(np.float32))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "u2", "i4", "u8"])
def test_arrays_are_read_as_scipy_reads_them(kind: str, packed: bool) -> None:
    for shape in [(20, 3, 4), (2, 3), (1, 1), (3, 2, 1, 2), (0, 3)]:
        array = (np.random.default_rng(0).normal(size=shape) * 9).astype(kind)
        content = mat(packed, short=array)
        ours, theirs = matlab5.read_array(content, "short", "x"), scipy.io.loadmat(io.BytesIO(content))["short"]
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)
        assert ours.shape == theirs.shape


def test_integers_in_disguise_are_read() -> None:
    """MATLAB stores doubles that hold small integers as bytes; so do we here, by hand."""
    flags = struct.pack("<IIII", 6, 8, 6, 0)
    shape = struct.pack("<IIiiii", 5, 12, 2, 1, 3, 0)
    body = flags + shape + struct.pack("<HH4s", 1, 1, b"x") + struct.pack("<II6b2x", 1, 6, *range(6))
    content = b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x100) + b"IM" + struct.pack("<II", 14, len(body)) + body
    assert np.array_equal(matlab5.read_array(content, "x", "x").ravel("F"), np.arange(6.0))
    assert np.array_equal(scipy.io.loadmat(io.BytesIO(content))["x"].ravel("F"), np.arange(6.0))


def changed(value: float) -> np.ndarray[Any, Any]:
    array = GOOD.copy()
    array[4, 1, 5] = value
    return array


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, this is text\n" * 40, "header"),
        (b"\x89HDF\r\n\x1a\n" + bytes(1000), "version 7.3"),
        (mat(d_skel=GOOD)[:128], "truncated"),
        (mat(d_skel=GOOD)[:131], "truncated"),
        (mat(d_skel=GOOD)[:600], "truncated"),
        (mat(d_skel=GOOD)[:-1], "truncated"),
        (mat(packed=False, d_skel=GOOD)[:600], "truncated"),
        (mat(skeleton=GOOD), "no variable 'd_skel' (it has: 'skeleton')"),
        (mat(d_skel="text"), "text, not a numeric array"),
        (mat(d_skel={"a": 1}), "a structure"),
        (mat(d_skel=np.array([1.0, "x"], object)), "a cell array"),
        (mat(d_skel=GOOD + 1j), "complex"),
        (mat(d_skel=GOOD[:19]), "shape (19, 3, 7), expected (20, 3, T)"),
        (mat(d_skel=GOOD.transpose(2, 0, 1)), "expected (20, 3, T)"),
        (mat(d_skel=GOOD[None]), "expected (20, 3, T)"),
        (mat(d_skel=GOOD[..., :0]), "at least one frame"),
        (mat(d_skel=np.eye(4)), "expected (20, 3, T)"),
        (mat(d_skel=changed(np.nan)), "joint left_shoulder of frame 5"),
        (mat(d_skel=changed(np.inf)), "joint left_shoulder of frame 5"),
        (mat(d_skel=changed(-np.inf)), "joint left_shoulder of frame 5"),
        (mat(d_skel=changed(1e200)), "within 100 m"),
    ],
)
def test_bad_files_are_refused_by_name(content: bytes, words: str, tmp_path: Path) -> None:
    assert words in refused(tmp_path, content)


@pytest.mark.parametrize("name", ["a28_s1_t1", "a0_s1_t1", "a1_s9_t1", "a01_s1_t1", "b1_s1_t1", "a1_s1_t1_old", "x"])
def test_foreign_names_are_refused(name: str, tmp_path: Path) -> None:
    assert "not named like" in refused(tmp_path, mat(d_skel=GOOD), f"{name}_skeleton.mat")


def test_single_frame_is_a_clip(tmp_path: Path) -> None:
    (clip,) = imported(tmp_path, mat(d_skel=GOOD[..., :1]))
    assert clip.length == 1


def test_other_files_of_the_dataset_may_lie_beside(tmp_path: Path) -> None:
    (tmp_path / "a3_s2_t1_inertial.mat").write_bytes(b"not read")
    assert len(imported(tmp_path, mat(d_skel=GOOD))) == 1


def test_wrong_folder_names_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "movie.avi").touch()
    with pytest.raises(DataError, match=r"'_skeleton.mat'.*1 \.avi"):
        imported(tmp_path)


def test_an_incomplete_source_leaves_nothing_behind(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a3_s2_t1_skeleton.mat").write_bytes(mat(d_skel=GOOD))
    with pytest.raises(DataError, match="found 1 clips, expected 861"):
        prepare(BENCHMARK, [source], tmp_path / "root")
    (source / "a3_s2_t2_skeleton.mat").write_bytes(mat(d_skel=GOOD)[:500])
    with pytest.raises(DataError, match="a3_s2_t2"):
        prepare(BENCHMARK, [source], tmp_path / "root")
    assert not [path for path in (tmp_path / "root").rglob("*") if path.is_file() and path.stat().st_size]


@pytest.mark.parametrize("elements", [1, 10])
def test_zip_bomb_in_a_file_is_refused_within_bounds(elements: int, tmp_path: Path) -> None:
    unpacked = (300 << 20) // elements
    packed = zlib.compress(struct.pack("<II", 1, unpacked - 8) + bytes(unpacked - 8), 1)
    content = mat(d_skel=GOOD)[:128] + (struct.pack("<II", 15, len(packed)) + packed) * elements
    tracemalloc.start()
    try:
        message = refused(tmp_path, content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "expand to more than" in message
    assert peak < 200 << 20


@pytest.mark.parametrize("packed", [True, False])
def test_mutated_files_raise_nothing_but_their_own_error(packed: bool, tmp_path: Path) -> None:
    content, rng, faults, began = mat(packed, d_skel=GOOD), np.random.default_rng(11), 0, time.monotonic()
    for _ in range(300):
        broken = bytearray(content)
        for _ in range(rng.integers(1, 6)):
            # most bytes of an unpacked file are coordinates: aim at its headers half of the time
            at = rng.integers(len(broken) if rng.random() < 0.5 else 200)
            broken[at] = rng.integers(256)
        if rng.random() < 0.25:
            broken = broken[: rng.integers(len(broken))]
        try:
            imported(tmp_path, bytes(broken))
        except SslskelError as fault:
            faults += "a3_s2_t1_skeleton.mat" in str(fault)
    assert faults > 100
    assert time.monotonic() - began < 30
