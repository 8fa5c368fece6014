"""Stable ids of words: keys of clips, and what random numbers are keyed by.

Apart from ``noise`` because preparing a dataset needs them and no torch.
"""

from __future__ import annotations

import hashlib


def stable_id(*words: str) -> int:
    """A 63-bit id of some words, the same on every machine and Python."""
    digest = hashlib.sha256("\0".join(words).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
