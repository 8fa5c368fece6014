"""Keypoints of AlphaPose, MMPose and others in the forms of COCO: a list of results, or annotations of pictures."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sslskel.data.own.content import Content
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.formats.people import Detections, Person, number_in, numbers_of
from sslskel.errors import DataError

IDENTITIES = ("idx", "track_id", "tracking_id", "person_id", "instance_id")


def read_results(source: Source) -> Content:
    """Persons by picture, whose number counts the frames."""
    where, value = str(source.path), source.json()
    detections = Detections(where)
    for number, persons in sorted(_frames(value, where), key=lambda frame: frame[0]):
        detections.add(number, persons)
    return detections.content(source.layout)


def _frames(value: Any, where: str) -> Iterator[tuple[int, list[Person]]]:
    """(frame, persons) of every form that is known here; of a list of persons, those of one picture are together."""
    if isinstance(value, Mapping) and "instance_info" in value:
        value = value["instance_info"]
    if isinstance(value, Mapping) and "annotations" in value:
        names = {picture.get("id"): picture.get("file_name") for picture in value.get("images", [])}
        value = [
            {**one, "image_id": names.get(one.get("image_id")) or one.get("image_id")} for one in value["annotations"]
        ]
    if isinstance(value, Mapping):
        for place, (name, frame) in enumerate(value.items()):
            persons = frame.get("bodies", frame.get("people", []))
            yield number_in(name, place), [_person(one, where) for one in persons]
        return
    pictures: dict[int, list[Person]] = {}
    for place, one in enumerate(value):
        if "instances" in one:
            yield number_in(one.get("frame_id", place), place), [_person(each, where) for each in one["instances"]]
        else:
            pictures.setdefault(number_in(one.get("image_id", place), place), []).append(_person(one, where))
    yield from pictures.items()


def _person(one: Any, where: str) -> Person:
    key = next((k for k in ("keypoints", "joints", "pose_keypoints_2d") if isinstance(one, Mapping) and k in one), None)
    if key is None:
        raise DataError(f"'{where}': a person has no 'keypoints'; is this a file of AlphaPose, MMPose or COCO?")
    numbers = numbers_of(one[key], where)
    scores = one.get("keypoint_scores")
    if scores is not None:
        numbers = np.concatenate([numbers.reshape(len(scores), -1), np.reshape(numbers_of(scores, where), (-1, 1))], 1)
    return Person(numbers, next((_plain(one[key]) for key in IDENTITIES if key in one), None))


def _plain(value: Any) -> Hashable:
    """The number of a tracked person; AlphaPose writes it in a list, or -1 where it does not track."""
    number = value[0] if isinstance(value, list) and value else value
    return number if isinstance(number, (int, float, str)) and number not in (-1, "") else None


def knows(source: Source) -> bool:
    """Whether a file lists persons with keypoints by picture or frame."""
    value = source.json()
    if isinstance(value, Mapping) and isinstance(value.get("annotations"), list):
        return _has_keypoints(value["annotations"])
    if isinstance(value, Mapping) and isinstance(value.get("instance_info"), list):
        return True
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(v, Mapping) and ("bodies" in v or "people" in v) for v in value.values())
    return isinstance(value, list) and _has_keypoints(value)


def _has_keypoints(value: Sequence[Any]) -> bool:
    first = value[0] if value else None
    return isinstance(first, Mapping) and ("instances" in first or {"keypoints", "image_id"} <= first.keys())


RESULTS = Format(
    "alphapose",
    "results of AlphaPose and MMPose, or keypoints in COCO's form: pictures count the frames, tracked persons keep"
    " their place",
    (".json",),
    read_results,
    knows=knows,
)
