"""Values inside files that are replaced, taken out, doubled, renamed or wrapped: JSON, YAML, pickles, zip archives."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, "", "x", "../x", "\u202e\x1b[2J", -1, 0, 1, 2, 2**31, 2**63, -(2**63), 10**30, 1e308, 0.5),
    *(float("nan"), float("inf"), [], ["a"], [[]], [0] * 5, [[0, 1], [2]], {}, {"a": 1}, {"": None}, "9" * 300),
)
"""What stands in the place of a value."""
_DEEP = 2000


ENDINGS = {
    **dict.fromkeys((".zip", ".npz", ".pth"), "zip"),
    **dict.fromkeys((".pkl", ".pickle"), "pickle"),
    ".json": "json",
    ".yaml": "yaml",
}


def has_values(name: str) -> bool:
    """Whether a file of this name holds values that can be changed one by one."""
    return Path(name).suffix in ENDINGS


def changed_value(name: str, content: bytes, draw: random.Random) -> bytes:
    """The file with one value inside it changed."""
    kind = ENDINGS[Path(name).suffix]
    if kind == "zip":
        return _zip(content, draw)
    if kind == "pickle":
        return pickle.dumps(_changed(pickle.loads(content), draw), protocol=draw.choice((2, 4)))
    if kind == "json":
        if draw.random() < 0.03:
            return b"[" * _DEEP + content + b"]" * _DEEP
        return json.dumps(_changed(json.loads(content), draw)).encode("utf-8", "surrogatepass")
    if draw.random() < 0.03:
        return b"a: " + b"[" * 300 + b"]" * 300 + b"\n" + content
    return yaml.safe_dump(_changed(yaml.safe_load(content), draw), sort_keys=False).encode()


def _places(content: Any) -> Iterator[tuple[Any, ...]]:
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (key,)
        yield from ((key, *rest) for rest in _places(value))


def _changed(content: Any, draw: random.Random) -> Any:
    """A copy in which one value is another one, gone, doubled, renamed or wrapped."""
    if isinstance(content, tuple):
        content = list(content)
    places = list(_places(content))
    if not places or draw.random() < 0.05:
        return copy.deepcopy(draw.choice(HOSTILE))
    # Numbers are most of all places; names and lists are as interesting.
    shallow = [place for place in places if len(place) <= 2]
    path = draw.choice(draw.choice((places, shallow)))
    made = copy.deepcopy(content)
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    last = path[-1]
    kind = draw.choice(("replaced", "replaced", "replaced", "gone", "doubled", "renamed", "wrapped"))
    if kind == "gone":
        del inner[last]
    elif kind == "doubled" and isinstance(inner, list):
        inner.insert(last, copy.deepcopy(inner[last]))
    elif kind == "renamed" and isinstance(inner, dict):
        inner[draw.choice(("", "extra", f"{last}x", 7, f"{last}".upper()))] = inner.pop(last)
    elif kind == "wrapped":
        inner[last] = [inner[last]]
    else:
        inner[last] = copy.deepcopy(draw.choice((*HOSTILE, np.float32(3), np.zeros(3), {1, 2}, b"x")[: _most(made)]))
    return made


def _most(content: Any) -> int:
    """How many of the values that a file may hold can be written: arrays only into a pickle that has some."""
    held = [content]
    while held:
        value = held.pop()
        if isinstance(value, np.ndarray):
            return len(HOSTILE) + 4
        held += value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else []
    return len(HOSTILE)


def _zip(content: bytes, draw: random.Random) -> bytes:
    """An archive with a member gone, doubled, renamed, emptied, cut or packed in another way; its checksums fit."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = draw.randrange(len(members))
    name, data = members[at]
    kind = draw.choice(("gone", "doubled", "renamed", "emptied", "cut", "changed", "packed", "folder"))
    way = zipfile.ZIP_STORED
    if kind == "gone":
        del members[at]
    elif kind == "doubled":
        members.append((name, data[: draw.randrange(len(data) + 1)]))
    elif kind == "renamed":
        members[at] = draw.choice(("", "x", "../x", "/x", f"{name}/", name.upper(), "ü", "a\\b", "x" * 300)), data
    elif kind in ("emptied", "cut"):
        members[at] = name, data[: draw.randrange(len(data) + 1) if kind == "cut" else 0]
    elif kind == "changed" and data:
        place = draw.randrange(len(data))
        members[at] = name, data[:place] + draw.randbytes(1) + data[place + 1 :]
    elif kind == "folder":
        members.append((f"{name}.d/", b""))
    else:
        way = draw.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(packed, "w", way) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.compress_type = way
            archive.writestr(info, data)
    return packed.getvalue()
