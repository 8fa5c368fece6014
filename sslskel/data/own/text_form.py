"""What a line of a text file of bare numbers holds, as ``text`` in a layout file describes it.

``frame xyz*`` is a number of the frame and x, y, z of every joint; ``xyzc`` is one joint a line. How the numbers
are read is in ``formats/described_text.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<field>frame|time|person|clip)|(?P<skip>-)(?P<count>[0-9]{1,4})?"
    r"|(?P<joint>[xyzc]{2,4})(?P<all>\*)?|\((?P<group>[^()]*)\)\*(?P<times>[0-9]{1,4})?|(?P<rest>\.\.\.)"
)


@dataclass(frozen=True)
class TextForm:
    """What the fields of a line are, as ``line`` says in words, and which lines are none of joints."""

    line: str
    skip: int = 0
    """Lines at the beginning of the file."""
    skip_per_frame: int = 0
    """Lines before the joints of each frame, where a line is a joint."""
    lines_per_joint: int = 1
    """Lines of each joint, of which the first counts."""

    def columns(self, joints: int) -> LineColumns:
        """The columns of a line of a body with so many joints; raises ``ValueError`` for a line that says nothing."""
        return _Parser(self.line, joints).columns()


@dataclass
class LineColumns:
    """Where everything is in a line."""

    width: int
    open: bool
    """Whether more fields may follow, which are left out."""
    fields: dict[str, int]
    axes: str
    """Letters of the numbers of a joint, in the order of the line."""
    joints: list[list[int]]
    """First columns of the joints, of each person of a line; one joint where a line is a joint."""

    def places(self) -> list[list[list[int]]]:
        """(persons, joints, axes) columns, the axes in the order x, y, z, c."""
        order = [self.axes.index(letter) for letter in "xyzc" if letter in self.axes]
        return [[[first + at for at in order] for first in person] for person in self.joints]

    @property
    def coordinates(self) -> str:
        """A key of ``VALUES``."""
        return "".join(letter for letter in "xyzc" if letter in self.axes)


class _Parser:
    """Reads the description of a line, token by token."""

    def __init__(self, line: str, joints: int) -> None:
        self._line, self._count = line, joints
        self._at = LineColumns(0, False, {}, "", [])
        self._single: list[int] = []

    def columns(self) -> LineColumns:
        self._read(self._line)
        made = self._at
        if self._single:
            if made.joints or len(self._single) not in (1, self._count):
                raise self._fault(f"it has {len(self._single)} joints, expected 1 or all {self._count}")
            made.joints = [self._single]
        if not made.joints:
            raise self._fault("it has no joint")
        if any(len(person) not in (1, self._count) for person in made.joints):
            raise self._fault(f"its groups have other numbers of joints than the {self._count} of the layout")
        if made.coordinates not in ("xy", "xyz", "xyc", "xyzc"):
            raise self._fault(f"'{made.axes}' are not the numbers of a joint (xy, xyz, xyc, xyzc in any order)")
        return made

    def _read(self, text: str) -> None:
        end = 0
        for match in _TOKEN.finditer(text):
            if text[end : match.start()].strip() or self._at.open:
                break
            end = match.end()
            self._take(match)
        if text[end:].strip():
            raise self._fault(f"'{text[end:].strip()[:40]}' is not known")

    def _take(self, match: re.Match[str]) -> None:
        made = self._at
        if match["field"]:
            if match["field"] in made.fields:
                raise self._fault(f"it has '{match['field']}' twice")
            made.fields[match["field"]] = made.width
            made.width += 1
        elif match["skip"]:
            made.width += int(match["count"] or 1)
        elif match["rest"]:
            made.open = True
        elif match["joint"]:
            self._joints(match["joint"], all_of_them=match["all"] is not None)
        else:
            for _ in range(int(match["times"] or self._count)):
                self._read(match["group"])

    def _joints(self, axes: str, all_of_them: bool) -> None:
        made = self._at
        if made.axes not in ("", axes) or len(set(axes)) != len(axes):
            raise self._fault(f"'{axes}' are not the numbers of its other joints")
        made.axes = axes
        starts = [made.width + len(axes) * joint for joint in range(self._count if all_of_them else 1)]
        made.width += len(axes) * len(starts)
        if all_of_them:
            made.joints.append(starts)
        else:
            self._single += starts

    def _fault(self, what: str) -> ValueError:
        return ValueError(
            f"the line '{self._line}' cannot be read: {what}; write for instance 'frame xyz*' (a line per frame) or"
            " 'xyzc' (a line per joint), '-' for a field that is left out, '(- xyz)*' for a group per joint"
        )
