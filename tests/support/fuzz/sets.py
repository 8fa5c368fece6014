"""Readers of whole sets in the files of other projects."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.own import LAYOUT, PICTURE, as_json, npy, npz, own
from fuzz.specimens import Array, Files, Reader, Result, text

SHAPE = (4, 2, 5, 4, 3)
"""Clips, persons, frames, joints and coordinates."""
LABELS = (0, 1, 1, 0)


def arrays() -> Array:
    """(N, M, T, V, C), none of it zero."""
    return np.random.default_rng(0).uniform(1, 9, SHAPE).astype(np.float32)


def annotated(numbers: tuple[int, ...]) -> list[dict[str, Any]]:
    return [
        {"frame_dir": f"v{number}", "label": LABELS[number], "keypoint": arrays()[number], "total_frames": SHAPE[2]}
        for number in numbers
    ]


def pyskl() -> Files:
    """One pickle with a split."""
    content = {"split": {"xsub_train": ["v0", "v1"], "xsub_val": ["v2", "v3"]}, "annotations": annotated((0, 1, 2, 3))}
    return {"set.pkl": pickle.dumps(content, protocol=4), "layout.yaml": text(LAYOUT)}


def mmaction() -> Files:
    """A pickle each of training and validation."""
    parts = {"ntu_train": (0, 1), "ntu_val": (2, 3)}
    files = {f"{part}.pkl": pickle.dumps(annotated(numbers), protocol=2) for part, numbers in parts.items()}
    return {**files, "layout.yaml": text(LAYOUT)}


def stgcn() -> Files:
    """Names and labels beside an array (N, C, T, V, M)."""
    files = {"layout.yaml": text(LAYOUT)}
    stacked = arrays().transpose(0, 4, 2, 3, 1)
    for part, begin in (("train", 0), ("val", 2)):
        names = [f"S001P00{number}" for number in range(begin, begin + 2)]
        files[f"{part}_label.pkl"] = pickle.dumps((names, list(LABELS[begin : begin + 2])), protocol=4)
        files[f"{part}_data.npy"] = npy(stacked[begin : begin + 2])
    return files


def labelled() -> Files:
    """Arrays of flat frames with one-hot labels."""
    flat = arrays().transpose(0, 2, 1, 3, 4).reshape(4, SHAPE[2], -1)
    told = np.eye(2)[list(LABELS)]
    content = npz(x_train=flat[:2], y_train=told[:2], x_test=flat[2:], y_test=told[2:])
    return {"NTU60_CS.npz": content, "layout.yaml": text(LAYOUT + "coordinates: xyz\n")}


def kinetics_set() -> Files:
    """Label files and the folders of their clips."""
    files = {"layout.yaml": text(PICTURE.replace("pixel", "picture"))}
    poses = np.random.default_rng(1).uniform(0.1, 0.9, (4, 3, 4, 3)).round(3)
    for part, own_numbers in (("train", (0, 1)), ("val", (2, 3))):
        labels: dict[str, Any] = {"none": {"has_skeleton": False, "label": "wave", "label_index": 1}}
        for number in own_numbers:
            label = LABELS[number]
            labels[f"id{number}"] = {"has_skeleton": True, "label": ("wave", "clap")[label], "label_index": label}
            data = [
                {"frame_index": at + 1, "skeleton": [{"pose": b[:, :2].ravel().tolist(), "score": b[:, 2].tolist()}]}
                for at, b in enumerate(poses[number])
            ]
            files[f"kinetics_{part}/id{number}.json"] = as_json({"data": data})
        files[f"kinetics_{part}_label.json"] = as_json(labels)
    return files


def read_pyskl(folder: Path) -> Result:
    return own(folder, clips="set.pkl")


def read_mmaction(folder: Path) -> Result:
    return own(folder, clips=("ntu_train.pkl", "ntu_val.pkl"))


def read_stgcn(folder: Path) -> Result:
    return own(folder, clips=("train_label.pkl", "val_label.pkl"))


def read_labelled(folder: Path) -> Result:
    return own(folder, clips="NTU60_CS.npz")


def read_kinetics(folder: Path) -> Result:
    return own(folder, clips=("kinetics_train_label.json", "kinetics_val_label.json"))


SETS = (
    Reader("pickle of pyskl", pyskl, read_pyskl, ("set.pkl",), ("pyskl",), inside=True),
    Reader("pickles of mmaction2", mmaction, read_mmaction, ("ntu_train.pkl", "ntu_val.pkl"), ("pyskl",), inside=True),
    Reader("folder of ST-GCN", stgcn, read_stgcn, ("train_label.pkl", "train_data.npy"), ("stgcn",), inside=True),
    Reader(
        "npz with labels", labelled, read_labelled, ("NTU60_CS.npz",), ("labelled_npz",), inside=True, checked="bytes"
    ),
    Reader(
        "set of kinetics",
        kinetics_set,
        read_kinetics,
        ("kinetics_train_label.json", "kinetics_train/id0.json"),
        ("kinetics",),
        text=True,
        inside=True,
    ),
)
