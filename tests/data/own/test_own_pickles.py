"""Pickles in pyskl's form: read without running them, whatever a stranger wrote into them."""

from __future__ import annotations

import datetime
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sslskel.data.own.importing import import_dataset
from sslskel.data.own.pickles.unpickler import array_of, load_plain, plain
from sslskel.data.own.sets.pyskl import read_pyskl
from sslskel.data.prepare import open_benchmark
from sslskel.errors import DataError
from sslskel.plugins.registry import BENCHMARKS


def annotations(count: int = 6, persons: int = 2) -> list[dict[str, Any]]:
    """As pyskl writes 2D poses."""
    rng = np.random.default_rng(0)
    return [
        {
            "frame_dir": f"S{number:03d}",
            "label": number % 2,
            "img_shape": (1080, 1920),
            "total_frames": 7,
            "keypoint": rng.uniform(1, 900, (persons, 7, 17, 2)).astype(np.float16),
            "keypoint_score": rng.uniform(0, 1, (persons, 7, 17)).astype(np.float16),
        }
        for number in range(count)
    ]


def in_pyskl_form() -> dict[str, Any]:
    names = [entry["frame_dir"] for entry in annotations()]
    return {"split": {"xsub_train": names[:4], "xsub_val": names[4:]}, "annotations": annotations()}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_set_of_2d_poses_becomes_a_benchmark(root: Path, tmp_path: Path, protocol: int) -> None:
    (tmp_path / "set.pkl").write_bytes(pickle.dumps(in_pyskl_form(), protocol))
    import_dataset("mine", pyskl=tmp_path / "set.pkl", layout="coco17")
    benchmark = BENCHMARKS.get("mine")
    dataset = open_benchmark(benchmark)
    assert (dataset.info.persons, dataset.info.coordinates, len(dataset)) == (2, 2, 6)
    assert list(benchmark.splits) == ["xsub"]
    assert dataset.names[benchmark.split().part(dataset, "test")].tolist() == ["S004", "S005"]
    expected = np.concatenate([entry["keypoint"].astype(np.float32).reshape(-1, 17, 2) for entry in annotations()])
    assert np.array_equal(dataset.joints, expected)
    assert any("confidences" in note for note in dataset.report()["notes"])


VALUES: list[Any] = [
    None, True, 3, -(2**70), 1.5, "wörd", b"\x00\xff", [1, [2, (3, ())]], {"a": {1: None}}, {1, 2}, bytearray(b"x"),
]  # fmt: skip
ARRAYS = [np.arange(6).reshape(2, 3), np.asfortranarray(np.ones((3, 2), np.float32)), np.array(5), np.zeros((0, 4)),
          np.array(["ab", "c"]), np.arange(3, dtype=">i4"), np.array([True])]  # fmt: skip


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_plain_values_and_arrays_are_what_they_were(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "values.pkl"
    scalars = [np.float32(2.5), np.int64(-3), np.bool_(True)]
    path.write_bytes(pickle.dumps([VALUES, ARRAYS, scalars], protocol))
    values, arrays, numbers = load_plain(path)
    for value, known in zip(values, VALUES, strict=True):
        assert (set(value) if isinstance(known, set) else value) == known
    for value, array in zip(arrays, ARRAYS, strict=True):
        assert np.array_equal(array_of(value), array)
    assert [plain(value) for value in numbers] == [2.5, -3, True]


class Evil:
    """Would make a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


class Getter:
    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, ("x", "upper")


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_nothing_of_a_file_is_run_or_imported(tmp_path: Path, protocol: int) -> None:
    for bad in (Evil(tmp_path / "made"), Getter(), datetime.date(2020, 1, 1), np.array([Evil(tmp_path / "made")])):
        path = tmp_path / "bad.pkl"
        path.write_bytes(pickle.dumps({"annotations": [bad]}, protocol))
        with pytest.raises(DataError, match=r"bad\.pkl.*(refused|cannot be read)"):
            load_plain(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x04\x8c\x05numpy\x8c\x04load\x93.",
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.",
        b"cnumpy\nload\n.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x02\x82\x01.",
        b"I1\n0.",
        b"",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc",
        b"(" * 100_000 + b"t" * 100_000 + b".",
        b"]" + b"2a" * 50 + b".",
    ],
    ids=range(11),
)
def test_hand_written_programs_are_refused_or_harmless(tmp_path: Path, code: bytes) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(code)
    with pytest.raises(DataError, match=r"bad\.pkl"):
        read_pyskl(path, [])


GOOD = pickle.dumps(in_pyskl_form(), 4)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.data())
def test_a_changed_or_cut_file_is_read_or_refused_in_a_sentence(
    tmp_path: Path, changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    content = bytearray(GOOD)
    for place, value in changes:
        content[place] = value
    path = tmp_path / "changed.pkl"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    refusal = None
    try:
        for recording in read_pyskl(path, []):
            recording.load()
    except DataError as fault:
        refusal = str(fault)
    assert refusal is None or ("changed.pkl" in refusal and "\n" not in refusal)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.pop("annotations"), "pyskl's form"),
        (lambda data: data["annotations"].append(3), "annotation 6 is a int"),
        (lambda data: data["annotations"][2].pop("label"), "annotation 2 lacks 'label'"),
        (lambda data: data["annotations"][2].update(frame_dir="S001"), "annotations 1 and 2"),
        (lambda data: data["annotations"][2].update(keypoint="x"), "not an array"),
        (lambda data: data["annotations"][2].update(keypoint=np.zeros((1, 5, 18, 2))), "17"),
        (lambda data: data["split"]["xsub_val"].append("S000"), "in train and in val"),
        (lambda data: data["split"].update(xsub_train=5), "not a list of names"),
    ],
)
def test_faults_name_the_annotation(root: Path, tmp_path: Path, change: Any, words: str) -> None:
    content = in_pyskl_form()
    change(content)
    path = tmp_path / "set.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=words) as caught:
        import_dataset("mine", pyskl=path, layout="coco17", strict=True)
    assert "set.pkl" in str(caught.value)
    assert not root.exists() or not list(root.iterdir())


def test_all_opcodes_of_python_are_known_or_refused() -> None:
    """A new protocol's opcode is refused by name; this holds that today's plain ones are not."""
    names = {opcode.name for value in VALUES for protocol in range(6)
             for opcode, _, _ in pickletools.genops(pickle.dumps(value, protocol))}  # fmt: skip
    assert not names & {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4"}


def test_what_a_file_asks_for_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "odd.pkl").write_bytes(b"\x80\x04\x8c\x05os\nx\x1b\x8c\x01n\x93.")
    with pytest.raises(DataError, match="because it asks for") as caught:
        load_plain(tmp_path / "odd.pkl")
    assert str(caught.value).isprintable()
