"""The baseline: recipe ``ctrgcn`` in the plainest way that its stated rules allow. It is our own code.

One process reads line by line; all recordings are held in memory; a second pass makes actors, a third
pads all clips to the longest and writes one array per part of each split.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TextIO

import numpy as np

from sslskel.benchmarks.common.ntu.ctrgcn import ctrgcn
from sslskel.data.motion.skeleton_file import JOINTS, Body, Recording
from sslskel.plugins.registry import BENCHMARKS


def read_plainly(file: TextIO) -> Recording:
    """A file, line by line: identity, x y z, and the colour positions that the rules need."""
    bodies: dict[str, Body] = {}
    rows: dict[str, list[np.ndarray]] = {}
    colours: dict[str, list[np.ndarray]] = {}
    frames = int(file.readline())
    for frame in range(frames):
        for place in range(int(file.readline())):
            identity = file.readline().split()[0]
            joints = np.zeros((int(file.readline()), 3), np.float32)
            colour = np.zeros((JOINTS, 2), np.float32)
            for joint in range(JOINTS):
                fields = file.readline().split()
                joints[joint] = [float(field) for field in fields[:3]]
                colour[joint] = [float(field) for field in fields[5:7]]
            body = bodies.setdefault(identity, Body(identity.encode()))
            body.frames.append(frame)
            body.places.append(place)
            rows.setdefault(identity, []).append(joints)
            colours.setdefault(identity, []).append(colour)
    for identity, body in bodies.items():
        body.joints = np.stack(rows[identity])
    return Recording(frames, tuple(bodies.values()))


def import_plainly(source: Path, target: Path) -> None:
    """Three passes over everything; the arrays are written to ``target``."""
    paths = sorted(source.glob("*.skeleton"))
    recordings = []
    for path in paths:
        with path.open() as file:
            recordings.append(read_plainly(file))
    clips = []
    for path, recording in zip(paths, recordings, strict=True):
        actors = ctrgcn(recording, path.name)
        rows = np.zeros((actors.valid.shape[1], 2, JOINTS * 3), np.float32)
        rows[:, : len(actors.joints)] = actors.joints.swapaxes(0, 1).reshape(len(rows), -1, JOINTS * 3)
        clips.append(rows.reshape(len(rows), -1))
    padded = np.zeros((len(clips), max(map(len, clips)), clips[0].shape[1]), np.float32)
    for row, clip in enumerate(clips):
        padded[row, : len(clip)] = clip
    target.mkdir(parents=True, exist_ok=True)
    np.save(target / "names.npy", [path.stem for path in paths])
    np.save(target / "lengths.npy", [len(clip) for clip in clips])
    for name, split in BENCHMARKS.get("ntu60").splits.items():
        place = {"subject": slice(9, 12), "camera": slice(5, 8)}[split.by]
        train = np.array([int(path.stem[place]) in split.train for path in paths])
        for part, chosen in (("train", train), ("test", ~train)):
            np.save(target / f"{name}_{part}.npy", padded[chosen])


if __name__ == "__main__":
    began = time.monotonic()
    import_plainly(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps({"seconds": time.monotonic() - began}))
