"""NW-UCLA: every clip against the manifest, both lists of test clips, and what the importer refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip
from sslskel.benchmarks.nw_ucla import ACTIONS, BENCHMARK, COPIES, LAYOUT
from sslskel.data.prepare import open_benchmark, prepare
from sslskel.data.store.store import StoredDataset
from sslskel.errors import DataError, SslskelError
from sslskel.evaluation.leakage import judged_seen, seen_part

NAME = "a08_s03_e02_v02"
GOOD = np.random.default_rng(3).normal(size=(7, 20, 3)).round(6)


def text(frames: Any = None, **more: Any) -> bytes:
    frames = GOOD.tolist() if frames is None else frames
    return json.dumps({"file_name": NAME, "skeletons": frames, **more}).encode()


def imported(folder: Path, content: bytes | None = None, name: str = f"{NAME}.json") -> list[Clip]:
    if content is not None:
        (folder / name).write_bytes(content)
    return list(BENCHMARK.read([folder], ImportReport()))


def refused(folder: Path, content: bytes, name: str = f"{NAME}.json") -> str:
    with pytest.raises(DataError) as fault:
        imported(folder, content, name)
    message = str(fault.value)
    assert name in message
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def rows(shared: Path) -> dict[str, dict[str, str]]:
    with (shared / "data/nw_ucla/manifest.csv").open() as file:
        return {row["file"].removesuffix(".json"): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def dataset(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> StoredDataset:
    root = tmp_path_factory.mktemp("nw_ucla")
    prepare(BENCHMARK, [shared / "data/nw_ucla/nw_ucla.raw.tar.xz"], root)
    return open_benchmark(BENCHMARK, root)


@pytest.mark.long
def test_every_clip_is_the_manifest_s(dataset: StoredDataset, rows: dict[str, dict[str, str]]) -> None:
    assert sorted(dataset.names) == sorted(rows)
    assert len(dataset) == 1484
    for clip, name in enumerate(dataset.names):
        row = rows[name]
        assert dataset.labels[clip] == int(row["label_1based"]) - 1
        assert (dataset.subjects[clip], dataset.cameras[clip]) == (int(row["subject"]), int(row["view"]))
        first, length = dataset.track_offset[clip], dataset.lengths[clip]
        assert length == int(row["frames"]) == dataset.track_length[clip]
        mean = dataset.joints[first : first + length].mean((0, 1), dtype=np.float64)
        np.testing.assert_allclose(mean, [float(row[f"mean_{axis}"]) for axis in "xyz"], atol=1e-5)


@pytest.mark.long
def test_both_test_lists_have_the_published_sizes(dataset: StoredDataset, shared: Path) -> None:
    full, clean = (BENCHMARK.split(name) for name in ("xview", "xview_clean"))
    assert [len(full.part(dataset, part)) for part in ("train", "test")] == [1020, 464]
    assert [len(clean.part(dataset, part)) for part in ("train", "test")] == [1020, 369]
    listed = (shared / "data/nw_ucla/test_files_identical_to_train.txt").read_text().split()
    left_out = set(dataset.names[full.part(dataset, "test")]) - set(dataset.names[clean.part(dataset, "test")])
    assert left_out == {name.removesuffix(".json") for name in listed}
    assert "95 of the 464" in full.warning
    assert not clean.warning


@pytest.mark.long
def test_no_clean_test_clip_equals_a_training_clip(dataset: StoredDataset) -> None:
    def contents(rows: Any) -> list[bytes]:
        return [
            np.asarray(dataset.joints[dataset.track_offset[row] :][: dataset.lengths[row]]).tobytes() for row in rows
        ]

    clean = BENCHMARK.split("xview_clean")
    trained = set(contents(clean.part(dataset, "train")))
    assert not trained & set(contents(clean.part(dataset, "test")))
    assert len([c for c in contents(BENCHMARK.split("xview").part(dataset, "test")) if c in trained]) == 95


def test_the_report_lists_the_copies(dataset: StoredDataset) -> None:
    (note,) = dataset.report()["notes"]
    assert note.startswith("95 clips of view 3")
    copies = set(dataset.names) & COPIES
    assert len(copies) == 95
    assert all(name in note for name in copies)


def test_pretraining_on_the_copies_is_counted(dataset: StoredDataset) -> None:
    """The leakage guard finds the copies by their frames, though not by their names."""
    for split, copies in (("xview", 95), ("xview_clean", 0)):
        [entry] = judged_seen([seen_part(BENCHMARK, dataset, split, "train")], BENCHMARK, dataset, split)
        assert (entry["clips"], entry["overlap"]) == (1020, copies)


def test_layout_and_classes() -> None:
    assert LAYOUT.parents == (-1, 0, 1, 2, 2, 4, 5, 6, 2, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18)
    assert len(LAYOUT.swaps) == 8
    assert sorted(joint for part in LAYOUT.parts.values() for joint in part) == list(range(20))
    assert list(ACTIONS) == [1, 2, 3, 4, 5, 6, 8, 9, 11, 12]


def test_a_clip_keeps_every_number(tmp_path: Path) -> None:
    frames = GOOD.copy()
    frames[2] = 0
    (clip,) = imported(tmp_path, text(frames.tolist()))
    assert (clip.name, clip.label, clip.subject, clip.camera, clip.length) == (NAME, 6, 3, 2, 7)
    assert np.array_equal(clip.tracks[0].joints, frames.astype(np.float32))
    assert clip.tracks[0].valid.tolist() == [True, True, False, True, True, True, True]
    (clip,) = imported(tmp_path, text(GOOD[:1].tolist()))
    assert clip.length == 1


def changed(value: Any) -> list[Any]:
    frames = GOOD.tolist()
    frames[5][4][1] = value
    return frames


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "JSON"),
        (b"\x1f\x8b" + bytes(99), "JSON"),
        (text()[:900], "JSON"),
        (b"[" * 200_000, "JSON"),
        (text() + b"{}", "JSON"),
        (b"[1, 2]", "no JSON object"),
        (b"{}", "'skeletons'"),
        (text([]), "at least one frame"),
        (text("abc"), "at least one frame"),
        (text(GOOD[:, :19].tolist()), "frame 0 is not 20 joints"),
        (text(GOOD[..., :2].tolist()), "frame 0 is not 20 joints"),
        (text([*GOOD.tolist()[:3], GOOD[3, :7].tolist()]), "frame 3 is not 20 joints"),
        (text([*GOOD.tolist()[:3], None]), "frame 3 is not 20 joints"),
        (text(changed(float("nan"))), "NaN is not a number"),
        (text(changed(float("-inf"))), "-Infinity is not a number"),
        (text(changed("1.5")), "joint left_shoulder of frame 5"),
        (text(changed(True)), "joint left_shoulder of frame 5"),
        (text(changed(None)), "joint left_shoulder of frame 5"),
        (text(changed(1e200)), "within 100 m"),
        (text(changed(10**400)), "within 100 m"),
        (text((GOOD * 0).tolist()), "it has no person"),
        (text(file_name="a08_s03_e02_v01"), "states the name 'a08_s03_e02_v01'"),
    ],
)
def test_bad_files_are_refused_by_name(content: bytes, words: str, tmp_path: Path) -> None:
    assert words in refused(tmp_path, content)


@pytest.mark.parametrize("name", ["a07_s01_e01_v01", "a01_s11_e01_v01", "a01_s01_e01_v04", "a1_s01_e01_v01", "package"])
def test_foreign_names_are_refused(name: str, tmp_path: Path) -> None:
    assert "not named like" in refused(tmp_path, text(), f"{name}.json")


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """Some bytes changed, cut out or doubled, and now and then the end cut off."""
    broken = bytearray(content)
    for _ in range(generator.integers(1, 6)):
        at, size = int(generator.integers(len(broken))), int(generator.integers(1, 9))
        match generator.integers(3):
            case 0:
                broken[at] = generator.integers(256)
            case 1:
                del broken[at : at + size]
            case _:
                broken[at:at] = broken[at : at + size]
    return bytes(broken[: generator.integers(len(broken))] if generator.random() < 0.2 else broken)


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.long)])
def test_mutated_files_raise_nothing_but_their_own_error(count: int, tmp_path: Path) -> None:
    content, generator, faults = text(), np.random.default_rng(11), 0
    for _ in range(count):
        try:
            (clip,) = imported(tmp_path, mutated(content, generator))
            assert np.isfinite(clip.tracks[0].joints).all()
        except SslskelError as fault:
            faults += f"{NAME}.json" in str(fault) or pytest.fail(str(fault))
    assert faults > count / 3
