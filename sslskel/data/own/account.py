"""What became of the frames, joints and persons of a set on the way in, counted, and reported in sentences."""

from __future__ import annotations

from dataclasses import dataclass, field

from sslskel.data.own.content import Content
from sslskel.data.own.frames import Taken
from sslskel.data.own.missing import MissingRule
from sslskel.data.own.tracks import ShownCount

NOTES = 8
"""Most different notes of files that are reported."""


@dataclass
class Account:
    """Counts over the clips that were read."""

    frames: int = 0
    """Of all files, as they are written."""
    cut: int = 0
    cut_clips: int = 0
    clocks: set[str] = field(default_factory=set)
    """What counts the frames or times that ``begin`` and ``end`` name."""
    thinned: int = 0
    thinned_clips: int = 0
    steps: set[int] = field(default_factory=set)
    rates: list[float] = field(default_factory=list)
    """Of files whose frames are taken although their times give another rate than that of the set."""
    gaps: int = 0
    gap_clips: int = 0
    ended: int = 0
    inside: int = 0
    joints: int = 0
    between: int = 0
    never: int = 0
    lacking: int = 0
    persons: int = 0
    crowds: int = 0
    ambiguous: int = 0
    """Clips whose arrays fit several orders."""
    clips: int = 0
    notes: dict[str, None] = field(default_factory=dict)

    def add(self, content: Content, frames: int, chosen: Taken, shown: ShownCount) -> None:
        """Count a clip."""
        self.clips += 1
        self.frames += frames
        if chosen.cut:
            self.cut, self.cut_clips = self.cut + chosen.cut, self.cut_clips + 1
            self.clocks |= {content.clock} if content.clock else set()
        if chosen.thinned:
            self.thinned, self.thinned_clips = self.thinned + chosen.thinned, self.thinned_clips + 1
            self.steps.add(chosen.step)
        if chosen.odd_rate is not None:
            self.rates.append(chosen.odd_rate)
        if content.gaps:
            self.gaps, self.gap_clips = self.gaps + content.gaps, self.gap_clips + 1
        if shown.persons:
            self.persons, self.crowds = self.persons + shown.persons, self.crowds + 1
        self.ended, self.inside = self.ended + shown.ended, self.inside + shown.inside
        self.joints += shown.joints
        self.between, self.never = self.between + shown.filled.between, self.never + shown.filled.never
        self.lacking += shown.filled.frames
        self.notes.update(dict.fromkeys(content.notes))

    def sentences(self, rule: MissingRule, persons: int | None, fps: float) -> list[str]:
        """Everything that was left out, filled in or taken as it is; nothing of what did not happen."""
        happened = (*self._frames(fps), *self._joints(rule, persons), *self._kept())
        return [sentence for count, sentence in happened if count]

    def _frames(self, fps: float) -> list[tuple[int, str]]:
        clocks = f" ({', '.join(sorted(self.clocks))} counts them)" if self.clocks else ""
        every = ", ".join(str(step) for step in sorted(self.steps))
        low, high = (min(self.rates), max(self.rates)) if self.rates else (0.0, 0.0)
        return [
            (
                self.cut,
                f"{self.cut:,} of {self.frames:,} frames lie outside begin and end of {self.cut_clips} clips{clocks}",
            ),
            (
                self.thinned,
                f"{self.thinned:,} frames of {self.thinned_clips} clips were left out to come to {fps:g} per second"
                f" (one of every {every} is kept)",
            ),
            (
                len(self.rates),
                f"the times of {len(self.rates)} clips give another rate, {low:.3g} to {high:.3g} per second; their"
                f" frames are taken for {fps:g} per second",
            ),
            (
                self.gaps,
                f"{self.gaps:,} frames are missing in the numbers or times of {self.gap_clips} clips; they have no"
                " person",
            ),
            (self.ended, f"{self.ended:,} frames without a person were cut off at the ends of clips"),
            (self.inside, f"{self.inside:,} frames inside clips have no person; they are kept as not valid"),
        ]

    def _joints(self, rule: MissingRule, persons: int | None) -> list[tuple[int, str]]:
        marks = [word for word, on in (("lie at zero", rule.zero), ("are NaN", rule.nan)) if on]
        marks.append(f"have a confidence below {rule.below:g}" if rule.below else "have confidence 0")
        missing = self.between + self.never
        share = 100 * missing / max(self.joints, 1)
        return [
            (
                missing,
                f"{missing:,} of {self.joints:,} joints ({share:.1f} %) are missing, as they {' or '.join(marks)}:"
                f" {self.between:,} were put between the frames that show them, {self.never:,} that no frame of their"
                " person shows where the nearest joint of the body is (missing, fill)",
            ),
            (self.lacking, f"{self.lacking:,} frames of persons lack a joint and are not valid (fill: drop)"),
            (
                self.persons,
                f"{self.persons} persons of {self.crowds} clips were left out; the {persons} who move most are kept",
            ),
        ]

    def _kept(self) -> list[tuple[int, str]]:
        notes = list(self.notes)
        order = (
            "the shapes of all arrays fit another order of axes too; they are read as (persons, frames, joints,"
            " coordinates); say 'axes' if that is wrong"
        )
        return [
            *((1, note) for note in notes[:NOTES]),
            (len(notes) > NOTES, f"... and {len(notes) - NOTES} more notes of this kind"),
            (self.ambiguous == self.clips, order),
        ]
