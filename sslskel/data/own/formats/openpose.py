"""Keypoints of OpenPose: a folder of one JSON file per frame, or one such file. OpenPose does not track persons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslskel.data.own.content import Content
from sslskel.data.own.formats.json_text import load_json
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.formats.people import Detections, Person, number_in, numbers_of
from sslskel.errors import DataError

KEYS = ("pose_keypoints_2d", "pose_keypoints_3d", "pose_keypoints")


def read_folder(source: Source) -> Content:
    """The files of a folder in the order of the numbers in their names, which count the frames."""
    files = sorted(source.path.glob("*.json"), key=lambda file: (number_in(_numbered(file), 0), file.name))
    detections = Detections(str(source.path))
    for place, file in enumerate(files):
        value = load_json(file)
        if not is_frame(value):
            raise DataError(f"'{file}' has no 'people', as the JSON files of OpenPose do; leave other files out")
        detections.add(number_in(_numbered(file), place), _persons(value, str(file)))
    return detections.content(source.layout)


def read_file(source: Source) -> Content:
    """A recording of one frame."""
    detections = Detections(str(source.path))
    detections.add(0, _persons(source.json(), str(source.path)))
    return detections.content(source.layout)


def _numbered(file: Path) -> str:
    """The name of a file without what OpenPose puts behind the number of the frame."""
    return re.sub(r"_(?:keypoints|pose)$", "", file.stem)


def is_frame(value: object) -> bool:
    """Whether this is what OpenPose writes for a frame."""
    return isinstance(value, Mapping) and isinstance(value.get("people"), list)


def _persons(value: Any, where: str) -> list[Person]:
    persons = []
    for person in value["people"]:
        key = next((key for key in KEYS if isinstance(person, Mapping) and person.get(key)), None)
        if key is None:
            raise DataError(f"'{where}': a person has none of {', '.join(KEYS)}; let OpenPose write the keypoints")
        persons.append(Person(numbers_of(person[key], where), _identity(person.get("person_id"))))
    return persons


def _identity(value: Any) -> int | None:
    """The number of a person, if OpenPose tracks one; it writes -1 otherwise."""
    number = value[0] if isinstance(value, list) and value else value
    return number if isinstance(number, int) and number >= 0 else None


def is_folder(source: Source) -> bool:
    """Whether a folder has JSON files, and the first is of OpenPose."""
    first = min(source.path.glob("*.json"), default=None)
    return first is not None and is_frame(load_json(first))


FOLDER = Format(
    "openpose",
    "JSON files of OpenPose, one per frame; OpenPose does not track, so persons are in the order of each file",
    (),
    read_folder,
    knows=is_folder,
)
FILE = Format(
    "openpose frame",
    "one file of OpenPose, a recording of one frame",
    (".json",),
    read_file,
    knows=lambda s: is_frame(s.json()),
)
