"""Stable ids: keys of clips, what random numbers are keyed by, identities of what a run was asked for.

Apart from ``noise`` because preparing a dataset needs them and no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def stable_id(*words: str) -> int:
    """A 63-bit id of some words, the same on every machine and Python."""
    digest = hashlib.sha256("\0".join(words).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def digest(words: Mapping[str, object]) -> str:
    """sha256 (first 32 hex digits) of canonical JSON."""
    text = json.dumps(words, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
