"""Damage to a prepared dataset is noticed, and the damaged file is named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslskel.data.store import store
from sslskel.data.store.format import npy_header
from sslskel.data.store.store import open_dataset, verify_dataset
from sslskel.errors import DataError
from sslskel.hashing import json_bytes

FIELDS = ("names", "keys", "labels", "lengths", "subjects", "cameras", "setups",
          "track_clip", "track_slot", "track_begin", "track_length", "track_offset")  # fmt: skip


def rewrite(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def every_file() -> list[str]:
    return ["manifest.json", "info.json", "report.json", "joints.npy", "valid.npy", *(f"{f}.npy" for f in FIELDS)]


@pytest.mark.parametrize("name", every_file())
@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_a_flipped_bit_is_noticed_and_named(prepared_toy: Path, name: str, place: str) -> None:
    path = prepared_toy / name
    size = path.stat().st_size
    rewrite(path, {"start": 0, "middle": size // 2, "end": size - 1}[place])
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        verify_dataset(prepared_toy)


def test_no_flipped_bit_of_the_manifest_goes_unnoticed(prepared_toy: Path) -> None:
    path = prepared_toy / "manifest.json"
    sound = path.read_bytes()
    for at in range(0, len(sound), 3):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1 << at % 7]) + sound[at + 1 :])
        with pytest.raises(DataError, match="manifest"):
            open_dataset(prepared_toy)


@pytest.mark.parametrize("name", every_file())
@pytest.mark.parametrize("fault", ["missing", "truncated", "empty", "longer"])
def test_opening_notices_files_that_are_not_whole(prepared_toy: Path, name: str, fault: str) -> None:
    path, content = prepared_toy / name, (prepared_toy / name).read_bytes()
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes({"truncated": content[:-1], "empty": b"", "longer": content + b"\0"}[fault])
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        open_dataset(prepared_toy)


def test_index_files_are_checked_at_opening(prepared_toy: Path) -> None:
    for name in every_file():
        if name in ("joints.npy", "valid.npy"):
            continue
        sound = (prepared_toy / name).read_bytes()
        rewrite(prepared_toy / name, len(sound) - 3)
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            open_dataset(prepared_toy)
        (prepared_toy / name).write_bytes(sound)
    open_dataset(prepared_toy)


def sign(folder: Path, name: str) -> None:
    """Make the manifest agree with a file that was changed."""
    manifest, content = json.loads((folder / "manifest.json").read_bytes()), (folder / name).read_bytes()
    manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["self"] = hashlib.sha256(json_bytes(manifest["files"])).hexdigest()
    (folder / "manifest.json").write_bytes(json_bytes(manifest))


def test_arrays_of_another_dataset_are_noticed(prepared_toy: Path) -> None:
    """A sound manifest over foreign arrays does not match the fingerprint."""
    joints = np.array(np.load(prepared_toy / "joints.npy"))
    (prepared_toy / "joints.npy").write_bytes(npy_header(joints.dtype, joints.shape) + (joints * 2).tobytes())
    sign(prepared_toy, "joints.npy")
    with pytest.raises(DataError, match="fingerprint"):
        open_dataset(prepared_toy)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("track_offset", np.array([0, 3, 7, 1 << 40])),
        ("track_length", np.array([3, 4, 8, 0])),
        ("track_clip", np.array([0, 0, 1, 9])),
        ("track_clip", np.array([0, 2, 1, 2])),
        ("track_slot", np.array([0, 1])),
        ("labels", np.array([0.0, 1.0, 1.0])),
        ("names", np.array([1, 2, 3])),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(
    prepared_toy: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: Any
) -> None:
    """Even where every digest is right, because somebody else wrote the files."""
    kept = open_dataset(prepared_toy).fingerprint
    monkeypatch.setattr(store, "fingerprint", lambda *_: kept)
    (prepared_toy / f"{field}.npy").write_bytes(npy_header(value.dtype, value.shape) + value.tobytes())
    sign(prepared_toy, f"{field}.npy")
    with pytest.raises(DataError, match="inconsistent index"):
        open_dataset(prepared_toy)


@pytest.mark.parametrize(
    "change", [{"info": {}}, {"info": None}, {"fingerprint": None}, {"dtype": "object"}, {"dtype": "?!"}]
)
def test_an_info_that_says_nothing_is_refused(prepared_toy: Path, change: dict[str, Any]) -> None:
    path = prepared_toy / "info.json"
    path.write_bytes(json_bytes({**json.loads(path.read_bytes()), **change}))
    sign(prepared_toy, "info.json")
    with pytest.raises(DataError):
        open_dataset(prepared_toy)


def test_an_info_of_a_hundred_thousand_classes_is_refused(prepared_toy: Path) -> None:
    path = prepared_toy / "info.json"
    content = json.loads(path.read_bytes())
    content["info"]["classes"] = [f"c{number}" for number in range(100_000)]
    path.write_bytes(json_bytes(content))
    sign(prepared_toy, "info.json")
    with pytest.raises(DataError, match=r"no valid classes: there are 100,000, where at most 10,000 were expected"):
        open_dataset(prepared_toy)


def test_any_mutation_is_one_sentence(prepared_toy: Path) -> None:
    """600 random mutations of random files: never anything but a DataError that names the file."""
    generator = np.random.default_rng(0)
    names = every_file()
    sound = {name: (prepared_toy / name).read_bytes() for name in names}
    for _ in range(600):
        name = names[generator.integers(len(names))]
        content = bytearray(sound[name])
        at = int(generator.integers(len(content)))
        kind = generator.integers(4)
        if kind == 0:
            content[at] ^= 1 << int(generator.integers(8))
        elif kind == 1:
            del content[at:]
        elif kind == 2:
            content[at : at + 8] = generator.bytes(8)
        else:
            content = bytearray(generator.bytes(at + 1))
        (prepared_toy / name).write_bytes(content)
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            verify_dataset(prepared_toy)
        (prepared_toy / name).write_bytes(sound[name])
    verify_dataset(prepared_toy)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 1}', b'{"format": 1, "files": 3}']
)
def test_a_manifest_that_is_none(prepared_toy: Path, content: bytes) -> None:
    (prepared_toy / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match="manifest"):
        open_dataset(prepared_toy)


def test_a_newer_format_is_refused_by_number(prepared_toy: Path) -> None:
    manifest = json.loads((prepared_toy / "manifest.json").read_bytes())
    (prepared_toy / "manifest.json").write_bytes(json_bytes({**manifest, "format": 99}))
    with pytest.raises(DataError, match="format 99"):
        open_dataset(prepared_toy)


def test_opening_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a prepared dataset"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="file"):
        open_dataset(tmp_path / "file")
