"""BVH motion capture: positions against hand-computed ones, layouts and rates of files, and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_sets import write_table

from sslskel.api.skeleton import layout
from sslskel.data.own.formats.bvh import read_bvh
from sslskel.data.own.importing import import_dataset
from sslskel.data.prepare import open_benchmark
from sslskel.errors import DataError
from sslskel.plugins.registry import BENCHMARKS

TEXT = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftLeg
  {
    OFFSET 1 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -2 0
    }
  }
  JOINT RightLeg
  {
    OFFSET -1 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -2 0
    }
  }
}
MOTION
Frames: 4
Frame Time: 0.0083333
10 20 30 0 0 0 0 0 0 0 0 0
10 20 30 90 0 0 0 0 0 0 0 0
0 0 0 0 0 0 0 90 0 0 0 0
0 0 0 90 0 90 0 0 90 0 0 0
"""
ENDS = layout("ends", {"Hips": None, "LeftLeg": "Hips", "LeftLeg_end": "LeftLeg", "RightLeg_end": "Hips"}, "Hips", {})


def written(folder: Path, text: str = TEXT, name: str = "walk.bvh") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_positions_are_those_computed_by_hand(tmp_path: Path) -> None:
    positions = read_bvh(written(tmp_path)).positions(ENDS)
    expected = [
        [[10, 20, 30], [11, 20, 30], [11, 18, 30], [9, 18, 30]],
        # A quarter turn about z: x becomes y, and down becomes right.
        [[10, 20, 30], [10, 21, 30], [12, 21, 30], [12, 19, 30]],
        # The left leg alone turns about x: down becomes backwards.
        [[0, 0, 0], [1, 0, 0], [1, 0, -2], [-1, -2, 0]],
        # The hips: about z, then about their own y, which takes z for x; the leg: about its own y, which moves no y.
        [[0, 0, 0], [0, 0, -1], [2, 0, -1], [2, 0, 1]],
    ]
    assert np.allclose(positions, expected, atol=1e-12)


def test_the_hierarchy_is_the_layout(tmp_path: Path) -> None:
    motion = read_bvh(written(tmp_path))
    body = motion.layout()
    assert body.joints == ("Hips", "LeftLeg", "RightLeg")
    assert body.parents == (-1, 0, 0)
    assert body.swaps == ((1, 2),)
    assert motion.fps == 120


def test_files_become_a_benchmark_at_a_whole_share_of_their_rate(root: Path, tmp_path: Path) -> None:
    for number in range(4):
        written(tmp_path, name=f"c{number}.bvh")
    table = write_table(tmp_path, [[f"c{number}.bvh", "walk", f"s{number}"] for number in range(4)])
    import_dataset("mine", clips=table, fps=60, unit="centimetre")
    dataset = open_benchmark(BENCHMARKS.get("mine"))
    assert dataset.info.layout.joints == ("Hips", "LeftLeg", "RightLeg")
    assert (dataset.info.fps, dataset.lengths.tolist()) == (60, [2] * 4)
    with pytest.raises(DataError, match="not a multiple of 50"):
        import_dataset("mine", clips=table, fps=50, strict=True)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("HIERARCHY", "HIERARCHIE", "line 1"),
        ("OFFSET 1 0 0", "OFFSET 1 0 x", "line 8"),
        ("CHANNELS 3 Zr", "CHANNELS 3 Wr", "line 9"),
        ("Frames: 4", "Frames: 9", "ends after 4 frames, expected 9"),
        ("Frames: 4", "Frames: 0", "no frames"),
        ("Frames: 4", "Frames: 3", "ends after 4 frames, expected 3"),
        ("0.0083333", "0", "line 27"),
        ("10 20 30 90", "10 20 30 9o", "line 29"),
        ("10 20 30 90", "10 20 90", "line 29: 11 numbers, expected 12"),
        ("10 20 30 90", "10 20 30 nan", "line 29"),
        ("RightLeg", "LeftLeg", "is a duplicate or beyond"),
    ],
)
def test_faults_name_the_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_bvh(written(tmp_path, TEXT.replace(old, new, 1)))
    assert "walk.bvh" in str(caught.value)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, len(TEXT)),
    st.integers(0, len(TEXT)),
    st.sampled_from(["", "{", "}", " 9e99 ", "\n", "ö", "JOINT x"]),
)
def test_a_changed_file_is_read_or_refused_in_a_sentence(tmp_path: Path, one: int, other: int, put: str) -> None:
    begin, end = sorted((one, min(other, one + 40)))
    path = written(tmp_path, TEXT[:begin] + put + TEXT[end:])
    refusal = None
    try:
        motion = read_bvh(path)
        assert np.isfinite(motion.positions(motion.layout())).all()
    except DataError as fault:
        refusal = str(fault)
    assert refusal is None or ("walk.bvh" in refusal and "\n" not in refusal)
