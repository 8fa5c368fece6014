"""Files of pose detectors: OpenPose, AlphaPose and COCO, MediaPipe, Azure Kinect, Kinetics-skeleton."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslskel.data.own.bodies import BODIES
from sslskel.data.own.content import Content
from sslskel.data.own.formats.kind import Source
from sslskel.data.own.formats.table import read
from sslskel.errors import DataError

RNG = np.random.default_rng(5)


def read_json(folder: Path, value: Any, layout: str, key: str = "") -> Content:
    path = folder / "clip.json"
    path.write_text(json.dumps(value))
    return read(Source(path, BODIES[layout].layout, key=key))


def joints(frames: int, layout: str, numbers: int) -> np.ndarray:
    """(frames, V, numbers), the last between 0.1 and 1 as a confidence is."""
    array = RNG.uniform(10, 300, (frames, BODIES[layout].layout.num_joints, numbers)).round(3)
    array[..., -1] = RNG.uniform(0.1, 1, array.shape[:-1]).round(3)
    return array


def openpose(folder: Path, array: np.ndarray, person_id: int = -1) -> None:
    folder.mkdir()
    for frame, body in enumerate(array):
        person = {"person_id": [person_id], "pose_keypoints_2d": body.ravel().tolist(), "hand_left_keypoints_2d": []}
        people = [person] if frame != 1 else []
        (folder / f"take3_{frame + 7:012d}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": people}))


def test_a_folder_of_openpose_is_numbered_by_its_files(tmp_path: Path) -> None:
    array = joints(12, "body_25", 3)
    openpose(tmp_path / "clip", array)
    content = read(Source(tmp_path / "clip", BODIES["body_25"].layout))
    assert (content.coordinates, content.unit, content.first, content.gaps) == ("xyc", "pixel", 7, 0)
    expected = array.copy()
    expected[1] = np.nan
    assert np.array_equal(content.array[0], expected, equal_nan=True)
    with pytest.raises(DataError, match=r"75 numbers per person.*17 joints of layout 'coco17'; name the layout"):
        read(Source(tmp_path / "clip", BODIES["coco17"].layout))
    (tmp_path / "clip" / "take3_000000000012_keypoints.json").unlink()
    assert read(Source(tmp_path / "clip", BODIES["body_25"].layout)).gaps == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="is a folder without JSON files of OpenPose"):
        read(Source(tmp_path / "empty", BODIES["body_25"].layout))


def test_persons_that_are_tracked_keep_their_place(tmp_path: Path) -> None:
    one, other = joints(3, "coco17", 3), joints(3, "coco17", 3)

    def result(frame: int, body: np.ndarray, number: object) -> dict[str, Any]:
        keypoints = body[frame].ravel().tolist()
        return {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": keypoints, "score": 2.9, "idx": number}

    listed = [result(0, one, [1.0]), result(0, other, [4.0]), result(1, other, [4.0]), result(2, other, [4.0])]
    listed.append(result(2, one, [1.0]))
    content = read_json(tmp_path, listed, "coco17")
    assert content.array.shape == (2, 3, 17, 3)
    assert np.isnan(content.array[0, 1]).all()
    assert np.array_equal(content.array[0, [0, 2]], one[[0, 2]])
    assert np.array_equal(content.array[1], other)
    for entry in listed:
        entry["idx"] = -1
    assert np.array_equal(read_json(tmp_path, listed, "coco17").array[0, 1], other[1])


def coco(array: np.ndarray) -> Any:
    pictures = [{"id": 900 + frame, "file_name": f"a_{frame:05d}.png"} for frame in range(len(array))]
    notes = [{"image_id": 900 + f, "keypoints": b.ravel().tolist(), "track_id": 3} for f, b in enumerate(array)]
    return {"images": pictures, "annotations": notes, "categories": []}


def mmpose(array: np.ndarray) -> Any:
    instances = [[{"keypoints": b[:, :2].tolist(), "keypoint_scores": b[:, 2].tolist()}] for b in array]
    return {"meta_info": {}, "instance_info": [{"frame_id": f, "instances": i} for f, i in enumerate(instances)]}


def alphapose_open(array: np.ndarray) -> Any:
    return {
        f"{f}.jpg": {"version": "AlphaPose", "bodies": [{"joints": b.ravel().tolist()}]} for f, b in enumerate(array)
    }


@pytest.mark.parametrize("written", [coco, mmpose, alphapose_open])
def test_forms_of_coco_keypoints(tmp_path: Path, written: Callable[[np.ndarray], Any]) -> None:
    array = joints(4, "coco17", 3)
    content = read_json(tmp_path, written(array), "coco17")
    assert np.array_equal(content.array[0], array)
    assert content.coordinates == "xyc"


def landmark(numbers: np.ndarray) -> list[dict[str, float]]:
    return [dict(zip(("x", "y", "z", "visibility"), row.tolist(), strict=True)) for row in numbers]


@pytest.mark.parametrize("form", ["list", "frames", "tasks"])
def test_landmarks_of_mediapipe(tmp_path: Path, form: str) -> None:
    array = joints(4, "mediapipe", 4)
    frames: list[Any] = [landmark(body) for body in array]
    value: Any = frames
    if form == "frames":
        value = {"frames": [{"frame": 30 + n, "poseWorldLandmarks": one} for n, one in enumerate(frames)]}
    elif form == "tasks":
        value = [{"pose_landmarks": [one], "pose_world_landmarks": [one]} for one in frames]
        with pytest.raises(DataError, match="several kinds of landmarks"):
            read_json(tmp_path, value, "mediapipe")
    content = read_json(tmp_path, value, "mediapipe", "pose_world_landmarks" if form == "tasks" else "")
    assert np.array_equal(content.array[0], array)
    assert content.coordinates == "xyzc"
    assert content.unit == ("picture" if form == "list" else "metre")
    assert content.first == (30 if form == "frames" else 0)


def test_keypoints_with_names_are_found_by_name(tmp_path: Path) -> None:
    array = joints(2, "coco17", 3)
    names = BODIES["coco17"].layout.joints
    order = RNG.permutation(17)
    frames = [
        {"keypoints": [{"name": names[j].upper(), "x": b[j, 0], "y": b[j, 1], "score": b[j, 2]} for j in order]}
        for b in array
    ]
    assert np.array_equal(read_json(tmp_path, frames, "coco17").array[0], array)


def test_bodies_of_azure_kinect(tmp_path: Path) -> None:
    one, other = (RNG.normal(0, 900, (3, 32, 3)).round(3) for _ in range(2))
    frames = []
    for frame in range(3):
        bodies = [{"body_id": 7, "joint_positions": one[frame].tolist()}]
        bodies.insert(0, {"body_id": 9, "joint_positions": other[frame].tolist()})
        frames.append({"bodies": bodies[frame == 2 :], "frame_id": frame, "num_bodies": 2, "timestamp_usec": frame})
    content = read_json(tmp_path, {"joint_names": [], "frames": frames}, "azure_kinect")
    assert (content.unit, content.coordinates) == ("millimetre", "xyz")
    assert np.array_equal(content.array[1], one)
    assert np.array_equal(content.array[0, :2], other[:2])
    assert np.isnan(content.array[0, 2]).all()


def test_clips_of_kinetics(tmp_path: Path) -> None:
    array = joints(3, "openpose18", 3)
    data = [
        {"frame_index": 1 + f, "skeleton": [{"pose": b[:, :2].ravel().tolist(), "score": b[:, 2].tolist()}]}
        for f, b in enumerate(array)
    ]
    content = read_json(tmp_path, {"data": data, "label": "wave", "label_index": 3}, "openpose18")
    assert np.array_equal(content.array[0], array)
    assert (content.first, content.coordinates) == (1, "xyc")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"people": [{"face": []}]}, "has none of pose_keypoints_2d"),
        ([{"image_id": 1, "keypoints": "x"}], "no list of numbers"),
        ({"frames": [{"bodies": []}]}, "no person in any frame"),
        ({"frames": [{"bodies": [{"body_id": 1}]}]}, "no list of numbers"),
        ({"data": [{"skeleton": [{"pose": [1, 2], "score": [1, 1]}]}]}, "do not fit"),
        ([[{"x": 1, "y": 2}, {"x": 1}]], "a landmark lacks"),
        ([{"image_id": 1, "keypoints": [1, 2]}, {"image_id": 2, "keypoints": [1, 2, 3]}], "keep one kind"),
    ],
)
def test_what_is_not_as_it_should_be(tmp_path: Path, value: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_json(tmp_path, value, "coco17")
    assert "clip.json" in str(caught.value)


BODY = [1.0, 2.0, 0.9] * 17
ODD: dict[str, Any] = {
    "a number among results": [{"image_id": "1.jpg", "keypoints": BODY}, 5],
    "a number for persons": {"1": {"bodies": [{"joints": BODY}]}, "2": {"bodies": 7}},
    "a number among annotations": {"annotations": [{"image_id": 1, "keypoints": BODY}, 3], "images": []},
    "a number among pictures": {"annotations": [{"image_id": 1, "keypoints": BODY}], "images": [4]},
    "a number for scores": [{"image_id": "1.jpg", "keypoints": BODY, "keypoint_scores": 3}],
    "a number for instances": {"instance_info": [{"frame_id": 1, "instances": 5}]},
    "a number among frames": {"frames": [{"bodies": []}, 5]},
    "a number for a skeleton": {"data": [{"skeleton": 5}]},
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_a_value_of_another_type_is_named_with_the_file(tmp_path: Path, value: Any) -> None:
    with pytest.raises(DataError, match=r"clip\.json' is not in the form '\w+': something in it is of another type"):
        read_json(tmp_path, value, "coco17")


TWICE: dict[str, Any] = {
    "frames of azure": {
        "frames": [{"frame_id": n, "bodies": [{"body_id": 1, "joint_positions": BODY}]} for n in (3, 3)]
    },
    "frames of kinetics": {"data": [{"frame_index": n, "skeleton": []} for n in (1, 2, 1)]},
    "frames of landmarks": {"frames": [{"frame": n, "pose_landmarks": [{"x": 1, "y": 2}] * 17} for n in (0, 1, 0)]},
    "frames of mmpose": {"instance_info": [{"frame_id": n, "instances": [{"keypoints": BODY}]} for n in (5, 5)]},
}


@pytest.mark.parametrize("value", TWICE.values(), ids=TWICE)
def test_a_frame_that_is_there_twice_is_no_second_person(tmp_path: Path, value: Any) -> None:
    with pytest.raises(DataError, match=r"clip\.json' has frame \d twice"):
        read_json(tmp_path, value, "coco17")


def test_a_tracked_person_twice_in_a_frame_is_refused(tmp_path: Path) -> None:
    body = {"body_id": 7, "joint_positions": [[1.0, 2.0, 3.0]] * 32}
    with pytest.raises(DataError, match="lists a tracked person twice in frame 0"):
        read_json(tmp_path, {"frames": [{"bodies": [body, body]}]}, "azure_kinect")
