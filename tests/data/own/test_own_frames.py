"""``begin`` and ``end`` count what the file counts, and whatever is cut, thinned or empty is told in numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_cases import dense
from own_sets import CHAIN, opened, write_layout, write_set, write_table

from sslskel.data.own.importing import import_dataset
from sslskel.errors import DataError

HEAD = [f"j{joint}_{axis}" for joint in range(13) for axis in "xyz"]
BODY = np.round(np.random.default_rng(0).normal(5, 1, (40, 13, 3)), 3)


def table(folder: Path, first: list[str], columns: list[list[float]], rows: list[int]) -> Path:
    """A CSV of some frames of BODY behind columns of its own."""
    lines = [",".join([*first, *HEAD])]
    for row, values in zip(rows, columns, strict=True):
        lines.append(",".join(map(repr, [*values, *BODY[row].ravel().tolist()])))
    path = folder / "c.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def imported(folder: Path, begin: str, end: str, *overrides: str) -> tuple[np.ndarray, list[str]]:
    """The one clip (T, V, C) of a set of two equal ones that are cut alike, and the notes."""
    rows = [["c.csv", f"{word}", "sit", word, begin, end] for word in ("a", "b")]
    clips = write_table(folder, rows, "file,name,label,subject,begin,end")
    import_dataset("mine", clips=clips, layout=write_layout(folder, CHAIN), overrides=overrides)
    dataset = opened()[1]
    return dense(dataset, 0)[0], dataset.report()["notes"]


def test_frame_numbers_with_gaps(root: Path, tmp_path: Path) -> None:
    rows = [*range(10), *range(15, 40)]
    table(tmp_path, ["frame"], [[1000 + row] for row in rows], rows)
    clip, notes = imported(tmp_path, "1005", "1020")
    assert len(clip) == 15
    assert np.array_equal(clip[:5], BODY[5:10].astype(np.float32))
    assert not clip[5:10].any()
    assert np.array_equal(clip[10:], BODY[15:20].astype(np.float32))
    told = " ".join(notes)
    assert "50 of 80 frames lie outside begin and end of 2 clips (column 'frame' counts them)" in told
    assert "10 frames are missing" in told
    assert "10 frames inside clips have no person" in told


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        ("0", "5", "has the frames 1000 to 1039"),
        ("1030", "1041", "asks for 1030 to 1041"),
        ("1000.5", "1010", "begin is 1000.5"),
    ],
)
def test_frames_that_the_file_does_not_have(root: Path, tmp_path: Path, begin: str, end: str, words: str) -> None:
    table(tmp_path, ["frame"], [[1000 + row] for row in range(40)], list(range(40)))
    with pytest.raises(DataError, match=words):
        imported(tmp_path, begin, end)


def test_times_count_where_no_frame_is_numbered(root: Path, tmp_path: Path) -> None:
    rows = [row for row in range(40) if row not in (20, 21)]
    table(tmp_path, ["timestamp"], [[5000 + 40 * row] for row in rows], rows)
    clip, notes = imported(tmp_path, "5400", "6000.5")
    # 25 frames per second in milliseconds; frames 10 to 25, of which two are missing.
    assert opened()[1].info.fps == 25
    assert len(clip) == 16
    assert np.array_equal(clip[0], BODY[10].astype(np.float32))
    assert not clip[10:12].any()
    assert np.array_equal(clip[12], BODY[22].astype(np.float32))
    assert "column 'timestamp' counts them" in " ".join(notes)
    with pytest.raises(DataError, match="has the times 5000 to 6560"):
        imported(tmp_path, "10", "20")


def test_files_faster_than_the_set_are_thinned_from_begin_on(root: Path, tmp_path: Path) -> None:
    table(tmp_path, ["frame", "time"], [[row, row / 60] for row in range(40)], list(range(40)))
    clip, notes = imported(tmp_path, "7", "27", "fps=30")
    assert np.array_equal(clip, BODY[7:27:2].astype(np.float32))
    assert "20 frames of 2 clips were left out to come to 30 per second (one of every 2 is kept)" in " ".join(notes)


def test_uneven_times_are_told_and_lose_no_clip(root: Path, tmp_path: Path) -> None:
    table(tmp_path, ["time"], [[row / 22] for row in range(40)], list(range(40)))
    clip, notes = imported(tmp_path, "", "", "fps=30")
    assert len(clip) == 40
    assert "another rate, 22 to 22 per second" in " ".join(notes)


def test_arrays_at_a_stated_rate_are_thinned_too(root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN, recorded_fps="100")
    import_dataset("mine", **arguments)
    assert opened()[1].lengths.tolist() == [2] * 6
    with pytest.raises(DataError, match="100 frames per second, which is not a multiple of 30"):
        import_dataset("mine", **arguments, fps=30)


def test_bvh_is_cut_as_the_file_counts_and_then_thinned(root: Path, tmp_path: Path) -> None:
    head = "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\nJOINT Head\n{\n"
    head += "OFFSET 0 1 0\nCHANNELS 0\nEnd Site\n{\nOFFSET 0 1 0\n}\n}\n}\nMOTION\nFrames: 48\nFrame Time: 0.0083333\n"
    (tmp_path / "c.bvh").write_text(head + "".join(f"{frame} 1 1\n" for frame in range(48)))
    clips = write_table(tmp_path, [["c.bvh", n, "x", n, "10", "31"] for n in "ab"], "file,name,label,subject,begin,end")
    import_dataset("mine", clips=clips, fps=40)
    dataset = opened()[1]
    assert dense(dataset, 0)[0][:, 0, 0].tolist() == [10, 13, 16, 19, 22, 25, 28]
    told = " ".join(dataset.report()["notes"])
    assert "54 of 96 frames lie outside begin and end" in told
    assert "28 frames of 2 clips were left out to come to 40 per second" in told
