"""From recordings to clips: each is read once, checked, and yielded or left out with its reason.

What is known of the set before its clips are read, and where it is stored, is in ``importing.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip
from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.axes import ArrayFormat, array_format, cut, tracks_of
from sslskel.data.own.layout_file import Description
from sslskel.data.own.numbering import Numbering
from sslskel.data.own.recordings import Recording
from sslskel.errors import DataError
from sslskel.progress import SILENT, Reporter

SHOWN_FAULTS = 3
"""Clips that the error names where not one could be read."""


@dataclass(frozen=True)
class ClipReader:
    """Recordings on their way to clips. ``strict`` ends at the first that cannot be read."""

    name: str
    recordings: Sequence[Recording]
    report: ImportReport
    strict: bool
    reporter: Reporter = SILENT

    def array_format(self, description: Description, layout: SkeletonLayout) -> ArrayFormat:
        """How arrays are to be read; the first that can be opened tells what the description leaves open.

        Raises ``DataError`` where none can be opened.
        """
        if description.coordinates is not None:
            return array_format(description, layout, None)
        faults = []
        for recording in self.recordings:
            try:
                return array_format(description, layout, recording.load())
            except DataError as fault:
                if self.strict:
                    raise _named(recording, fault) from fault
                faults.append(str(_named(recording, fault)))
        raise _nothing_left(faults)

    def clips(self, form: ArrayFormat, numbering: Numbering) -> Iterator[Clip]:
        """Every clip that can be read, in the order of the recordings; the others go to the report.

        Raises ``DataError`` at the first fault where ``strict``, and at the end where no clip is left.
        """
        kept = ended = 0
        faults = []
        for done, recording in enumerate(self.recordings, 1):
            try:
                clip, empty = _clip(recording, form, numbering)
            except DataError as fault:
                if self.strict:
                    raise _named(recording, fault) from fault
                faults.append(str(_named(recording, fault)))
                # What stands before the colon is what a summary of many counts together.
                self.report.dropped[recording.name] = f"cannot be read: {faults[-1]}"
            else:
                kept, ended = kept + 1, ended + empty
                yield clip
            self.reporter.step(f"importing {self.name}", done, len(self.recordings))
        if not kept:
            raise _nothing_left(faults)
        if ended:
            self.report.notes.append(f"{ended:,} frames without a person were cut off at the ends of clips")


def _clip(recording: Recording, form: ArrayFormat, numbering: Numbering) -> tuple[Clip, int]:
    """The clip, and how many frames without a person were cut off."""
    rows = cut(form.persons(recording.load(), recording.where), recording.begin, recording.end, recording.where)
    length, tracks, ended = tracks_of(rows, form.layout, recording.where)
    clip = Clip(
        name=recording.name,
        label=numbering.labels[recording.label] if recording.label else -1,
        length=length,
        tracks=tracks,
        subject=numbering.number("subject", recording.subject),
        camera=numbering.number("camera", recording.camera),
        setup=numbering.number("setup", recording.setup),
    )
    return clip, ended


def _named(recording: Recording, fault: DataError) -> DataError:
    """The fault of a file with the clip it belongs to."""
    text = str(fault)
    return fault if text.startswith(recording.where) else DataError(f"{recording.where}: {text}")


def _nothing_left(reasons: Sequence[str]) -> DataError:
    more = f"; and {len(reasons) - SHOWN_FAULTS} more" if len(reasons) > SHOWN_FAULTS else ""
    return DataError(f"not one clip could be read: {'; '.join(reasons[:SHOWN_FAULTS])}{more}")
