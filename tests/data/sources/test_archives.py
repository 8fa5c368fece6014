"""Sources of strangers: what is found, in which order, and what is refused."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sslskel.api.benchmark import ImportReport
from sslskel.data.sources import archives, tar_stream
from sslskel.data.sources.archives import natural, source_files
from sslskel.errors import DataError, SslskelError

FILES = {"raw/a2.dat": b"two" * 400, "raw/deep/er/a10.dat": b"ten", "raw/a1.dat": b"", "raw/notes.txt": b"hello"}
ENDINGS = {"tar": "w:", "tar.xz": "w:xz", "tar.gz": "w:gz", "tar.bz2": "w:bz2"}
LONG = "raw/" + "directory/" * 20 + "a3.dat"


def write_tar(path: Path, mode: str, files: dict[str, bytes], *extra: tarfile.TarInfo, layout: int = 1) -> Path:
    with tarfile.open(path, mode, format=layout) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in extra:
            archive.addfile(member)
    return path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_tree(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def write(kind: str, folder: Path, files: dict[str, bytes]) -> Path:
    if kind == "directory":
        return write_tree(folder / "tree", files)
    path = folder / f"source.{kind}"
    return write_zip(path, files) if kind == "zip" else write_tar(path, ENDINGS[kind], files)


def contents(*sources: Path, report: ImportReport | None = None, limit: int = archives.FILE_LIMIT) -> dict[str, bytes]:
    with source_files(sources, (".dat",), report, limit) as files:
        return {file.name: file.read() for file in files}


def refused(*sources: Path, limit: int = archives.FILE_LIMIT) -> str:
    with pytest.raises(DataError) as fault:
        contents(*sources, limit=limit)
    assert "\n" not in str(fault.value)
    return str(fault.value)


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


@pytest.mark.parametrize("path", ["../a1.dat", "raw/../../a1.dat", "/etc/a1.dat", "C:/a1.dat", "..\\a1.dat"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.xz"])
def test_paths_that_lead_outside(kind: str, path: str, tmp_path: Path) -> None:
    message = refused(write(kind, tmp_path, {"a2.dat": b"2", path: b"1"}))
    assert "leads out of the archive" in message
    assert f"source.{kind}" in message


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.FIFOTYPE, "special file"),
        (tarfile.GNUTYPE_SPARSE, "special file"),
    ],
)
def test_links_and_devices_in_a_tar(kind: bytes, words: str, tmp_path: Path) -> None:
    member = tarfile.TarInfo("raw/a9.dat")
    member.type, member.linkname = kind, "/etc/passwd"
    message = refused(write_tar(tmp_path / "t.tar.xz", "w:xz", FILES, member))
    assert words in message
    assert "raw/a9.dat" in message


def test_link_in_a_zip(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("a9.dat")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    assert "is a link" in refused(tmp_path / "t.zip")


@pytest.mark.parametrize("kind", ["zip", *ENDINGS])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.95])
def test_truncated_archives(kind: str, share: float, tmp_path: Path) -> None:
    files = {f"{i}.dat": np.random.default_rng(i).bytes(3000) for i in range(20)}
    path = write(kind, tmp_path, files)
    content = path.read_bytes()
    # the end of a plain tar is padding, which may go without loss
    end = 512 * 7 * 20 if kind == "tar" else len(content)
    path.write_bytes(content[: int(end * share)])
    message = refused(path)
    assert str(path) in message
    assert any(word in message for word in ("truncated", "empty", "zip", "not a tar", "corrupt")), message


def test_tar_that_ends_without_its_end_mark(tmp_path: Path) -> None:
    path = write("tar", tmp_path, {"a1.dat": b"1", "a2.dat": b"2"})
    path.write_bytes(path.read_bytes()[: 4 * 512])
    assert "without its end mark" in refused(path)


@pytest.mark.parametrize("kind", ["zip", "tar.xz", "tar.gz", "tar.bz2"])
def test_flipped_byte_in_packed_data(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path, {"a1.dat": np.random.default_rng(0).bytes(20_000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert str(path) in refused(path)


@pytest.mark.parametrize(
    "content", [b"just some text\n" * 100, b"\x89PNG\r\n\x1a\n" + bytes(2000), b"PK\x03\x04nonsense", b"\x1f\x8b"]
)
def test_foreign_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "thing.zip").write_bytes(content)
    assert str(tmp_path / "thing.zip") in refused(tmp_path / "thing.zip")


def test_missing_wrong_and_empty_sources(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nowhere")
    assert "no source was given" in refused()
    assert "no file at all" in refused(tmp_path)
    write_tree(tmp_path, {"x/one.txt": b"", "two.txt": b"", "three.png": b""})
    message = refused(tmp_path)
    assert "'.dat'" in message
    assert "2 .txt, 1 .png" in message
    os.mkfifo(tmp_path / "a1.dat")
    assert "not a plain file" in refused(tmp_path)


def test_archive_without_a_wanted_file_and_empty_archives(tmp_path: Path) -> None:
    assert "1 .md" in refused(write("tar.gz", tmp_path, {"read.md": b"x"}))
    assert "no file at all" in refused(write("tar", tmp_path, {}))
    assert "no file at all" in refused(write("zip", tmp_path, {}))
    (tmp_path / "zero.tar.xz").write_bytes(b"")
    assert "is empty" in refused(tmp_path / "zero.tar.xz")


@pytest.mark.parametrize("kind", ["directory", "zip", "tar", "tar.xz"])
def test_file_above_the_limit(kind: str, tmp_path: Path) -> None:
    source = write(kind, tmp_path, {"a1.dat": bytes(101)})
    assert len(contents(source, limit=101)) == 1
    assert "101 bytes, more than the 100" in refused(source, limit=100)


@pytest.mark.parametrize("kind", ["zip", "tar.xz", "tar.gz", "tar.bz2"])
def test_bombs_are_refused_before_they_unfold(kind: str, tmp_path: Path) -> None:
    source = write(kind, tmp_path, {"a1.dat": bytes(150 << 20)})
    assert source.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        message = refused(source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "unfolds to more than" in message
    assert peak < 150 << 20


def test_extended_header_of_unreasonable_size(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, tar_stream.HEADER_LIMIT + 1
    (tmp_path / "t.tar").write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(4096))
    assert "unreasonable size" in refused(tmp_path / "t.tar")


def test_data_behind_the_end_mark(tmp_path: Path) -> None:
    path = write("tar", tmp_path, FILES)
    path.write_bytes(path.read_bytes() * 2)
    assert "continues after its end mark" in refused(path)


def test_encrypted_zip(tmp_path: Path) -> None:
    path = write("zip", tmp_path, {"a1.dat": b"1"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in refused(path)


def test_names_are_escaped_in_messages(tmp_path: Path) -> None:
    path = write("zip", tmp_path, {"../\x1b[31m\n.dat": b""})
    assert "\x1b" not in refused(path)


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    if rng.random() < 0.3:
        return bytes(changed[: rng.integers(len(changed))])
    for _ in range(rng.integers(1, 5)):
        changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
    return bytes(changed)


@pytest.mark.parametrize("kind", ["zip", *ENDINGS])
def test_mutated_archives_raise_nothing_but_their_own_error(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path, {**FILES, LONG: b"3"})
    content, rng, faults = path.read_bytes(), np.random.default_rng(7), 0
    for _ in range(200):
        path.write_bytes(mutate(content, rng))
        try:
            contents(path)
        except SslskelError as fault:
            faults += "source." in str(fault)
    assert faults > 40
