"""Where released code and its paper part, or where code cannot do what it says, shown by numbers that are computed.

A system has a module in ``methods/common/errata`` that defines ``ERRATA``; ``sslskel.plugins.errata`` finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Shown = Mapping[str, float | str]
"""What a demonstration computed: words for each number, in the order in which they are read."""


@dataclass(frozen=True)
class Erratum:
    """One such place. Texts are sentences; nothing stands in them that is not in the evidence or shown."""

    name: str
    """Short, of a system's own: ``labels``."""
    what: str
    """What the code does, and what the paper or the code itself says."""
    evidence: str
    """Where it was read: the paper's section, files of the repository."""
    numbers: str
    """Whether results change: what was measured here and how, or that it was not measured."""
    here: str
    """What happens here by default, and the option that does the other thing."""
    demonstrate: Callable[[], Shown]
    """Shows it on synthetic input, in seconds on a CPU; the same numbers at every call."""


@dataclass(frozen=True)
class Errata:
    """Those of a system: a method, a backbone, a protocol or a benchmark."""

    title: str
    """The system and its paper."""
    code: str
    """Repository and commit that were read; empty where several were, which entries name."""
    dated: str
    """Day on which evidence and demonstrations were last gone through, ``2026-11-30``."""
    entries: tuple[Erratum, ...]
