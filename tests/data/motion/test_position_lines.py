"""Text files of positions: both forms, every fault by file and line, and mutated files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_sets import frame_lines, joint_lines, moving

from sslskel.data.motion.position_lines import BLOCK, PositionLines
from sslskel.data.sources.archives import source_files
from sslskel.errors import DataError, SslskelError

PER_FRAME = PositionLines(joints=4, persons=2)
PER_JOINT = PositionLines(joints=4, line_per_joint=True, metres=0.001)
GOOD = moving(8, 5)


def read(form: PositionLines, folder: Path, content: str | bytes) -> np.ndarray:
    (folder / "clip.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with source_files([folder], (".txt",)) as (file,):
        return form.read(file)


def refused(form: PositionLines, folder: Path, content: str | bytes) -> str:
    with pytest.raises(DataError) as fault:
        read(form, folder, content)
    assert "clip.txt" in str(fault.value)
    assert "\n" not in str(fault.value)
    return str(fault.value)


def test_lines_of_frames_are_persons_by_joints(tmp_path: Path) -> None:
    assert np.array_equal(read(PER_FRAME, tmp_path, frame_lines(GOOD)), GOOD)
    assert np.array_equal(read(PER_FRAME, tmp_path, frame_lines(GOOD).replace("\n", " \r\n\r\n")), GOOD)
    commas = PositionLines(joints=8, delimiter=",")
    assert np.array_equal(read(commas, tmp_path, frame_lines(GOOD, ",")), GOOD)


def test_lines_of_joints_are_scaled_to_metres(tmp_path: Path) -> None:
    frames = moving(4, 2 * BLOCK, unit=1000)
    assert np.array_equal(read(PER_JOINT, tmp_path, joint_lines(frames)), frames * 0.001)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty, not one line of numbers per frame"),
        ("\n \n", "is empty"),
        (b"\xff\xfe1", "no plain text (byte 0)"),
        (frame_lines(GOOD)[:-20], "line 5 has 22 numbers, not 24 (2 persons, 4 joints, x y z)"),
        (frame_lines(GOOD) + "\n1 2\n", "line 7 has 2 numbers, not 24"),
        (frame_lines(GOOD).replace(" ", " x", 1), "line 1, number 2 is no position within 100 m: 'x"),
        (frame_lines(GOOD).replace("\n", "\nnan ", 1), "line 2 has 25 numbers"),
        (frame_lines(np.full((2, 8, 3), np.nan)), "line 1, number 1 is no position within 100 m: 'nan'"),
        (frame_lines(np.full((2, 8, 3), -100.1)), "line 1, number 1 is no position"),
        (" 0" * 9000, "line 1 has 18,000 characters, as no frame has"),
        ("1_0 " * 24, "line 1, number 1 is no position within 100 m: '1_0'"),
    ],
)
def test_faults_of_lines_of_frames(content: str | bytes, words: str, tmp_path: Path) -> None:
    assert words in refused(PER_FRAME, tmp_path, content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty, not one line of numbers per joint"),
        (joint_lines(moving(4))[:-1] + " 5\n", "line 12 has 4 numbers, not 3 (x y z of a joint)"),
        (joint_lines(moving(4)) + "1 2 3\n", "has 13 lines of numbers, not a multiple of the 4 joints of a frame"),
        ("1 2 100001\n" * 4, "line 1, number 3 is no position within 100 m: '100001'"),
    ],
)
def test_faults_of_lines_of_joints(content: str, words: str, tmp_path: Path) -> None:
    assert words in refused(PER_JOINT, tmp_path, content)


@pytest.mark.parametrize("form", [PER_FRAME, PER_JOINT])
def test_mutated_files_raise_nothing_but_their_own_error(form: PositionLines, tmp_path: Path) -> None:
    content = (joint_lines if form.line_per_joint else frame_lines)(GOOD).encode()
    generator, faults = np.random.default_rng(7), 0
    for _ in range(200):
        broken = bytearray(content)
        for _ in range(generator.integers(1, 4)):
            broken[generator.integers(len(broken))] = generator.integers(256)
        if generator.random() < 0.2:
            del broken[generator.integers(len(broken)) :]
        try:
            assert np.isfinite(read(form, tmp_path, bytes(broken))).all()
        except SslskelError as fault:
            faults += "clip.txt" in str(fault)
    assert faults > 50
