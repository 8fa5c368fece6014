"""JSON of Azure Kinect's body tracking, and of Kinetics-skeleton."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sslskel.data.own.content import Content
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.formats.people import Detections, Person, number_in, numbers_of
from sslskel.errors import DataError


def read_azure(source: Source) -> Content:
    """Bodies by their id, in millimetres as the sensor gives them."""
    where, value = str(source.path), _mapping(source.json())
    detections = Detections(where)
    for place, frame in enumerate(value["frames"]):
        persons = []
        for body in frame.get("bodies", []):
            numbers = numbers_of(body.get("joint_positions"), where)
            levels = next((body[k] for k in ("confidence_level", "joint_confidences", "confidence") if k in body), None)
            if isinstance(levels, list) and len(levels) == len(numbers):
                numbers = np.concatenate([numbers, numbers_of(levels, where).reshape(-1, 1)], 1)
            persons.append(Person(numbers, body.get("body_id")))
        detections.add(number_in(frame.get("frame_id", place), place), persons)
    first = next((person for persons in detections.people for person in persons), None)
    scored = first is not None and first.numbers.ndim == 2 and first.numbers.shape[1] == 4
    return detections.content(source.layout, "xyzc" if scored else "xyz", "millimetre")


def read_kinetics(source: Source) -> Content:
    """The persons of a clip of Kinetics-skeleton, x and y of the picture from 0 to 1, with scores."""
    where, value = str(source.path), _mapping(source.json())
    detections = Detections(where)
    for place, frame in enumerate(value["data"]):
        persons = []
        for skeleton in frame.get("skeleton", []):
            pose, score = numbers_of(skeleton.get("pose"), where), numbers_of(skeleton.get("score"), where)
            if pose.size != 2 * score.size:
                raise DataError(f"'{where}': {pose.size} numbers of a pose do not fit {score.size} scores")
            persons.append(Person(np.concatenate([pose.reshape(-1, 2), score.reshape(-1, 1)], 1)))
        detections.add(number_in(frame.get("frame_index", place), place), persons)
    return detections.content(source.layout, "xyc", "picture")


def _mapping(value: object) -> Mapping[str, Any]:
    assert isinstance(value, Mapping)
    return value


def is_azure(source: Source) -> bool:
    """Whether a file has frames of bodies with joint positions."""
    value = source.json()
    frames = value.get("frames") if isinstance(value, Mapping) else None
    return isinstance(frames, list) and any(isinstance(frame, Mapping) and "bodies" in frame for frame in frames[:1])


def is_kinetics(source: Source) -> bool:
    """Whether a file has frames of skeletons with poses."""
    value = source.json()
    data = value.get("data") if isinstance(value, Mapping) else None
    return isinstance(data, list) and any(isinstance(frame, Mapping) and "skeleton" in frame for frame in data[:1])


AZURE = Format(
    "azure_kinect",
    "body tracking of Azure Kinect, in millimetres; bodies keep their place by their id",
    (".json",),
    read_azure,
    knows=is_azure,
)
KINETICS = Format(
    "kinetics", "a clip of Kinetics-skeleton (layout `openpose18`)", (".json",), read_kinetics, knows=is_kinetics
)
