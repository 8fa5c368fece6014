"""Small inputs that stand for much: pickles, layouts, labels and archives that once took minutes end in seconds."""

from __future__ import annotations

import gzip
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from own_sets import CHAIN, write_layout, write_set, write_table

from sslskel.api.dataset import MOST_CLASSES
from sslskel.api.skeleton import MOST_JOINTS, SkeletonLayout
from sslskel.data.own.importing import import_dataset
from sslskel.data.own.pickles.unpickler import load_plain
from sslskel.data.sources.archives import source_files
from sslskel.data.sources.tar_stream import MEMBERS
from sslskel.errors import DataError, did_you_mean


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < 40


def shared_lists(depth: int = 200) -> Any:
    content: Any = []
    for _ in range(depth):
        content = [content, content]
    return content


def nested_tuples() -> Any:
    content: Any = ()
    for _ in range(200):
        content = (content, content)
    return content


def endless() -> bytes:
    content: list[Any] = []
    content.append(content)
    return pickle.dumps(content)


SHARED = shared_lists()
COLLIDING = [pickle.dumps(number * (2**61 - 1), 2)[2:-1] for number in range(100_000)]
"""Steps that make numbers which Python files in one place."""
NUMPY_CALL = b"cnumpy.core.multiarray\n_reconstruct\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps(SHARED), "shared lists stand for more values than any data of its size"),
        (pickle.dumps({"annotations": SHARED, "split": {}}), "shared lists stand for more values"),
        (pickle.dumps(nested_tuples()), "shared lists stand for more values"),
        (endless(), "a list is part of itself"),
        (b"\x80\x04}(" + b"".join(number + b"K\0" for number in COLLIDING) + b"u.", "more than 64 bits is the key"),
        (b"\x80\x04\x8f(" + b"".join(COLLIDING) + b"\x90.", "more than 64 bits is the key"),
        (pickle.dumps(1 << 10**6), "a whole number of 1,000,001 bits"),
        (b"\x80\x02cnumpy\ndtype\n" + pickle.dumps((SHARED,), 2)[2:-1] + b"R.", "are not read"),
        (b"\x80\x02cbuiltins\nint\n" + pickle.dumps((SHARED,), 2)[2:-1] + b"R.", "something other than a plain value"),
        (b"\x80\x02" + NUMPY_CALL + pickle.dumps((SHARED, SHARED), 2)[2:-1] + b"R.", "refused|cannot be read"),
    ],
)
def test_pickles_that_stand_for_much_are_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        load_plain(tmp_path / "a.pkl")


def test_a_list_that_is_named_a_few_times_is_read(tmp_path: Path) -> None:
    one = [1, 2]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([one] * 1000))
    assert load_plain(tmp_path / "a.pkl") == [one] * 1000


def tree(count: int, circle: bool = False) -> str:
    parents = ["j29999" if circle else "", *(f"j{number}" for number in range(count - 1))]
    lines = [f"  j{number}: {parent}" for number, parent in enumerate(parents)]
    return "fps: 25\njoints:\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("circle", [False, True])
def test_a_chain_of_thirty_thousand_joints_is_refused(circle: bool, root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN)
    arguments["layout"].write_text(tree(30_000, circle))
    with pytest.raises(DataError, match=f"30,000 joints; a body has at most {MOST_JOINTS:,} here"):
        import_dataset("mine", **arguments)
    names = tuple(f"j{number}" for number in range(30_000))
    with pytest.raises(DataError, match="30,000 joints"):
        SkeletonLayout("chain", names, tuple(range(-1, 29_999)), 0)


def test_a_chain_of_as_many_joints_as_there_may_be_is_checked_at_once() -> None:
    names = tuple(f"j{number}" for number in range(MOST_JOINTS))
    start = time.process_time()
    SkeletonLayout("chain", names, tuple(range(-1, MOST_JOINTS - 1)), 0)
    assert time.process_time() - start < 0.2


@pytest.mark.long
@pytest.mark.parametrize("listed", [False, True])
def test_a_hundred_and_twenty_thousand_classes_are_refused(listed: bool, root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN)
    if listed:
        count = 80_000
        classes = ", ".join(f"c{number}" for number in range(count))
        arguments["layout"] = write_layout(tmp_path, CHAIN)
        with arguments["layout"].open("a") as file:
            file.write(f"classes: [{classes}]\n")
        reason = f"80,000 classes are listed, where at most {MOST_CLASSES:,}"
    else:
        rows = [["c0.npy", f"c{number}", f"s{number % 3}", str(number)] for number in range(120_000)]
        arguments["clips"] = write_table(tmp_path, rows, "file,label,subject,name")
        reason = f"120,000 labels occur, where at most {MOST_CLASSES:,}"
    with pytest.raises(DataError, match=reason):
        import_dataset("mine", **arguments)


@pytest.mark.long
def test_a_million_members_of_an_archive_are_refused(tmp_path: Path) -> None:
    header = bytearray(512)
    header[:1], header[100:107], header[124:135], header[156:157] = b"a", b"0000644", b"00000000000", b"0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=9) as file:
        for _ in range(1000):
            file.write(bytes(header) * 1000)
        file.write(bytes(1024))
    with (
        pytest.raises(DataError, match=rf"more than {MEMBERS:,} members and is refused|decompresses to more than"),
        source_files([tmp_path / "a.tar.gz"], (".skeleton",)),
    ):
        pass


def test_a_misspelt_word_is_compared_with_some_only() -> None:
    start = time.process_time()
    assert did_you_mean("x" * 10**6, (f"class number {number}" * 20 for number in range(10**5))) == ""
    assert did_you_mean("clas", ["class"]) == "; did you mean 'class'?"
    assert time.process_time() - start < 2
