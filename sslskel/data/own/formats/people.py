"""From the persons that a detector lists frame by frame to an array: who has which slot, and which frames lack them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.content import Content
from sslskel.data.own.formats.counting import by_numbers, nobody
from sslskel.errors import DataError

Doubles = npt.NDArray[np.float64]
NAMES = {2: "xy", 3: "xyc", 4: "xyzc"}
"""What the numbers of a joint are, by how many a detector gives."""


@dataclass(frozen=True)
class Person:
    """One person in one frame."""

    numbers: Doubles
    """(V, C) or flat."""
    identity: Hashable = None
    """The same in all frames where the detector tracks persons; None where it does not."""


@dataclass
class Detections:
    """What a detector lists: the number of every frame, and the persons in it."""

    where: str
    numbers: list[int] = field(default_factory=list)
    people: list[list[Person]] = field(default_factory=list)
    _known: set[int] = field(default_factory=set)

    def add(self, number: int, persons: Sequence[Person]) -> None:
        """Add a frame; raises ``DataError`` for a number that is there already, or where it lists a person twice."""
        if number in self._known:
            raise DataError(
                f"'{self.where}' has frame {number} twice; number the frames 0, 1, 2 ... and keep one of each number"
            )
        identities = [person.identity for person in persons if person.identity is not None]
        if len(set(identities)) < len(identities):
            raise DataError(f"'{self.where}' lists a tracked person twice in frame {number}; keep one of them")
        self._known.add(number)
        self.numbers.append(number)
        self.people.append(list(persons))

    def content(self, layout: SkeletonLayout, coordinates: str = "", unit: str = "pixel") -> Content:
        """(M, T, V, C), NaN where a person is not detected; ``coordinates`` by how many numbers there are if empty.

        Persons keep their slot by identity; without one the first of each frame is the first, and so on. Raises
        ``DataError`` where nobody is detected, or joints are not those of the layout.
        """
        if not self.numbers:
            raise DataError(f"'{self.where}' has no frames; leave the clip out of the table")
        clock = by_numbers(np.asarray(self.numbers, dtype=np.float64), self.where, "frames of the file")
        values = self._values(layout)
        tracked = all(person.identity is not None for persons in self.people for person in persons)
        slots = self._slots() if tracked else {}
        most = len(slots) if tracked else max(map(len, self.people))
        array = nobody((most, clock.frames, layout.num_joints, values), self.where)
        for row, persons in zip(clock.rows.tolist(), self.people, strict=True):
            for place, person in enumerate(persons):
                slot = slots[person.identity] if tracked else place
                array[slot, row] = person.numbers.reshape(layout.num_joints, values)
        return Content(
            array,
            axes="MTVC",
            coordinates=coordinates or NAMES[values],
            unit=unit,
            first=clock.first,
            clock=clock.title,
            gaps=clock.gaps,
        )

    def _slots(self) -> dict[Hashable, int]:
        return {
            identity: slot
            for slot, identity in enumerate(dict.fromkeys(p.identity for persons in self.people for p in persons))
        }

    def _values(self, layout: SkeletonLayout) -> int:
        """How many numbers each joint has, the same for all persons."""
        sizes = {person.numbers.size for persons in self.people for person in persons}
        if not sizes:
            raise DataError(f"'{self.where}' has no person in any frame; leave the clip out of the table")
        size = min(sizes)
        if len(sizes) > 1:
            raise DataError(f"'{self.where}': some persons have {size} numbers, others {max(sizes)}; keep one kind")
        if size % layout.num_joints or size // layout.num_joints not in NAMES:
            raise DataError(
                f"'{self.where}' has {size} numbers per person, which are not those of the {layout.num_joints} joints"
                f" of layout '{layout.name}'; name the layout of the detector (coco17, openpose18, body_25, mediapipe)"
            )
        return size // layout.num_joints


def number_in(name: object, otherwise: int) -> int:
    """The last number in the name of a picture or file, which counts its frame."""
    if isinstance(name, (int, float)):
        return int(name)
    digits = re.findall(r"[0-9]{1,15}", str(name))
    return int(digits[-1]) if digits else otherwise


def numbers_of(values: object, where: str) -> Doubles:
    """The numbers of a person, from a list of them or of lists; raises ``DataError``."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError):
        array = np.zeros(0)
    if not isinstance(values, list) or not array.size:
        raise DataError(f"'{where}': a person has no list of numbers; write or copy the file again")
    return array
