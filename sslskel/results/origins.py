"""Origins in words: the files and checkpoints that an encoder comes from besides its clips."""

from __future__ import annotations

from sslskel.results.facts import OriginFacts

SHORT = 12
"""Hex digits of a digest that people are shown."""


def title_of(origin: OriginFacts) -> str:
    """``teacher.npy (0123456789ab)``."""
    return f"{origin['name']} ({origin['sha256'][:SHORT]})"


def described(origin: OriginFacts) -> str:
    """What it is, which way it came, and what it has seen."""
    through = f" through {origin['through']}" if "through" in origin else ""
    if "saw" not in origin:
        saw = "of which it is not known what it was made from"
    else:
        verb = "which its owner declares to have seen" if origin.get("declared") else "which saw"
        saw = f"{verb} {', '.join(origin['saw']) or 'no clip'}"
    return f"{origin['kind']} {title_of(origin)}{through}, {saw}"
