"""The import of a source in pieces: parallel, in bounded memory, and continued where it was interrupted.

How pieces run side by side is in ``workers.py``, what is kept of an interrupted import in
``journal.py``; the importer knows what a piece means.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip
from sslskel.data.sources.archives import source_files
from sslskel.data.sources.pieces import Made, Piece, PieceImporter, count_in, digest_of
from sslskel.data.sources.workers import PieceResult, cores, outcomes, tasks_of
from sslskel.data.store.journal import Kept, Mark
from sslskel.errors import DataError
from sslskel.progress import SILENT, Reporter


@dataclass
class PieceImport:
    """One import: call it with the states of the marks that an earlier one left, and iterate.

    Damaged files go into ``report.faults`` and are left out; ``strict`` raises the first.
    """

    importer: PieceImporter
    sources: Sequence[Path]
    report: ImportReport
    strict: bool = False
    workers: int | None = None
    """Processes; all cores where None, this process alone where 1."""
    reporter: Reporter = SILENT
    title: str = "importing"
    _began: float = field(default_factory=time.monotonic)

    def __call__(self, states: Sequence[Mapping[str, Any]]) -> Iterator[Clip | Mark | Kept]:
        """Yield how many states still hold, then clips in the order of the pieces, with marks between them."""
        wanted = self.importer
        with source_files(self.sources, wanted.suffixes, self.report, wanted.limit, wanted.key) as files:
            pieces = wanted.plan(files, self.report)
            self.report.plan = digest_of(pieces)
            marks, done = self._held(states, pieces)
            yield Kept(marks)
            self._began = time.monotonic()
            tasks = tasks_of(pieces[done:])
            skipped = done
            for task, results in zip(tasks, self._results(tasks), strict=True):
                state = _State([piece.identity for piece in task])
                for piece, outcome in zip(task, results, strict=True):
                    yield from self._counted(piece, outcome, state)
                    done += 1
                    self._tell(done, skipped, len(pieces))
                yield Mark(state.data())
        if self.report.faults and len(self.report.faults) == len(pieces):
            raise DataError(f"not one file could be used; the first: {next(iter(self.report.faults.values()))}")

    def _held(self, states: Sequence[Mapping[str, Any]], pieces: Sequence[Piece]) -> tuple[int, int]:
        """How many states describe these very pieces, and how many pieces that is; they enter the report."""
        done = 0
        for number, state in enumerate(states):
            known = state["pieces"]
            here = pieces[done : done + len(known)]
            if [piece.identity for piece in here] != known or (self.strict and state["faults"]):
                return number, done
            for piece, digests in zip(here, state["digests"], strict=True):
                _note_digests(piece, [bytes.fromhex(digest) for digest in digests])
            count_in(self.report, Made((), state["dropped"], state["tally"]))
            self.report.faults.update(state["faults"])
            done += len(known)
        return len(states), done

    def _results(self, tasks: Sequence[Sequence[Piece]]) -> Iterator[list[PieceResult]]:
        return outcomes(tasks, cores() if self.workers is None else self.workers)

    def _counted(self, piece: Piece, outcome: PieceResult, state: _State) -> Iterator[Clip]:
        if outcome.fault and self.strict:
            raise DataError(outcome.fault)
        if outcome.fault:
            state.faults[piece.name] = self.report.faults[piece.name] = outcome.fault
        _note_digests(piece, outcome.digests)
        state.digests.append([digest.hex() for digest in outcome.digests])
        count_in(self.report, outcome.made)
        state.add(outcome.made)
        yield from outcome.made.clips

    def _tell(self, done: int, skipped: int, of: int) -> None:
        seconds = max(time.monotonic() - self._began, 1e-3)
        self.reporter.step(self.title, done, of, **{"files/s": float(round((done - skipped) / seconds))})


@dataclass
class _State:
    """What a mark keeps of a task."""

    pieces: list[str]
    digests: list[list[str]] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    tally: dict[str, int] = field(default_factory=dict)

    def add(self, made: Made) -> None:
        scratch = ImportReport(dropped=self.dropped, tally=self.tally)
        count_in(scratch, made)

    def data(self) -> dict[str, Any]:
        return {
            "pieces": self.pieces,
            "digests": self.digests,
            "faults": self.faults,
            "dropped": self.dropped,
            "tally": self.tally,
        }


def _note_digests(piece: Piece, digests: Sequence[bytes]) -> None:
    """Tell the sources' own checksums what was read, in the order of the pieces."""
    for file, digest in zip(piece.files, digests, strict=True):
        saw: Callable[[bytes], None] | None = file.saw
        if saw is not None and digest:
            saw(digest)
