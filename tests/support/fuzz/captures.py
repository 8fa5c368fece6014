"""Readers of motion capture and of what detectors write: BVH, Acclaim, bodies of Kinect, JSON of all kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from fuzz.own import CLIPS, FRAMES, JOINTS, LAYOUT, PICTURE, TREE, as_json, own, positions, reader, scored, table
from fuzz.specimens import Files, Reader, Result, text

CHANNELS = "CHANNELS 3 Zrotation Xrotation Yrotation"
TREE_OF_BVH = (
    "HIERARCHY\nROOT hip\n{\nOFFSET 0 0 0\nCHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n"
    f"JOINT spine\n{{\nOFFSET 0 3 0\n{CHANNELS}\nJOINT neck\n{{\nOFFSET 0 4 1\n{CHANNELS}\n"
    "End Site\n{\nOFFSET 0 1 0\n}\n}\n}\n}\n"
)


def bvh(clip: int) -> bytes:
    """Three joints and an end."""
    values = np.random.default_rng(clip).uniform(1, 60, (FRAMES, 12)).round(2).tolist()
    lines = [" ".join(f"{value:g}" for value in frame) for frame in values]
    return text(TREE_OF_BVH + f"MOTION\nFrames: {FRAMES}\nFrame Time: 0.0333333\n" + "\n".join([*lines, ""]))


def motions() -> Files:
    return {**{f"{clip}.bvh": bvh(number) for number, clip in enumerate(CLIPS)}, "clips.csv": table(".bvh")}


def bone(number: int, name: str, dof: str) -> str:
    return (
        f"  begin\n    id {number}\n    name {name}\n    direction 0 -1 0\n    length 4.5\n    axis 0 0 0 XYZ\n"
        f"    dof {dof}\n    limits (-180.0 180.0)\n  end\n"
    )


ASF = (
    ":version 1.10\n:name made\n:units\n  mass 1.0\n  length 0.45\n  angle deg\n:root\n  order TX TY TZ RX RY RZ\n"
    "  axis XYZ\n  position 0 0 0\n  orientation 0 0 0\n:bonedata\n"
    f"{bone(1, 'lfemur', 'rx')}{bone(2, 'rfemur', 'rx')}"
    ":hierarchy\n  begin\n    root lfemur rfemur\n  end\n"
)


def amc(clip: int) -> str:
    """Frames of a root that moves and two bones that turn."""
    lines = [":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(1, FRAMES + 1):
        lines += [str(frame), f"root {frame + clip} 1 2 0 10 0", f"lfemur {10 * frame}", f"rfemur {7 * frame + clip}"]
    return "\n".join([*lines, ""])


def acclaim() -> Files:
    files = {f"{clip}.amc": text(amc(number)) for number, clip in enumerate(CLIPS)}
    return {**files, "actor.asf": text(ASF), "clips.csv": table(".amc")}


def bare(folder: Path) -> Result:
    """Import files that bring their own body."""
    return own(folder, None, fps=30)


def skeleton(clip: int) -> bytes:
    """Two bodies of 25 joints, the second in the later frames alone."""
    array = np.random.default_rng(clip).normal(0, 1, (2, 3, 25, 3)).round(3)
    lines = ["3"]
    for frame in range(3):
        bodies = 1 + (frame > 0)
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"7205{body} 0 1 1 1 1 0 0.1 0.2 2", "25"]
            lines += [f"{x:g} {y:g} {z:g} 0 0 0 0 0 0 0 1 2" for x, y, z in array[body, frame].tolist()]
    return text("\n".join([*lines, ""]))


def bodies() -> Files:
    return {
        **{f"{clip}.skeleton": skeleton(number) for number, clip in enumerate(CLIPS)},
        "clips.csv": table(".skeleton"),
    }


def person(values: Any, **more: Any) -> dict[str, Any]:
    return {"pose_keypoints_2d": np.ravel(values).tolist(), **more}


def openpose_folders() -> Files:
    files = {
        f"{clip}/take_{frame + 7:012d}_keypoints.json": as_json(
            {"version": 1.3, "people": [person(values, person_id=[-1])]}
        )
        for number, clip in enumerate(CLIPS)
        for frame, values in enumerate(scored(number)[:3])
    }
    return {**files, "layout.yaml": text(PICTURE), "clips.csv": table("")}


def results(clip: int) -> bytes:
    """A list of persons by picture, as AlphaPose and COCO have them."""
    return as_json(
        [
            {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": values.ravel().tolist(), "score": 2.5, "idx": 1}
            for frame, values in enumerate(scored(clip))
        ]
    )


def annotations(clip: int) -> bytes:
    """The same as annotations of pictures."""
    listed = [{"image_id": frame, "keypoints": values.ravel().tolist()} for frame, values in enumerate(scored(clip))]
    pictures = [{"id": frame, "file_name": f"{frame:06d}.jpg"} for frame in range(FRAMES)]
    return as_json({"images": pictures, "annotations": listed})


def instances(clip: int) -> bytes:
    """The same as MMPose writes them."""
    frames = [
        {
            "frame_id": frame,
            "instances": [{"keypoints": values[:, :2].tolist(), "keypoint_scores": values[:, 2].tolist()}],
        }
        for frame, values in enumerate(scored(clip), 1)
    ]
    return as_json({"meta_info": {}, "instance_info": frames})


def landmarks(clip: int) -> bytes:
    """Frames of joints by name, with visibilities."""
    frames = [
        {
            "frame": frame,
            "poseWorldLandmarks": [dict(zip(("x", "y", "z", "visibility"), row, strict=True)) for row in body],
        }
        for frame, body in enumerate(np.concatenate([positions(clip), np.full((FRAMES, 4, 1), 0.9)], 2).tolist())
    ]
    return as_json({"frames": frames})


def named(clip: int) -> bytes:
    """Keypoints with names in another order than the body's."""
    frames = [
        {
            "keypoints": [
                {"name": joint.upper(), "x": row[0], "y": row[1], "score": row[2]}
                for joint, row in reversed(list(zip(JOINTS, body, strict=True)))
            ]
        }
        for body in scored(clip).tolist()
    ]
    return as_json(frames)


