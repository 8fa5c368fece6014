"""From recordings to clips: each is read once, checked, and yielded or left out with its reason.

What is known of the set before its clips are read, and where it is stored, is in ``importing.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip
from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.account import Account
from sslskel.data.own.axes import ArrayFormat, has_other_orders
from sslskel.data.own.content import Content
from sslskel.data.own.frames import taken
from sslskel.data.own.guessing import array_format
from sslskel.data.own.layout_file import Description
from sslskel.data.own.numbering import Numbering
from sslskel.data.own.recordings import Recording
from sslskel.data.own.tracks import Shown, tracks_of
from sslskel.data.store.rows import is_name
from sslskel.errors import DataError
from sslskel.progress import SILENT, Reporter

SHOWN_FAULTS = 3
"""Clips that the error names where not one could be read."""


@dataclass(frozen=True)
class Settled:
    """How the clips of a set are read and stored."""

    form: ArrayFormat
    numbering: Numbering
    described: Description
    fps: float
    """Frames per second of what is stored."""
    measured: bool = False
    """Whether times of a file tell it."""


@dataclass(frozen=True)
class ClipReader:
    """Recordings on their way to clips. ``strict`` ends at the first that cannot be read."""

    name: str
    recordings: Sequence[Recording]
    report: ImportReport
    strict: bool
    reporter: Reporter = SILENT

    def array_format(self, description: Description, layout: SkeletonLayout) -> tuple[ArrayFormat, Content | None]:
        """How arrays are to be read, and the first that can be opened, where one was.

        What is not stated the first arrays show. Raises ``DataError`` where none can be opened.
        """
        faults: list[str] = []
        opened: list[Content] = []

        def contents() -> Iterator[tuple[str, Content]]:
            for recording in self.recordings:
                try:
                    content = recording.load()
                except DataError as fault:
                    if self.strict:
                        raise _named(recording, fault) from fault
                    faults.append(str(_named(recording, fault)))
                else:
                    opened.append(content)
                    yield recording.where, content

        form = array_format(description, layout, contents())
        settled = None not in (description.coordinates, description.fps, description.unit)
        if description.coordinates is not None and not settled:
            next(contents(), None)
        if not opened and not settled:
            raise _nothing_left(faults)
        return form, opened[0] if opened else None

    def clips(self, settled: Settled) -> Iterator[Clip]:
        """Every clip that can be read, in the order of the recordings; the others go to the report.

        Raises ``DataError`` at the first fault where ``strict``, and at the end where no clip is left.
        """
        account, faults = Account(), []
        for done, recording in enumerate(self.recordings, 1):
            try:
                clip = _clip(recording, settled, account)
            except DataError as fault:
                if self.strict:
                    raise _named(recording, fault) from fault
                faults.append(str(_named(recording, fault)))
                # What stands before the colon is what a summary of many counts together.
                self.report.dropped[recording.name] = f"cannot be read: {faults[-1]}"
            else:
                yield clip
            self.reporter.step(f"importing {self.name}", done, len(self.recordings))
        if not account.clips:
            raise _nothing_left(faults)
        described = settled.described
        self.report.notes += account.sentences(described.missing, described.persons, settled.fps)


def _clip(recording: Recording, settled: Settled, account: Account) -> Clip:
    """The clip; what was left out or filled in is counted."""
    form, described, numbering, where = settled.form, settled.described, settled.numbering, recording.where
    if not is_name(recording.name):
        raise DataError(f"{where} has no printable name; give it one")
    content = recording.load()
    rows, confidence = form.rows(content, where)
    if content.fps is None and described.recorded_fps is not None:
        content = replace(content, fps=described.recorded_fps)
    frames = rows.shape[1]
    chosen = taken(content, frames, recording.begin, recording.end, settled.fps, where)
    shown = Shown(
        rows[:, chosen.rows],
        None if confidence is None else confidence[:, chosen.rows],
        [str(number) for number in chosen.numbers.tolist()],
        where,
    )
    length, tracks, counted = tracks_of(shown, form.layout, described.missing, described.persons)
    account.add(content, frames, chosen, counted)
    account.ambiguous += has_other_orders(content, form)
    return Clip(
        name=recording.name,
        label=numbering.labels[recording.label] if recording.label else -1,
        length=length,
        tracks=tracks,
        subject=numbering.number("subject", recording.subject),
        camera=numbering.number("camera", recording.camera),
        setup=numbering.number("setup", recording.setup),
    )


def _named(recording: Recording, fault: DataError) -> DataError:
    """The fault of a file with the clip it belongs to."""
    text = str(fault)
    return fault if text.startswith(recording.where) else DataError(f"{recording.where}: {text}")


def _nothing_left(reasons: Sequence[str]) -> DataError:
    more = f"; and {len(reasons) - SHOWN_FAULTS} more" if len(reasons) > SHOWN_FAULTS else ""
    return DataError(f"not one clip could be read: {'; '.join(reasons[:SHOWN_FAULTS])}{more}")
