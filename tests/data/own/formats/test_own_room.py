"""Small files that stand for much: tables of many persons, motion in one line, MATLAB cells in cells, packed arrays."""

from __future__ import annotations

import os
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from own_sets import CHAIN, write_set, write_table

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.formats.bvh import read_bvh
from sslskel.data.own.formats.kind import Shelf, Source
from sslskel.data.own.formats.mat_check import MOST_MATRICES, check_mat
from sslskel.data.own.formats.table import read
from sslskel.data.own.importing import import_dataset
from sslskel.data.own.sets.pyskl import read_annotations
from sslskel.errors import DataError

BODY = SkeletonLayout("chain", tuple(f"j{number}" for number in range(25)), tuple(range(-1, 24)), 0)


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < 15


def long_table(path: Path, rows: Any, head: str = "frame,person,joint,x,y") -> Source:
    path.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]))
    return Source(path, BODY)


def test_a_person_in_every_frame_of_a_table_is_refused(tmp_path: Path) -> None:
    rows = [(place, place, f"j{place % 25}", 1, 2) for place in range(8000)]
    with pytest.raises(DataError, match=r"8,000 persons in 8,000 frames would take 25,600,000,000 bytes"):
        read(long_table(tmp_path / "a.csv", rows))
    wide = ",".join(f"j{joint}_{axis}" for joint in range(25) for axis in "xy")
    rows = [(place, place, *[1] * 50) for place in range(8000)]
    with pytest.raises(DataError, match="8,000 persons in 8,000 frames"):
        read(long_table(tmp_path / "b.csv", rows, f"frame,person,{wide}"))


def test_a_body_in_every_frame_of_a_detector_is_refused(tmp_path: Path) -> None:
    body = '{"joint_positions": [' + ",".join(["[1,2,3]"] * 25) + '], "body_id": %d}'
    frames = ",".join(f'{{"bodies": [{body % place}]}}' for place in range(4000))
    (tmp_path / "a.json").write_text(f'{{"frames": [{frames}]}}')
    with pytest.raises(DataError, match="4,000 persons in 4,000 frames"):
        read(Source(tmp_path / "a.json", BODY))


def test_times_with_a_gap_after_every_second_row_are_refused(tmp_path: Path) -> None:
    rows = [(place // 2 * 1e6 + place % 2 * 1e-3, *[1] * 75) for place in range(4000)]
    head = "time," + ",".join(f"j{joint}_{axis}" for joint in range(25) for axis in "xyz")
    with pytest.raises(DataError, match=r"so unevenly that .* frames or more would be missing"):
        read(long_table(tmp_path / "a.csv", rows, head))


def test_joints_in_digits_of_other_scripts_are_a_sentence(tmp_path: Path) -> None:
    for word in ("\u00b2", "\u0664", "9" * 5000):
        rows = [(0, 0, word, 1, 2), (1, 0, word, 1, 2)]
        with pytest.raises(DataError, match=r"no row is of joint|joints are numbered"):
            read(long_table(tmp_path / "a.csv", rows))


def test_fields_of_many_letters_are_a_sentence(tmp_path: Path) -> None:
    head = ",".join(f"j{joint}_{axis}" for joint in range(25) for axis in "xy")
    fields = '"1",' * 49 + '"' + "9" * 200_000 + '"'
    for text, line in ((f"{'x' * 200_000},y\n1,2", 1), (f"{head}\n{fields}", 2)):
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(DataError, match=rf"line {line}: this is not CSV \(field larger than field limit"):
            read(Source(tmp_path / "a.csv", BODY))


def test_a_line_of_a_million_words_is_refused_soon(tmp_path: Path) -> None:
    for text in ("HIERARCHY ROOT " + "a " * 10**6, "HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 0 " + "JOINT " * 10**6):
        (tmp_path / "a.bvh").write_text(text)
        with pytest.raises(DataError, match=r"letters, where at most 200 were expected|expected"):
            read_bvh(tmp_path / "a.bvh")


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(kind: int, rows: int, rest: bytes = b"", name: bytes = b"") -> bytes:
    body = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<ii", rows, 1)) + element(1, name) + rest
    return struct.pack("<II", 14, len(body)) + body


def mat_file(path: Path, variable: bytes, packed: bool) -> Path:
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    path.write_bytes(head + (element(15, zlib.compress(variable, 9)) if packed else variable))
    return path


def cells_in_cells(depth: int) -> bytes:
    """Cells of which each holds the next one; sizes are those of the first, as scipy does not believe them."""
    inner = matrix(6, 1, element(9, struct.pack("<d", 1)))
    start = matrix(1, 1)
    return matrix(1, 1, name=b"x") + start * depth + inner


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        (cells_in_cells(100_000), "more than 50 levels of cells and structures"),
        (matrix(1, 2**31 - 1, name=b"x"), "cells, structures or letters in one array"),
        (
            matrix(2, 2**31 - 1, element(5, struct.pack("<i", 8)) + element(1, b""), b"x"),
            "cells, structures or letters",
        ),
        (matrix(4, 2**31 - 1, element(1, b""), b"x"), "cells, structures or letters"),
        (matrix(1, 2 * 10**6, element(14, b"") * 2 * 10**6, b"x"), "cells, structures or letters"),
        (matrix(1, MOST_MATRICES, element(14, b"") * MOST_MATRICES, b"x"), "more than 1,000,000 of them"),
        (matrix(1, 3, matrix(6, 1), b"x"), "a variable ends in the middle"),
        (matrix(77, 1, b"", b"x"), "unknown class 77"),
    ],
)
def test_matlab_files_that_stand_for_much_are_refused(
    variable: bytes, reason: str, packed: bool, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=reason):
        read(Source(mat_file(tmp_path / "a.mat", variable, packed), BODY, key="x"))