def azure(clip: int) -> bytes:
    frames = [
        {
            "bodies": [{"body_id": 7, "joint_positions": body.tolist(), "confidence_level": [2, 2, 1, 2]}],
            "frame_id": frame,
            "num_bodies": 1,
        }
        for frame, body in enumerate(positions(clip) * 100)
    ]
    return as_json({"joint_names": [], "frames": frames})


def kinetics(clip: int) -> bytes:
    data = [
        {
            "frame_index": frame,
            "skeleton": [{"pose": (body[:, :2] / 200).round(4).ravel().tolist(), "score": body[:, 2].tolist()}],
        }
        for frame, body in enumerate(scored(clip), 1)
    ]
    return as_json({"data": data, "label": "wave", "label_index": 3})


DETECTED: dict[str, Any] = {**TREE, "reach": "clip"}
CAPTURES = (
    Reader("bvh", motions, bare, ("c0.bvh",), ("bvh",), text=True, reach="clip", line="part"),
    Reader("acclaim", acclaim, bare, ("c0.amc",), ("amc",), text=True, reach="clip"),
    Reader("acclaim, the body", acclaim, bare, ("actor.asf",), ("amc",), text=True),
    Reader("skeleton", bodies, bare, ("c0.skeleton",), ("skeleton",), text=True, reach="joint", line="part"),
    Reader(
        "openpose, a folder",
        openpose_folders,
        own,
        tuple(f"c0/take_{frame:012d}_keypoints.json" for frame in (7, 8, 9)),
        ("openpose",),
        text=True,
        inside=True,
        reach="clip",
    ),
    reader(
        "openpose, one file",
        lambda clip: as_json({"people": [person(scored(clip)[0])]}),
        ".json",
        PICTURE,
        covers=("openpose frame",),
        **DETECTED,
    ),
    reader("alphapose", results, ".json", PICTURE, covers=("alphapose",), ids=True, **DETECTED),
    reader("coco", annotations, ".json", PICTURE, covers=("alphapose",), ids=True, **DETECTED),
    reader("mmpose", instances, ".json", PICTURE, covers=("alphapose",), **DETECTED),
    reader("landmarks", landmarks, ".json", LAYOUT, covers=("mediapipe",), **DETECTED),
    reader("named keypoints", named, ".json", PICTURE, covers=("mediapipe",), **DETECTED),
    reader(
        "azure kinect",
        azure,
        ".json",
        LAYOUT.replace("metre", "millimetre"),
        covers=("azure_kinect",),
        ids=True,
        **DETECTED,
    ),
    reader("kinetics", kinetics, ".json", PICTURE.replace("pixel", "picture"), covers=("kinetics",), **DETECTED),
)
