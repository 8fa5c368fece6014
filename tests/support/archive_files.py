"""Files in folders, zips and tars of every kind, and what a source of them holds."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from sslskel.api.benchmark import ImportReport
from sslskel.data.sources import archives
from sslskel.data.sources.archives import source_files
from sslskel.errors import DataError

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
