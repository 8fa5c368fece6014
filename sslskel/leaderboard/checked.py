"""Which records a board may show: those whose scores follow from their predictions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from sslskel.results.recomputed import OWN, recomputed, unequal
from sslskel.results.record import Record, RecordError
from sslskel.results.store import ResultStore


class Doubt(Enum):
    """Why a score was not computed again."""

    absent = auto()
    """Predictions were not kept, or are not in the folder."""
    damaged = auto()
    """They are not those that the record was written with."""
    unfit = auto()
    """They do not determine the score alone."""


@dataclass(frozen=True)
class CheckedRecords:
    """Records of a folder after their scores were computed again."""

    sound: tuple[Record, ...]
    wrong: tuple[tuple[Path, str], ...]
    """File, and what its scores should be: records that no board shows."""
    doubts: tuple[tuple[Record, Doubt], ...]
    """Sound as far as one can see."""

    def notes(self) -> list[str]:
        """One sentence for each kind of doubt."""
        sentences = {
            Doubt.absent: "were not computed again, for their predictions are not in the results folder",
            Doubt.damaged: "were not computed again, for their predictions are damaged",
            Doubt.unfit: "were not computed again, for that takes more than their predictions",
        }
        notes = []
        for doubt, sentence in sentences.items():
            own = [record for record, why in self.doubts if why is doubt]
            if own:
                of = ", ".join(sorted({f"{record.protocol['name']} {record.primary}" for record in own}))
                notes.append(f"scores of {len(own):,} of {len(self.sound):,} records {sentence} ({of})")
        return notes

    def warnings(self) -> list[str]:
        """One sentence where records were left out."""
        if not self.wrong:
            return []
        names = ", ".join(path.stem for path, _ in self.wrong)
        return [f"left out, for their scores do not follow from their predictions: {names}"]


def checked(store: ResultStore, records: Sequence[Record]) -> CheckedRecords:
    """Compute every score again that predictions determine."""
    # Unpacking and hashing run without the interpreter's lock.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        kept = [record for record in records if record.predictions is not None]
        verdicts = dict(zip(map(id, kept), pool.map(lambda record: _verdict(store, record), kept), strict=True))
    pairs = [(record, verdicts.get(id(record), Doubt.absent)) for record in records]
    return CheckedRecords(
        tuple(record for record, verdict in pairs if not isinstance(verdict, str)),
        tuple((store.path(record.identity), verdict) for record, verdict in pairs if isinstance(verdict, str)),
        tuple((record, verdict) for record, verdict in pairs if isinstance(verdict, Doubt)),
    )


def _verdict(store: ResultStore, record: Record) -> Doubt | str | None:
    """What is wrong with a record in words, why that is not known, or nothing."""
    if record.predictions is None or not (store.folder / record.predictions["file"]).exists():
        return Doubt.absent
    try:
        arrays = store.predictions(record)
    except RecordError:
        return Doubt.damaged
    details = record.extra.get("details", {})
    own = details.get(OWN, []) if isinstance(details, dict) else []
    again = recomputed(record.scores.keys() - set(own), arrays, details)
    if wrong := unequal(record.scores, again):
        return "its scores do not follow from its predictions: " + ", ".join(
            f"{name} is {record.scores[name]:.6g}, but they give {again[name]:.6g}" for name in wrong
        )
    return None if record.primary in again else Doubt.unfit
