"""Names made of contents: stable ids of names, identities of plain data, digests of files.

Imports no torch, since preparing a dataset works without it. These names are stored: after a change
here, no existing record, checkpoint or prepared dataset would be found again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

_CHUNK = 1 << 22


def stable_id(*names: str) -> int:
    """A 63-bit id of some names, the same on every machine and Python."""
    whole = hashlib.sha256("\0".join(names).encode()).digest()
    return int.from_bytes(whole[:8], "little") >> 1


IDENTITY = re.compile(r"[0-9a-f]{8,64}")
"""How an identity is written; files and folders are called after it, so that nothing else may stand there."""


def digest(content: Mapping[str, object]) -> str:
    """The identity of plain data: 32 hex digits, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def json_bytes(content: Mapping[str, object]) -> bytes:
    """Canonical JSON, as files of checkpoints and datasets hold it: sorted, indented, ASCII, newline at the end."""
    return (json.dumps(content, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def json_sha256(content: Mapping[str, object]) -> str:
    """sha256 of :func:`json_bytes`, in hex."""
    return hashlib.sha256(json_bytes(content)).hexdigest()


def file_sha256(path: Path) -> tuple[int, str]:
    """Size and sha256 (hex) of a file, read once in pieces of 4 MiB. Raises ``OSError``."""
    whole, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            whole.update(chunk)
            size += len(chunk)
    return size, whole.hexdigest()
