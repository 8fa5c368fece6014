"""Whatever is wrong with a table, a layout file or an array ends in one sentence, and nothing is made."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_sets import CHAIN, write_array, write_layout, write_set, write_table

from sslskel.data.own.importing import import_dataset
from sslskel.errors import SslskelError


def fault_of(root: Path, **arguments: Any) -> str:
    """The sentence with which an import ends; nothing may lie under its name, half-written or whole."""
    with pytest.raises(SslskelError) as caught:
        import_dataset("mine", **arguments)
    assert caught.value.exit_code == 2
    assert not root.exists() or not list(root.iterdir())
    text = str(caught.value)
    assert "\n" not in text
    return text


ROWS = [[f"c{number}.npy", ("sit", "stand")[number % 2], f"s{number % 3}"] for number in range(6)]


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        ("file,lable,subject", ROWS, ["line 1", "'lable'", "did you mean 'label'"]),
        ("file,name,subject", ROWS, ["line 1", "'label' is missing"]),
        ("file,label,label", ROWS, ["line 1", "'label' occurs twice"]),
        ("file,label,subject", [], ["no clips"]),
        ("file,label,subject", [*ROWS, ["c1.npy", "sit"]], ["line 8", "2 fields, expected 3"]),
        ("file,label,subject", [*ROWS, ["c1.npy", "sit", "s1"]], ["line 8", "line 3 already"]),
        ("file,label,subject", [*ROWS, ["", "sit", "s1"]], ["line 8", "'file' is empty"]),
        ("file,label,name", [["c1.npy", "sit", "a"], ["", "two\nlines", "b"]], ["line 3", "'file' is empty"]),
        ("file,label,subject", [[f"{i}.npy", "sit", "s1"] for i in "ab"], ["one subject", "'split'"]),
        ("file,label,subject", [["c1.npy", "sit", ""]], ["c1.npy", "line 2", "names no subject"]),
        ("file,label,index", [["c1.npy", "sit", "-1"]], ["line 2", "index is '-1'"]),
        ("file,label,split", [["c1.npy", "sit", "trian"]], ["line 2", "'trian'", "did you mean 'train'"]),
        ("file,label,split", [["c1.npy", "sit", "train"]], ["'official' has no clip in its part 'test'"]),
        ("file,label,end", [["c1.npy", "sit", "0"]], ["line 2", "ends at frame 0"]),
    ],
)
def test_tables(root: Path, tmp_path: Path, header: str, rows: list[list[str]], words: list[str]) -> None:
    arguments = write_set(tmp_path, CHAIN)
    write_table(tmp_path, rows, header)
    text = fault_of(root, **arguments)
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["is empty"]),
        (b"file,label\n\xff\xfe,a\n", ["line 2", "UTF-8"]),
        (b"file,label\nx\0y,a\n", ["text file"]),
        (b'file,label\n"c1.npy,a\n', ["CSV"]),
    ],
)
def test_files_that_are_no_table(root: Path, tmp_path: Path, content: bytes, words: list[str]) -> None:
    arguments = write_set(tmp_path, CHAIN)
    arguments["clips"].write_bytes(content)
    text = fault_of(root, **arguments)
    assert all(word in text for word in (*words, "clips.csv"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["is empty"]),
        ("joints: [a, b]", ["line 1", "mapping"]),
        ("joints:\n  a:\n  b: c\n", ["line 3", "no joint 'c'"]),
        ("joints:\n  a:\n  b:\n", ["line 3", "no parent"]),
        ("joints:\n  a: b\n  b: a\n", ["cycle"]),
        ("joints:\n  a:\n  a:\n", ["line 3", "'a' twice"]),
        ("joints:\n  a:\ncenter: a\n", ["line 3", "did you mean 'centre'"]),
        ("joints:\n  a:\nfps: fast\n", ["line 3", "'fast'", "number above 0"]),
        ("joints:\n  a:\nparts: {tail: [a]}\n", ["line 3", "no part 'tail'"]),
        ("joints:\n  a:\nswaps: [[a, a]]\n", ["line 3", "pair"]),
        ("joints:\n  a:\naxes: TVX\n", ["line 3", "TVX"]),
        ("joints:\n  a:\ncoordinates: yx\n", ["line 3", "'yx'"]),
        ("layout: coco71\n", ["line 1", "did you mean 'coco17'"]),
        ("joints: {a: }}\n", ["line 1", "not YAML"]),
        ("joints: !!python/object:os.system {a: }\n", ["layout"]),
        ("centre: a\n", ["needs 'joints'"]),
        ("[" * 2000, ["layout.yaml"]),
    ],
)
def test_layout_files(root: Path, tmp_path: Path, text: str, words: list[str]) -> None:
    arguments = write_set(tmp_path, CHAIN)
    arguments["layout"].write_text(text)
    fault = fault_of(root, **arguments)
    assert all(word in fault for word in words), fault


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("motion.npy", bytes(80 << 20))


def header_of(shape: tuple[int, ...], kind: str = "<f8") -> bytes:
    text = str({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def save(**named: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **named)


GOOD = CHAIN.arrays()[0][0]
BROKEN = GOOD.copy()
BROKEN[3, 5, 1] = np.inf
FILES: list[tuple[str, Callable[[Path], Any], list[str]]] = [
    ("none.npy", lambda path: None, ["does not exist", "--source"]),
    ("a.npy", lambda path: path.mkdir(), ["is a folder"]),
    ("a.doc", lambda path: path.write_text("1"), ["'.doc'", ".npy"]),
    ("a.npy", lambda path: path.write_bytes(b""), ["not an .npy array"]),
    ("a.npy", lambda path: path.write_bytes(header_of((1 << 40, 13, 3))), ["truncated"]),
    ("a.npy", lambda path: path.write_bytes(header_of((2, 13, 3)) + bytes(2000)), ["longer"]),
    ("a.npy", lambda path: path.write_bytes(header_of((8, 13, 3), "|O") + bytes(8)), ["objects"]),
    ("a.npy", lambda path: np.save(path, np.array(["x"])), ["type <U1"]),
    ("a.npy", lambda path: np.save(path, GOOD[:, :12]), ["(8, 12, 3)", "13 joints"]),
    ("a.npy", lambda path: np.save(path, GOOD.T), ["(3, 13, 8)", "axes: CVT"]),
    ("a.npy", lambda path: np.save(path, GOOD[..., :2]), ["(8, 13, 2)", "coordinates: xy"]),
    ("a.npy", lambda path: np.save(path, np.zeros((11, 4, 13, 3))), ["at most 10 persons"]),
    ("a.npy", lambda path: np.save(path, GOOD[:0]), ["no frames"]),
    ("a.npy", lambda path: np.save(path, GOOD * 0), ["has no person"]),
    ("a.npy", lambda path: np.save(path, BROKEN), ["value inf", "frame 3", "joint 'j5'"]),
    ("a.npy", lambda path: np.save(path, GOOD * 1e300), ["frame 0"]),
    ("a.npz", save(one=GOOD, other=GOOD), ["2 arrays", "'key'"]),
    ("a.npz", lambda path: path.write_bytes(b"PK\x03\x04 and no more"), ["damaged"]),
    ("a.npz", bomb, ["200 times"]),
    ("a.json", lambda path: path.write_text("[[1, 2], [1]]"), ["[1] has 1 elements"]),
    ("a.json", lambda path: path.write_text('[[1, "x"]]'), ["not a number"]),
    ("a.json", lambda path: path.write_text("[1, 2"), ["not readable JSON"]),
    ("a.json", lambda path: path.write_text("[" * 100_000), ["not readable JSON"]),
    ("a.csv", lambda path: path.write_text("1,2\n3\n"), ["line 2", "1 fields, expected 2"]),
    ("a.csv", lambda path: path.write_text("1,2\n3,x\n"), ["line 2", "'x'"]),
    ("a.csv", lambda path: path.write_text("j0_x,tail_x\n3,4\n"), ["line 1", "'tail_x'"]),
    ("a.csv", lambda path: path.write_text("j0_x,j0_y\n3,4\n"), ["line 1", "'j1_x' is missing"]),
    ("a.csv", lambda path: path.write_text("1,2,3\n"), ["(1, 3)"]),
    ("a.bvh", lambda path: path.write_text("HIERARCHY\nROOT a\n{\nOFFSET 0 0\n"), ["line 4", "truncated"]),
]


@pytest.mark.parametrize(("name", "make", "words"), FILES)
def test_arrays(root: Path, tmp_path: Path, name: str, make: Callable[[Path], Any], words: list[str]) -> None:
    layout = write_layout(tmp_path, CHAIN, coordinates="xyz")
    write_array(tmp_path / "good.npy", CHAIN.arrays()[0])
    make(tmp_path / name)
    table = write_table(tmp_path, [["good.npy", "sit", "s0"], [name, "sit", "s1"]])
    fault = fault_of(root, layout=layout, clips=table, strict=True)
    assert all(word in fault for word in (*words, name, "clips.csv line 3")), fault


def test_without_strict_a_part_that_is_left_without_clips_ends_the_import(root: Path, tmp_path: Path) -> None:
    layout = write_layout(tmp_path, CHAIN)
    write_array(tmp_path / "good.npy", CHAIN.arrays()[0])
    table = write_table(tmp_path, [["good.npy", "sit", "s0"], ["none.npy", "sit", "s1"]])
    assert "test" in fault_of(root, layout=layout, clips=table)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clips": None}, "--clips"),
        ({"layout": None}, "--layout"),
        ({"layout": "ntu26"}, "no layout file 'ntu26'"),
        ({"fps": -1.0}, "--fps"),
        ({"train": ["s9"]}, "no clip is of subject 's9'"),
        ({"train": ["s0", "s1", "s2"]}, "leaves none for the test part"),
        ({"validation": ["s1"]}, "training subject 's1'"),
        ({"split_by": "camera"}, "names no camera"),
        ({"name_pattern": "("}, "regular expression"),
        ({"name_pattern": "(?P<sex>.)"}, "'sex'"),
        ({"name_pattern": "(?P<subject>z)"}, "does not match"),
    ],
)
def test_wishes_that_cannot_be_met(root: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert words in fault_of(root, **{**write_set(tmp_path, CHAIN), **changes})


@pytest.mark.parametrize("name", ["synthetic", "../evil", "a/b", "", ".hidden", "two words"])
def test_names_that_a_set_cannot_have(root: Path, tmp_path: Path, name: str) -> None:
    arguments = write_set(tmp_path, CHAIN)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SslskelError):
        import_dataset(name, **arguments)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failed_import_leaves_the_earlier_one_as_it_was(root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN)
    folder = import_dataset("mine", **arguments)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "c0.npy").unlink()
    with pytest.raises(SslskelError, match=r"c0\.npy"):
        import_dataset("mine", **arguments, strict=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert os.listdir(root) == ["mine"]


def test_a_preset_that_is_not_there_is_named_with_the_layout_file(root: Path, tmp_path: Path) -> None:
    words = write_set(tmp_path / "set", CHAIN, preset="cqu")
    with pytest.raises(SslskelError, match=r"layout\.yaml', line \d+: there is no preset 'cqu'"):
        import_dataset("mine", **words)
