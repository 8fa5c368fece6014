"""The three kinds of text files of PKU-MMD: frames of a recording, its annotated actions, and split lists.

What is made of them is in ``importing``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sslskel import DataError
from sslskel.data.motion.position_lines import Doubles, PositionLines, decimal, numbered_lines, plain_text
from sslskel.data.sources.archives import SourceFile

NUMBERS = 150
"""Per frame: 2 persons, 25 joints, x y z."""
CLASSES = 51
SMALL = 1 << 20
"""Most bytes of a label file or list; the largest list has 10 kB."""
_FRAMES = PositionLines(joints=25, persons=2, furthest=1000.0)


class Halves(NamedTuple):
    """What a split list names."""

    training: frozenset[str]
    others: frozenset[str]


class Action(NamedTuple):
    """One line of a label file as written: class from 1, first frame from 0, the frame after the last.

    Frames may be negative, which no action is cut from.
    """

    number: int
    """Place in the file, from 0; skipped lines do not count."""
    label: int
    start: int
    end: int
    confidence: int


def read_frames(file: SourceFile) -> Doubles:
    """(T, 150) metres, one line per frame; raises ``DataError`` naming file, line and fault."""
    return _FRAMES.read(file).reshape(-1, NUMBERS)


def read_actions(file: SourceFile) -> list[Action]:
    """Annotated actions in the order of the file; raises ``DataError`` naming file, line and fault."""
    actions: list[Action] = []
    for number, line in numbered_lines(plain_text(file, SMALL)):
        values = [decimal(word.strip()) for word in line.split(",")]
        whole = [int(value) for value in values if value is not None and value.is_integer()]
        if len(values) != 4 or len(whole) != 4 or not all(abs(value) < 1 << 31 for value in whole):
            raise DataError(
                f"'{file.where}' line {number} is {line.strip()[:60]!r}, not four whole numbers 'class,start,end,"
                "confidence'; fetch the file again"
            )
        if not 1 <= whole[0] <= CLASSES:
            raise DataError(f"'{file.where}' line {number} has class {whole[0]}; classes are 1 to {CLASSES}")
        actions.append(Action(len(actions), *whole))
    return actions


def read_list(file: SourceFile, video: re.Pattern[str]) -> Halves:
    """Names of the training and of the other videos; raises ``DataError`` naming file, line and fault."""
    halves: list[set[str]] = []
    for number, line in numbered_lines(plain_text(file, SMALL)):
        heading = re.match(r"\s*(training|valid|test)[a-z]* videos", line, re.IGNORECASE)
        if heading:
            if (heading[1].lower() == "training") != (not halves) or len(halves) == 2:
                raise DataError(f"'{file.where}' line {number}: {line.strip()[:40]!r} comes in the wrong place")
            halves.append(set())
            continue
        names = [name.strip() for name in line.split(",") if name.strip()]
        wrong = next((name for name in names if not halves or not video.fullmatch(name)), None)
        if wrong is not None:
            raise DataError(
                f"'{file.where}' line {number} has {wrong[:40]!r}, not a heading 'Training videos:' or names of videos"
                " of this phase; fetch the file again"
            )
        halves[-1].update(names)
    if len(halves) != 2 or not halves[0]:
        raise DataError(f"'{file.where}' has not both lists, 'Training videos:' and 'Validataion videos:'")
    both = sorted(halves[0] & halves[1])
    if both:
        raise DataError(f"'{file.where}' has {both[0]} among the training videos and among the others")
    return Halves(frozenset(halves[0]), frozenset(halves[1]))
