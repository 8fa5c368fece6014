"""Files of others that are consistent in themselves and say what no writer ever said: JSON, features, archives."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sslskel.data.store.format import FileFact, fingerprint, info_from_json, read_manifest, write_manifest
from sslskel.errors import SslskelError
from sslskel.hashing import json_bytes
from sslskel.results.schema import digest_of

HOSTILE: tuple[Any, ...] = (
    *(None, True, "", "x", "../x", "\u202e\x1b[2J", -1, 0, 1, 2**63, -(2**63), 1e308, 0.5),
    *([], ["a"], [[]], [0] * 5, {}, {"a": 1}, {"": None}),
)
"""What stands in the place of a value."""


def forgeries(content: Any, seed: int, count: int) -> Iterator[tuple[str, Any]]:
    """Copies of a JSON value, in each of which one value somewhere is another or is missing; each with its place."""
    draw, places = random.Random(seed), list(_places(content))
    for _ in range(count):
        path = draw.choice(places)
        made = copy.deepcopy(content)
        inner = made
        for step in path[:-1]:
            inner = inner[step]
        chosen = draw.randrange(len(HOSTILE) + 1)
        if chosen == len(HOSTILE):
            del inner[path[-1]]
        else:
            inner[path[-1]] = copy.deepcopy(HOSTILE[chosen])
        yield f"{'.'.join(map(str, path))}: {json.dumps(HOSTILE[chosen]) if chosen < len(HOSTILE) else 'gone'}", made


def _places(content: Any) -> Iterator[tuple[Any, ...]]:
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (key,)
        yield from ((key, *rest) for rest in _places(value))


def write_record(path: Path, content: dict[str, Any]) -> None:
    """A record whose digest fits what it says."""
    content["digest"] = digest_of(content)
    path.write_text(json.dumps(content, indent=1))


def write_state(path: Path, content: Any) -> None:
    """A checkpoint's ``state.json``, and a manifest that vouches for it."""
    data = json.dumps(content).encode()
    path.write_bytes(data)
    manifest = json.loads((path.parent / "manifest.json").read_text())
    manifest["files"]["state.json"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (path.parent / "manifest.json").write_bytes(json_bytes(manifest))


def write_dataset_json(path: Path, content: Any) -> None:
    """A JSON file of a prepared dataset, its own fingerprint and a manifest that vouch for it."""
    facts = read_manifest(path.parent, "")
    if path.name == "info.json":
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, SslskelError):
            content["fingerprint"] = fingerprint(info_from_json(content["info"]), facts)
    data = json.dumps(content, indent=1, sort_keys=True).encode()
    for file in (path, path.with_name("manifest.json")):
        file.chmod(0o644)
    path.write_bytes(data)
    write_manifest(path.parent, {**facts, path.name: FileFact(len(data), hashlib.sha256(data).hexdigest())})


def absurd_zip(path: Path, names: tuple[str, ...], size: int = 2**62) -> Path:
    """A zip64 archive of a few bytes, each of whose members states that it unpacks to ``size`` bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(b"0" * 64)
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        name, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        data[at + 24 : at + 28] = b"\xff" * 4
        field = struct.pack("<HHQ", 1, 8, size)
        struct.pack_into("<H", data, at + 30, extra + len(field))
        end = at + 46 + name
        data[end:end] = field
        at = data.find(b"PK\x01\x02", end + len(field) + extra + comment)
    begin, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    struct.pack_into("<L", data, end + 12, end - begin)
    path.write_bytes(data)
    return path
