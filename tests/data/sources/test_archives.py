"""Sources of strangers: what is found, and in which order."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import numpy as np
import pytest
from archive_files import ENDINGS, FILES, LONG, contents, refused, write, write_tar, write_tree, write_zip

from sslskel.api.benchmark import ImportReport
from sslskel.data.sources import archives
from sslskel.data.sources.archives import natural, source_files


@pytest.mark.parametrize("kind", ["directory", "zip", *ENDINGS])
def test_same_files_in_the_same_order_from_every_kind_of_source(kind: str, tmp_path: Path) -> None:
    report = ImportReport()
    files = contents(write(kind, tmp_path, FILES), report=report)
    assert list(files.items()) == [("a1.dat", b""), ("a2.dat", b"two" * 400), ("a10.dat", b"ten")]
    assert len(report.source) == 1
    if kind != "directory":
        content = (tmp_path / f"source.{kind}").read_bytes()
        assert report.source == {f"source.{kind}": hashlib.sha256(content).hexdigest()}


def test_digest_of_a_directory_follows_names_and_contents(tmp_path: Path) -> None:
    digests = set()
    for number, files in enumerate([FILES, FILES, {**FILES, "raw/a1.dat": b"!"}, {**FILES, "raw/a4.dat": b""}]):
        report = ImportReport()
        contents(write_tree(tmp_path / str(number) / "same", files), report=report)
        (label,) = report.source
        digests.add(report.source[label])
        assert str(tmp_path) not in label
    assert len(digests) == 3


def test_directory_that_holds_archives_is_searched_in_them(tmp_path: Path) -> None:
    write("tar.xz", tmp_path, FILES)
    write_zip(tmp_path / "unrelated.zip", {"readme.md": b"x"})
    report = ImportReport()
    assert list(contents(tmp_path, report=report)) == ["a1.dat", "a2.dat", "a10.dat"]
    assert list(report.source) == ["source.tar.xz"]


def test_loose_files_come_before_archives_of_the_same_directory(tmp_path: Path) -> None:
    write("tar.xz", tmp_path, FILES)
    write_tree(tmp_path, {"a7.dat": b"seven"})
    assert contents(tmp_path) == {"a7.dat": b"seven"}


def test_single_file_is_a_source(tmp_path: Path) -> None:
    write_tree(tmp_path, FILES)
    assert contents(tmp_path / "raw" / "a2.dat", tmp_path / "raw" / "a1.dat") == {"a1.dat": b"", "a2.dat": b"two" * 400}


def test_same_file_twice_counts_once_and_two_of_a_name_are_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, {"x/a1.dat": b"1", "y/a1.dat": b"1"})
    assert contents(tmp_path) == {"a1.dat": b"1"}
    assert contents(tmp_path, tmp_path / "x") == {"a1.dat": b"1"}
    (tmp_path / "y" / "a1.dat").write_bytes(b"2")
    assert "two different files are called 'a1.dat'" in refused(tmp_path)
    assert "two different files" in refused(write("zip", tmp_path, {"x/a1.dat": b"1", "y/a1.dat": b"2"}))


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_in_every_tar_dialect(layout: int, tmp_path: Path) -> None:
    files = (
        {LONG: b"3"} if layout == tarfile.USTAR_FORMAT else {LONG: b"3", "x" * 90 + "/" + "y" * 120 + "ü4.dat": b"4"}
    )
    path = write_tar(tmp_path / "t.tar.gz", "w:gz", files, layout=layout)
    with source_files([path], (".dat",)) as listed:
        assert {file.path: file.read() for file in listed} == files


def test_packed_files_beyond_the_memory_limit_are_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "IN_MEMORY", 100)
    files = {f"{i}.dat": np.random.default_rng(i).bytes(1000) for i in range(5)}
    assert contents(write("tar.xz", tmp_path, files)) == files


def test_leavings_of_a_mac_are_no_files(tmp_path: Path) -> None:
    assert list(contents(write("zip", tmp_path, {"__MACOSX/._a1.dat": b"junk", "a1.dat": b"1"}))) == ["a1.dat"]


def test_links_inside_a_directory_are_followed_once(tmp_path: Path) -> None:
    write_tree(tmp_path / "real", {"a1.dat": b"1"})
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "there").symlink_to(tmp_path / "real")
    (tmp_path / "source" / "round").symlink_to(tmp_path / "source")
    assert contents(tmp_path / "source") == {"a1.dat": b"1"}


def test_natural_order() -> None:
    names = ["a10_s1", "a2_s10", "a2_s9", "b", "a", "2", "10"]
    assert sorted(names, key=natural) == ["2", "10", "a", "a2_s9", "a2_s10", "a10_s1", "b"]


# What is refused
