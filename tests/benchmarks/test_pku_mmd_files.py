"""Files of PKU-MMD that are damaged, missing or foreign: left out by name, or refused with file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pku_mmd_files import LIST, PHASES, prepared, write_source

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip
from sslskel.benchmarks.common.pku_mmd.text import read_actions, read_frames, read_list
from sslskel.benchmarks.pku_mmd1 import BENCHMARK, PHASE
from sslskel.benchmarks.pku_mmd2 import BENCHMARK as SECOND
from sslskel.data.prepare import prepare
from sslskel.data.sources.archives import SourceFile
from sslskel.errors import DataError, SslskelError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source")


def imported(source: Path) -> tuple[list[Clip], ImportReport]:
    report = ImportReport()
    return list(BENCHMARK.read([source], report)), report


def test_a_recording_that_lacks_a_file_is_dropped_by_name(root: Path) -> None:
    (root / "label/0011-L.txt").unlink()
    (root / "skeleton/0012-M.txt").unlink()
    (root / "cross-view.txt").write_text(LIST.replace("0011-R", "0011-R, 0099-L"))
    clips, report = imported(root)
    assert [clip.name for clip in clips] == ["0011-R"]
    assert report.dropped == {
        "0011-L": "it has a skeleton file but no label file",
        "0012-M": "it has a label file but no skeleton file",
        "0099-L": "cross-view.txt names it, but the source has no file of it",
    }


def test_a_damaged_recording_is_left_out_with_its_fault(root: Path, tmp_path: Path) -> None:
    (root / "label/0012-M.txt").write_text("99,1,5,2\n")
    with pytest.raises(DataError, match="class 99"):
        prepare(PHASES[1], [root], tmp_path / "data", strict=True)
    dataset = prepared(PHASES[1], [root], tmp_path / "data")
    assert sorted(dataset.report()["faults"]) == ["0012-M"]
    assert dataset.names.tolist() == ["0011-L_0", "0011-L_1", "0011-R_0", "0011-R_1"]


def test_negative_frames_lose_their_own_clip_alone(root: Path, tmp_path: Path) -> None:
    (root / "label/0011-L.txt").write_text("3,-4,10,2\n4,12,30,1\n5,3,-1,2\n")
    dataset = prepared(PHASES[1], [root], tmp_path / "data")
    assert "0011-L_1" in dataset.names
    assert len(dataset) == 5
    assert dataset.report()["dropped"] == dict.fromkeys(
        ["0011-L_0", "0011-L_2"], "a frame of its annotation is negative"
    )


def test_a_recording_without_a_usable_annotation_gives_no_clip(root: Path, tmp_path: Path) -> None:
    (root / "label/0011-L.txt").write_text("3,-4,10,2\n")
    (root / "label/0012-M.txt").write_text("")
    clips, report = imported(root)
    assert [clip.name for clip in clips] == ["0011-R"]
    assert report.dropped["0011-L"] == report.dropped["0012-M"] == "none of its annotations can be used"


def line(frames: str, number: int, text: str) -> str:
    lines = frames.splitlines(keepends=True)
    lines[number - 1] = text
    return "".join(lines)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("skeleton/0011-L.txt", "", "is empty"),
        ("skeleton/0011-L.txt", lambda t: line(t, 7, "1 2 3\n"), "line 7 has 3 numbers, not 150"),
        ("skeleton/0011-L.txt", lambda t: t.replace(" 0.000000", " x", 1), "line 1, number 76 is no position"),
        ("skeleton/0011-L.txt", lambda t: t.replace(" 0.000000", " nan", 1), "within 1000 m: 'nan'"),
        ("skeleton/0011-L.txt", lambda t: t.replace(" 0.000000", " 1e30", 1), "within 1000 m: '1e30'"),
        ("skeleton/0011-L.txt", "é", "no plain text"),
        ("skeleton/0011-L.txt", lambda t: line(t, 3, " 0" * 9000 + "\n"), "line 3 has 18,000 characters"),
        ("label/0011-L.txt", "1,1,5,2\n" * 140_000, "more than the 1,048,576"),
        ("label/0011-L.txt", "0,1,5,2\n", "line 1 has class 0"),
        ("label/0011-L.txt", "1,1,5,2\n\n52,1,5,2\n", "line 3 has class 52"),
        ("label/0011-L.txt", "1,1,5\n", "not four whole numbers"),
        ("label/0011-L.txt", "1,1.5,5,2\n", "not four whole numbers"),
        ("label/0011-L.txt", "-1,1,5,2\n", "line 1 has class -1"),
        ("label/0011-L.txt", "1,1,nan,2\n", "not four whole numbers"),
        ("cross-view.txt", "0011-L\n", "line 1 has '0011-L', not a heading"),
        ("cross-view.txt", LIST.replace("0012-M", "0012-X"), "line 2 has '0012-X'"),
        ("cross-view.txt", LIST.replace("0011-R", "0011-L"), "has 0011-L among the training videos and"),
        ("cross-view.txt", "Training videos:\n0011-L\n", "has not both lists"),
        ("cross-view.txt", "Validataion videos:\n0011-L\n", "in the wrong place"),
    ],
)
def test_bad_files_are_refused_by_name_and_line(root: Path, file: str, text: Any, words: str) -> None:
    path = root / file
    path.write_text(text(path.read_text()) if callable(text) else text)
    with pytest.raises(DataError) as fault:
        imported(root)
    assert words in str(fault.value)
    assert file in str(fault.value)
    assert "\n" not in str(fault.value)


def test_incomplete_and_foreign_sources_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no skeleton file like skeleton/A03N05-L\.txt of phase 2; it has 6 other"):
        list(SECOND.read([root], ImportReport()))
    (root / "cross_view.txt").write_text(LIST)
    with pytest.raises(DataError, match="split xview has two lists"):
        imported(root)
    (root / "cross_view.txt").unlink()
    (root / "cross-view.txt").unlink()
    with pytest.raises(DataError, match=r"no list cross-view\.txt"):
        imported(root)
    (root / "label").rename(root / "actions")
    with pytest.raises(DataError, match="may be skeletons or labels"):
        imported(root)


def test_the_malformed_roots_of_the_golden_set(shared: Path) -> None:
    folder = shared / "ntu_golden/malformed/pku"
    clips, _ = imported(folder / "one_annotation")
    assert [segment.clip for clip in clips for segment in clip.segments] == ["0050-L_0"]
    for name, words in (
        ("line_of_149", "skeleton/0050-L.txt' line 10 has 149 numbers"),
        ("non_numeric", "line 1, number 76"),
        ("empty_skeleton", "is empty"),
        ("label_missing", "no label file"),
        ("class_0", "class 0"),
        ("class_52", "class 52"),
    ):
        with pytest.raises(DataError) as fault:
            imported(folder / name)
        assert words in str(fault.value)


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """Some bytes changed, cut out or doubled, and now and then the end cut off."""
    broken = bytearray(content)
    for _ in range(generator.integers(1, 6)):
        at, size = int(generator.integers(len(broken) or 1)), int(generator.integers(1, 9))
        match generator.integers(3):
            case 0:
                broken[at : at + 1] = generator.bytes(1)
            case 1:
                del broken[at : at + size]
            case _:
                broken[at:at] = broken[at : at + size]
    return bytes(broken[: generator.integers(len(broken))] if generator.random() < 0.2 else broken)


@pytest.mark.parametrize("count", [300, pytest.param(2000, marks=pytest.mark.long)])
def test_mutated_files_raise_nothing_but_their_own_error(count: int, root: Path) -> None:
    generator, faults = np.random.default_rng(17), 0
    frames = b"".join((root / "skeleton/0011-L.txt").read_bytes().splitlines(keepends=True)[:3])
    readers = [
        (frames, lambda file: np.isfinite(read_frames(file)).all()),
        (b"3,0,10,2\r\n4,12,30,1\r\n", lambda file: all(1 <= a.label <= 51 for a in read_actions(file))),
        (LIST.encode(), lambda file: bool(read_list(file, PHASE.video).training)),
    ]
    for turn in range(count):
        content, reader = readers[turn % 3]
        content = mutated(content, generator)
        try:
            assert reader(SourceFile("x.txt", "x.txt", "x.txt", lambda content=content: content))  # type: ignore[misc]
        except SslskelError as fault:
            faults += "'x.txt'" in str(fault) or pytest.fail(str(fault))
    assert faults > count / 3
