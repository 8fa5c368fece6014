"""What an importer hands to the import pipeline: independent pieces, and how to make clips of one.

Nothing here runs anything: ``pipeline.py`` does, in several processes, with a journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip
from sslskel.data.sources.archives import FILE_LIMIT, SourceFile, by_name, source_files
from sslskel.errors import DataError


@dataclass(frozen=True)
class Made:
    """What one piece gave: its clips, the clips a rule left out with the reason, and counts of what was done."""

    clips: tuple[Clip, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    tally: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Piece:
    """A part of a source that can be imported alone.

    ``make(*files)`` runs in whatever process has time, so it is a function of a module, or a
    ``functools.partial`` of one, and everything it is given can be pickled. It reads ``files``
    and nothing else, and raises ``DataError`` naming file and fault where one is damaged.
    """

    name: str
    files: tuple[SourceFile, ...]
    make: Callable[..., Made]

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(file.size for file in self.files)

    @property
    def identity(self) -> str:
        """Changes with what the piece is made of: 16 hexadecimal digits."""
        parts = [f"{file.path}\0{file.size}\0{file.stamp}" for file in self.files]
        text = "\0".join((self.name, *parts)).encode("utf-8", "surrogateescape")
        return hashlib.sha256(text).hexdigest()[:16]


Plan = Callable[[Sequence[SourceFile], ImportReport], Sequence[Piece]]
"""From all files found to the pieces, in the order of the dataset; what is left out goes into the report."""


@dataclass(frozen=True)
class PieceImporter:
    """An importer whose source falls into pieces; use one as ``Benchmark.read``.

    ``sslskel.data.prepare`` imports the pieces on all cores, keeps what is done when it is
    interrupted, and leaves out damaged files with a report unless it is strict. With
    ``partial``, fewer clips than the benchmark expects are reported rather than refused.
    Called like any importer it does the same work in this process, and stops at a damaged file.
    """

    suffixes: tuple[str, ...]
    plan: Plan
    limit: int = FILE_LIMIT
    """Most bytes of one file."""
    partial: bool = False
    key: Callable[[SourceFile], str] = by_name
    """Tells which files of a source are the same."""

    def __call__(self, sources: Sequence[Path], report: ImportReport) -> Iterator[Clip]:
        """Yield the clips in the order of the pieces; raises ``DataError`` at the first damaged file."""
        with source_files(sources, self.suffixes, report, self.limit, self.key) as files:
            for piece in self.plan(files, report):
                made = piece.make(*piece.files)
                count_in(report, made)
                yield from made.clips

    def digest(self, sources: Sequence[Path]) -> str:
        """Digest of all pieces of these sources, without reading their content."""
        scratch = ImportReport()
        with source_files(sources, self.suffixes, scratch, self.limit, self.key) as files:
            return digest_of(self.plan(files, scratch))


def digest_of(pieces: Sequence[Piece]) -> str:
    """One sha256 over the identities of all pieces, in their order."""
    return hashlib.sha256("\n".join(piece.identity for piece in pieces).encode()).hexdigest()


def count_in(report: ImportReport, made: Made) -> None:
    """Add what a piece dropped and counted to the report."""
    report.dropped.update(made.dropped)
    for what, number in made.tally.items():
        report.tally[what] = report.tally.get(what, 0) + number


def require_files(files: Sequence[SourceFile], what: str) -> None:
    """Raise ``DataError`` where no file is left of what an importer looks for."""
    if not files:
        raise DataError(f"the source holds no {what}; name the folder or archive that does")
