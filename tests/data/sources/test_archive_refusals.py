"""Sources of strangers that are refused: paths that lead outside, links, damage, bombs, encryption, mutations."""

from __future__ import annotations

import os
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from archive_files import ENDINGS, FILES, LONG, contents, refused, write, write_tar, write_tree

from sslskel.data.sources import tar_stream
from sslskel.errors import SslskelError


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


@pytest.mark.parametrize("name", ["a1.dau", "a9.dat"])
def test_a_zip_whose_directory_calls_a_file_otherwise(name: str, tmp_path: Path) -> None:
    """No checksum is over names: a flipped bit leaves a clip out, or gives it another one's label."""
    path = write("zip", tmp_path, {"a1.dat": b"1", "a2.dat": b"2"})
    data = path.read_bytes()
    at = data.rindex(b"a1.dat")
    path.write_bytes(data[:at] + name.encode() + data[at + 6 :])
    message = refused(path)
    assert f"has another name before the data of '{name}' than in its directory" in message


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
def test_bombs_are_refused_before_they_expand(kind: str, tmp_path: Path) -> None:
    source = write(kind, tmp_path, {"a1.dat": bytes(150 << 20)})
    assert source.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        message = refused(source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "decompresses to more than" in message
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
