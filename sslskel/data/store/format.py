"""The files of a prepared dataset, byte by byte: arrays with a fixed header, JSON, manifest, fingerprint.

Which files there are, how they are filled and how they are opened is in ``store.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sslskel.api.dataset import MOST_CLASSES, DatasetInfo
from sslskel.api.skeleton import SkeletonLayout
from sslskel.errors import DataError
from sslskel.files import parse_json, read_regular, write_synced
from sslskel.hashing import file_sha256, json_bytes, json_sha256

FORMAT = 1
"""Bumped when the files of a prepared dataset change their meaning."""
MANIFEST = "manifest.json"
HEADER_BYTES = 128
SPLITS = "splits.json"
"""Splits that are kept with an imported set; part of its fingerprint, because no code holds them."""
_NAME = re.compile(r"[A-Za-z0-9_]+\.[a-z0-9]+")
"""What a file of a prepared dataset may be called; none lies in another folder."""


class FileFact(NamedTuple):
    """What the manifest knows of one file."""

    size: int
    sha256: str


def npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The header of a C-ordered ``.npy`` file (format 1.0), always 128 bytes and little-endian.

    Written here rather than by numpy because its padding differs between numpy
    versions, and fingerprints must not.
    """
    text = f"{{'descr': {dtype.newbyteorder('<').str!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    size = HEADER_BYTES - 10
    return b"\x93NUMPY\x01\x00" + size.to_bytes(2, "little") + text.ljust(size - 1).encode("ascii") + b"\n"


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array as ``.npy``, little-endian whatever this machine is, and sync it."""
    fixed = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    write_synced(path, npy_header(fixed.dtype, fixed.shape) + fixed.tobytes())


def parse_array(content: bytes) -> npt.NDArray[Any]:
    """The array of a ``.npy`` file written by :func:`write_array`; the caller has checked its digest."""
    header = content[10:HEADER_BYTES].decode("ascii")
    described, shape = header.split("'descr': '")[1].split("'")[0], header.split("'shape': (")[1].split(")")[0]
    sizes = tuple(int(word) for word in shape.split(",") if word.strip())
    array = np.frombuffer(content, dtype=np.dtype(described), offset=HEADER_BYTES).reshape(sizes)
    return array.astype(array.dtype.newbyteorder("="))


def mapped_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], hint: str) -> npt.NDArray[Any]:
    """A read-only memory map of an array whose type and shape the index already tells; ``DataError`` for another."""
    size = HEADER_BYTES + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
        if header != npy_header(dtype, shape) or path.stat().st_size != size:
            raise DataError(f"'{path}' is damaged: it should hold {dtype} of shape {shape}; {hint}")
        return np.memmap(path, dtype=dtype.newbyteorder("<"), mode="r", offset=HEADER_BYTES, shape=shape)
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({fault.strerror}); {hint}") from fault


def fact_of(path: Path) -> FileFact:
    """Size and sha256 of a file, read in pieces of 4 MiB."""
    return FileFact(*file_sha256(path))


def write_json(path: Path, data: Mapping[str, object]) -> None:
    """Write one JSON file, the same bytes for the same data, and sync it."""
    write_synced(path, json_bytes(data))


def write_manifest(folder: Path, facts: Mapping[str, FileFact]) -> None:
    """Write ``manifest.json``: format, and size and sha256 of every other file."""
    files = {name: fact._asdict() for name, fact in facts.items()}
    write_json(folder / MANIFEST, {"format": FORMAT, "files": files, "self": json_sha256(files)})


def read_manifest(folder: Path, hint: str) -> dict[str, FileFact]:
    """File name -> size and sha256; raises ``DataError`` where the manifest is missing, damaged or foreign."""
    path = folder / MANIFEST
    try:
        content = read_regular(path)
    except FileNotFoundError:
        raise DataError(f"'{folder}' is not a prepared dataset: it has no {MANIFEST}; {hint}") from None
    except OSError as fault:
        raise DataError(f"'{path}' cannot be read ({fault.strerror}); {hint}") from fault
    try:
        data: Any = parse_json(content.decode("utf-8"))
        if data["format"] != FORMAT:
            raise DataError(
                f"'{folder}' is in dataset format {data['format']}, this version reads format {FORMAT}; {hint}"
            )
        facts = {str(name): FileFact(int(f["size"]), str(f["sha256"])) for name, f in data["files"].items()}
        # Comparing the bytes too leaves no byte of the file that could change unnoticed.
        intact = data["self"] == json_sha256(data["files"]) and content == json_bytes(data)
        intact &= all(_NAME.fullmatch(name) for name in facts)
    except (ValueError, KeyError, TypeError, AttributeError):
        intact = False
    if not intact:
        raise DataError(f"'{path}' is damaged; {hint}")
    return facts


def fingerprint(info: DatasetInfo, facts: Mapping[str, FileFact]) -> str:
    """sha256 over the digests of all array files and everything in ``info`` that shapes numbers.

    Licence and source files are left out: the same numbers from another archive
    are the same dataset.
    """
    shaping = {k: v for k, v in info_to_json(info).items() if k not in ("licence", "source")}
    arrays = {name: fact.sha256 for name, fact in facts.items() if name.endswith(".npy") or name == SPLITS}
    return json_sha256({"format": FORMAT, "info": shaping, "arrays": arrays})


def info_to_json(info: DatasetInfo) -> dict[str, Any]:
    """Plain data, read back by :func:`info_from_json`."""
    return {
        "name": info.name,
        "version": info.version,
        "layout": info.layout.to_json(),
        "classes": list(info.classes),
        "fps": float(info.fps),
        "unit": info.unit,
        "coordinates": info.coordinates,
        "persons": info.persons,
        "recipe": info.recipe,
        "licence": info.licence,
        "source": dict(info.source),
        # Absent where there are none, so that fingerprints from before there were lists hold.
        **({"lists": list(info.lists)} if info.lists else {}),
    }


def info_from_json(data: Mapping[str, Any]) -> DatasetInfo:
    """Build from plain data; raises ``KeyError``, ``TypeError`` or ``ValueError`` where a field is wrong."""
    classes = tuple(str(name) for name in data["classes"])
    if len(classes) > MOST_CLASSES:
        raise ValueError(f"classes: there are {len(classes):,}, where at most {MOST_CLASSES:,} were expected")
    return DatasetInfo(
        name=str(data["name"]),
        version=int(data["version"]),
        layout=SkeletonLayout.from_json(data["layout"]),
        classes=classes,
        fps=float(data["fps"]),
        unit=str(data["unit"]),
        coordinates=int(data["coordinates"]),
        persons=int(data["persons"]),
        recipe=str(data["recipe"]),
        licence=str(data["licence"]),
        source={str(k): str(v) for k, v in data["source"].items()},
        lists=tuple(str(name) for name in data.get("lists", ())),
    )
