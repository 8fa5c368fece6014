"""Every overlap that is known of the ten recorded datasets is found, and nothing else that matters."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_sets import shared_frames

from sslskel import BENCHMARKS
from sslskel.data.prepare import open_benchmark, prepare

FOLDERS = {
    "bandai2": "bandai2_sub350",
    "cad60": "cad60_w90",
    "florence3d": "florence3d",
    "hdm05_11": "hdm05_11",
    "irds": "irds_188",
    "isl30": "isl30_kinect",
    "kard": "kard",
    "nuisi": "nuisi_v1",
    "nw_ucla": "nw_ucla",
    "utd_mhad": "utd_mhad",
}
MATTER = {
    "irds": {("217_18_0_2_2_wheelchair", "217_18_1_1_1_wheelchair")},
    "isl30": {("bye_s05_r7", "bye_s05_r9")},
    "utd_mhad": {("a23_s6_t1", "a23_s6_t2"), ("a24_s4_t1", "a25_s4_t1")},
}
"""Pairs with long runs; NW-UCLA has its own list."""

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", FOLDERS)
def test_all_shared_frames_of_a_benchmark_are_found(name: str, shared: Path, tmp_path: Path) -> None:
    """Against a comparison of all frames, bit by bit."""
    benchmark, folder = BENCHMARKS.get(name), FOLDERS[name]
    prepare(benchmark, [shared / "data" / folder / f"{folder}.raw.tar.xz"], tmp_path)
    dataset = open_benchmark(benchmark, tmp_path)
    names = dataset.names.tolist()
    pairs = {tuple(sorted((names[one.first], names[one.second]))): one for one in dataset.copies()}
    assert pairs.keys() == shared_frames(dataset).keys()
    copies = {key for key, one in pairs.items() if one.frames >= 5 or dataset.lengths[one.first] == 1}
    if name == "nw_ucla":
        listed = (shared / "data/nw_ucla/test_files_identical_to_train.txt").read_text(encoding="utf-8").split()
        copied = dataset.names[benchmark.split("xview").copied(dataset)]
        assert sorted(copied) == sorted(file.removesuffix(".json") for file in listed)
        clean = [benchmark.split(split).part(dataset, "test").tolist() for split in ("xview-clean", "xview_clean")]
        assert clean[0] == clean[1]
    else:
        assert copies == MATTER.get(name, set())
        for split in benchmark.splits.values():
            assert not len(split.copied(dataset)), split.name
