"""Landmarks as MediaPipe and TensorFlow's detectors give them: joints with names for their numbers, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.bodies import spellings_of
from sslskel.data.own.content import Content
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.formats.people import Detections, Person, number_in
from sslskel.data.own.sides import same_joint
from sslskel.errors import DataError

LISTS = ("landmarks", "pose_landmarks", "poseLandmarks", "keypoints", "keypoints3D", "pose")
WORLD = ("pose_world_landmarks", "poseWorldLandmarks", "world_landmarks", "worldLandmarks")
SCORES = ("visibility", "confidence", "score", "presence", "likelihood")
NUMBERS = ("frame", "frame_id", "frame_index", "frame_number", "frameIndex")
FRAMES = ("frames", "data", "results", "poses")


def read_landmarks(source: Source) -> Content:
    """Frames of one or several persons; ``key`` says whether landmarks of the picture or of the world are taken."""
    where = str(source.path)
    frames = _frames(source.json())
    assert frames is not None
    key = source.key or _only_key(frames, where)
    detections, axes = Detections(where), ""
    for place, frame in enumerate(frames):
        persons = []
        for joints in _persons(frame, key):
            numbers, axes = _numbers(joints, source.layout, where, axes)
            persons.append(Person(numbers))
        number = next((frame[k] for k in NUMBERS if isinstance(frame, Mapping) and k in frame), place)
        detections.add(number_in(number, place), persons)
    unit = "metre" if key in (*WORLD, "keypoints3D") else "pixel" if key == "keypoints" else "picture"
    return detections.content(source.layout, axes, unit)


def _frames(value: Any) -> list[Any] | None:
    """The list of frames in a file, or None where it has none of landmarks."""
    if isinstance(value, Mapping):
        value = next((value[key] for key in FRAMES if isinstance(value.get(key), list)), None)
    if not isinstance(value, list):
        return None
    filled = next((frame for frame in value if _any_landmark(frame)), None)
    return value if filled is not None else None


def _any_landmark(frame: Any) -> bool:
    if isinstance(frame, Mapping):
        return any(_any_landmark(frame[key]) for key in (*LISTS, *WORLD) if key in frame)
    if isinstance(frame, list) and frame:
        return _is_landmark(frame[0]) or _any_landmark(frame[0])
    return False


def _is_landmark(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("x"), (int, float)) and "y" in value


def _only_key(frames: Sequence[Any], where: str) -> str:
    keys = [key for key in (*LISTS, *WORLD) if any(isinstance(f, Mapping) and f.get(key) for f in frames)]
    if len(keys) > 1:
        raise DataError(
            f"'{where}' has several kinds of landmarks ({', '.join(keys)}); say which one in the column 'key' of the"
            " table"
        )
    return keys[0] if keys else ""


def _persons(frame: Any, key: str) -> list[Sequence[Any]]:
    """The landmarks of every person of a frame."""
    joints = frame.get(key) if isinstance(frame, Mapping) and key else frame
    if isinstance(joints, Mapping):
        joints = next((joints[name] for name in LISTS if name in joints), [])
    if not isinstance(joints, list) or not joints:
        return []
    if _is_landmark(joints[0]):
        return [joints]
    inner = [
        _persons(person, next((k for k in LISTS if isinstance(person, Mapping) and k in person), ""))
        for person in joints
    ]
    return [one for persons in inner for one in persons]


def _numbers(joints: Sequence[Any], layout: SkeletonLayout, where: str, axes: str) -> tuple[np.ndarray[Any, Any], str]:
    """(V, C) of a person, and which coordinates these are, the same for all."""
    score = next((name for name in SCORES if name in joints[0]), None)
    axes = axes or ("xyz" if "z" in joints[0] else "xy") + ("c" if score else "")
    fields = [*(letter for letter in axes if letter != "c"), *([score] if score else [])]
    if all("name" in joint for joint in joints):
        joints = _by_name(joints, layout, where)
    try:
        numbers = np.array([[joint[name] for name in fields] for joint in joints], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as fault:
        raise DataError(f"'{where}': a landmark lacks {fault}; every one needs {', '.join(map(str, fields))}") from None
    return numbers, axes


def _by_name(joints: Sequence[Any], layout: SkeletonLayout, where: str) -> list[Any]:
    named = {same_joint(str(joint["name"])): joint for joint in joints}
    chosen = []
    for name, spellings in zip(layout.joints, spellings_of(layout), strict=True):
        joint = next((named[same_joint(word)] for word in (name, *spellings) if same_joint(word) in named), None)
        if joint is None:
            some = ", ".join(str(joint["name"]) for joint in joints[:8])
            raise DataError(f"'{where}' has no joint '{name}' of layout '{layout.name}' (it has: {some} ...)")
        chosen.append(joint)
    return chosen


LANDMARKS = Format(
    "mediapipe",
    "landmarks of MediaPipe and TensorFlow, `x`, `y`, `z`, `visibility` of every joint, frame by frame; `key` says"
    " which if there are those of the picture and of the world",
    (".json",),
    read_landmarks,
    keyed=True,
    knows=lambda source: _frames(source.json()) is not None,
)
