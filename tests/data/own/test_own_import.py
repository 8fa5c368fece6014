"""Sets of one's own come out of the store as they went in, whatever their layout, length, persons and format."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_cases import dense
from own_sets import CHAIN, FORMATS, Shape, opened, shapes, write_set, write_table

from sslskel.checks import check_dataset
from sslskel.data.own.importing import import_dataset


@settings(max_examples=15, deadline=None)
@given(shape=shapes(), ending=st.sampled_from(FORMATS))
def test_what_goes_in_comes_out(shape: Shape, ending: str) -> None:
    if ending == "csv":
        shape = Shape(shape.parents, shape.coordinates, 1, shape.lengths, shape.seed)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSLSKEL_DATA", f"{folder}/data")
        words = {2: "xy", 3: "xyz"}
        import_dataset("mine", **write_set(Path(folder), shape, ending, coordinates=words[shape.coordinates]))
        benchmark, dataset = opened()
        assert dataset.info.layout.parents == (-1, *shape.parents)
        assert (dataset.info.coordinates, dataset.info.fps) == (shape.coordinates, 25)
        assert dataset.info.persons <= shape.persons
        for row, array in enumerate(shape.arrays()):
            there = dense(dataset, row)
            assert np.array_equal(there, array[: len(there)])
            assert not array[len(there) :].any()
        dataset.verify()
        # With a handful of clips a class may well be missing from one part, which its warning says.
        faults = [result for result in check_dataset("mine") if result.failed and "class" not in result.detail]
        assert not faults, faults
        train, test = (benchmark.split().part(dataset, part) for part in ("train", "test"))
        assert len(train) + len(test) == len(dataset)
        assert not set(dataset.subjects[train]) & set(dataset.subjects[test])


def test_the_default_split_parts_subjects_and_holds_some_of_the_training_ones(root: Path, tmp_path: Path) -> None:
    import_dataset("mine", **write_set(tmp_path, CHAIN))
    benchmark, dataset = opened()
    split = benchmark.split()
    assert split.name == "xsub"
    parts = {
        part: set(dataset.subjects[split.part(dataset, part)].tolist()) for part in ("train", "test", "validation")
    }
    # s0, s1, s2 are numbered 1, 2, 3; every other one trains, and the last of those may be held out.
    assert parts == {"train": {1, 3}, "test": {2}, "validation": {3}}
    assert benchmark.recipe == {"clip": {"centre": "first"}}


def test_splits_of_the_table_are_taken_as_they_stand(root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN)
    words = ("train", "train", "test", "validation", "", "train")
    rows = [[f"c{i}.npy", "sit", f"s{i}", word, "test" if i else "train"] for i, word in enumerate(words)]
    write_table(tmp_path, rows, "file,label,subject,split,split:one_shot")
    import_dataset("mine", **arguments)
    benchmark, dataset = opened()
    assert list(benchmark.splits) == ["official", "one_shot"]
    official = benchmark.split()
    names = {part: dataset.names[official.part(dataset, part)].tolist() for part in ("train", "test", "validation")}
    assert names == {"train": ["c0", "c1", "c3", "c5"], "test": ["c2"], "validation": ["c3"]}
    assert len(benchmark.split("one_shot").part(dataset, "train")) == 1


def test_importing_twice_is_the_same_and_another_split_is_another_fingerprint(root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN)
    folder = import_dataset("mine", **arguments)
    before, made = opened()[1].fingerprint, (folder / "manifest.json").stat().st_mtime_ns
    import_dataset("mine", **arguments)
    assert (folder / "manifest.json").stat().st_mtime_ns == made
    import_dataset("mine", **arguments, train=["s1"])
    assert opened()[1].fingerprint != before


def test_one_clip_of_many_that_cannot_be_read_is_left_out_and_named(root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN)
    (tmp_path / "c3.npy").write_bytes(b"\x93NUMPY")
    import_dataset("mine", **arguments)
    _, dataset = opened()
    assert len(dataset) == 5
    [reason] = dataset.report()["dropped"].values()
    assert "c3.npy" in reason
    assert "line 5" in reason


def test_axes_scale_confidence_and_cuts(root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN, axes="CVT", coordinates="xyc", scale="0.001", unit="metre")
    array = np.random.default_rng(0).normal(size=(3, 13, 20))
    for number in range(2):
        np.save(tmp_path / f"c{number}.npy", array)
    write_table(tmp_path, [[f"c{i}.npy", "sit", f"s{i}", "5", "9"] for i in range(2)], "file,label,subject,begin,end")
    import_dataset("mine", **arguments)
    _, dataset = opened()
    expected = array.transpose(2, 1, 0)[5:9, :, :2] * 0.001
    assert np.array_equal(dense(dataset, 0)[0], expected.astype(np.float32))


def test_persons_who_come_go_and_are_lost(root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN)
    array = np.ones((2, 10, 13, 3))
    array[:, :2] = 0  # nobody is there at first
    array[1, 2:5] = np.nan  # the second comes later
    array[0, 6] = 0  # and the first is lost for a frame
    np.save(tmp_path / "c0.npy", array)
    import_dataset("mine", **arguments)
    _, dataset = opened()
    assert dataset.lengths[0] == 8
    assert dataset.track_begin[:2].tolist() == [0, 3]
    assert dataset.valid[: dataset.track_length[0]].tolist() == [True] * 4 + [False] + [True] * 3


def test_columns_by_name_in_any_order_with_persons(root: Path, tmp_path: Path) -> None:
    shape = Shape(tuple(range(12)), 2, 2, (5, 5))
    arguments = write_set(tmp_path, shape, coordinates="xy")
    names = [f"j{joint}_{axis}" for axis in "yx" for joint in range(13)]
    for number, array in enumerate(shape.arrays()):
        lines = [",".join(["person", "frame", *names])]
        for person in range(2):
            for frame in range(5):
                values = array[person, frame, :, ::-1].T.ravel()
                lines.append(",".join([str(person), str(frame), *map(repr, values.tolist())]))
        (tmp_path / f"c{number}.csv").write_text("\n".join(lines))
    write_table(tmp_path, [[f"c{i}.csv", "sit", f"s{i}"] for i in range(2)])
    import_dataset("mine", **arguments)
    _, dataset = opened()
    assert np.array_equal(dense(dataset, 0), shape.arrays()[0])


def test_labels_and_subjects_from_names(root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN)
    for number in range(4):
        (tmp_path / f"c{number}.npy").rename(tmp_path / f"A{number % 2}_S{number // 2 + 7}.npy")
    write_table(tmp_path, [[f"A{n % 2}_S{n // 2 + 7}.npy", ""] for n in range(4)], "file,label")
    import_dataset("mine", **arguments, name_pattern=r"(?P<label>A\d)_S(?P<subject>\d+)")
    _, dataset = opened()
    assert dataset.info.classes == ("A0", "A1")
    assert dataset.subjects.tolist() == [7, 7, 8, 8]


def test_a_known_layout_by_name_and_bare_two_axes(root: Path, tmp_path: Path) -> None:
    for number in range(4):
        np.save(tmp_path / f"c{number}.npy", np.random.default_rng(number).normal(size=(9, 34)))
    table = write_table(tmp_path, [[f"c{n}.npy", "wave", f"{n}"] for n in range(4)])
    import_dataset("mine", clips=table, layout="coco17")
    benchmark, dataset = opened()
    assert (dataset.info.layout.name, dataset.info.coordinates, dataset.info.unit) == ("coco17", 2, "pixel")
    # Pixels are no size for a network: clips are measured in sizes of the body.
    assert benchmark.recipe == {"clip": {"centre": "sized"}}
    assert any("30 frames per second are assumed" in note for note in dataset.report()["notes"])


@pytest.mark.parametrize(
    ("unit", "stored", "centre", "noted"),
    [
        ("metre", "metre", "first", False),
        ("Meters", "metre", "first", False),
        ("cm", "cm", "sized", False),
        ("bananas", "bananas", "sized", True),
    ],
)
def test_spellings_of_metre_are_one_unit_and_unknown_units_are_said(
    unit: str, stored: str, centre: str, noted: bool, root: Path, tmp_path: Path
) -> None:
    import_dataset("mine", **write_set(tmp_path, CHAIN, unit=unit))
    chosen, dataset = opened()
    assert (chosen.info.unit, chosen.recipe["clip"]["centre"]) == (stored, centre)
    notes = dataset.report()["notes"]
    assert any("is no length that is known here" in note for note in notes) == noted