def test_matlab_numbers_that_unpack_to_much_are_refused(tmp_path: Path) -> None:
    numbers = matrix(6, 2**24, element(9, bytes(2**27)), b"x")
    with pytest.raises(DataError, match="decompresses to more than 200 times its size"):
        read(Source(mat_file(tmp_path / "a.mat", numbers, True), BODY, key="x"))
    assert read(Source(mat_file(tmp_path / "a.mat", numbers, False), BODY, key="x")).array.shape == (2**24, 1)


@pytest.mark.parametrize("packed", [False, True])
def test_what_scipy_writes_passes(packed: bool, tmp_path: Path) -> None:
    cells = np.empty((1, 3), object)
    cells[0] = [np.zeros((0, 0)), np.ones((2, 3), np.int8), "text"]
    content = {
        "a": np.ones((3, 4)) + 1j,
        "b": cells,
        "c": {"d": {"e": cells, "f": True}, "a_field_with_a_name": np.float32(2)},
        "g": np.array([(1, "x"), (2, "yy")], [("n", "i4"), ("t", object)]),
        "h": scipy.sparse.csc_matrix(np.eye(3)),
        "i": "some text",
        "j": np.zeros((0, 3)),
        "k": [],
    }
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, content, do_compression=packed)
    check_mat(path)
    assert set(content) < set(scipy.io.loadmat(path))
    scipy.io.savemat(path, {"a": np.ones(3)}, format="4")
    check_mat(path)


def test_elements_of_types_that_scipy_does_not_know_are_refused(tmp_path: Path) -> None:
    """Such a type ended the process: scipy takes it for a place in a table of its own."""
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"x": np.ones((2, 3)), "text": "some words"})
    sound = path.read_bytes()
    for at in (sound.index(struct.pack("<II", 9, 48)), sound.index(b"some words") - 8):
        for kind in (0, 8, 10, 0x1009, 0xFFFF):
            path.write_bytes(sound[:at] + struct.pack("<I", kind) + sound[at + 4 :])
            with pytest.raises(DataError, match=r"a\.mat' is damaged .*an element is of type"):
                read(Source(path, BODY, key="x"))


def test_an_array_that_is_read_backwards_is_unpacked_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips, shelf = np.arange(24.0).reshape(6, 2, 2), Shelf()
    np.savez_compressed(tmp_path / "a.npz", x=clips)
    opened, real = [], zipfile.ZipFile.open

    def counted(archive: zipfile.ZipFile, *arguments: Any) -> Any:
        opened.append(arguments)
        return real(archive, *arguments)

    monkeypatch.setattr(zipfile.ZipFile, "open", counted)
    for number in (*range(5, -1, -1), *range(6)):
        source = Source(tmp_path / "a.npz", BODY, key="x", index=number, shelf=shelf)
        assert np.array_equal(read(source).array, clips[number])
    with pytest.raises(DataError, match="index 6 is not among its 6 elements"):
        read(Source(tmp_path / "a.npz", BODY, key="x", index=6, shelf=shelf))
    assert len(opened) <= 6


@pytest.mark.long
def test_thirty_thousand_subjects_are_split_soon(root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN)
    rows = [[f"lost{number}.npy", "sit", f"s{number}"] for number in range(30_000)]
    arguments["clips"] = write_table(tmp_path, rows)
    with pytest.raises(DataError, match=r"clip 'lost0' .* does not exist"):
        import_dataset("mine", **arguments, strict=True)


def test_splits_that_name_thirty_thousand_other_clips_are_refused_soon() -> None:
    names = [f"clip{number}" for number in range(30_000)]
    annotations = [{"frame_dir": name, "label": 0, "keypoint": np.zeros((1, 1, 1, 2))} for name in names]
    splits = {"xsub_train": [f"{name}.avi" for name in names], "xsub_val": names[:1]}
    with pytest.raises(DataError, match="30000 names of split"):
        read_annotations([(Path("a.pkl"), {"annotations": annotations, "split": splits})], [])


@pytest.mark.parametrize("ending", ["npy", "npz", "mat", "csv", "bvh", "amc", "skeleton", "json"])
def test_pipes_among_clips_are_not_waited_for(ending: str, root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN)
    os.mkfifo(tmp_path / f"pipe.{ending}")
    os.mkfifo(tmp_path / "one.asf")
    arguments["clips"] = write_table(tmp_path, [[f"pipe.{ending}", "sit", "s0"], ["c1.npy", "stand", "s1"]])
    with pytest.raises(DataError, match=r"pipe or a device, where a file was expected|it is a pipe"):
        import_dataset("mine", **arguments, strict=True)
    if ending in ("bvh", "amc"):
        with pytest.raises(DataError, match="it is a pipe"):
            import_dataset("mine", clips=arguments["clips"])


def test_pipes_in_a_folder_of_frames_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a_000_keypoints.json")
    with pytest.raises(DataError, match="it is a pipe"):
        read(Source(tmp_path, BODY))
