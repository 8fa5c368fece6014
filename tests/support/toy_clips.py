"""Descriptions, tracks and clips of a toy dataset, for writing."""

from __future__ import annotations

from typing import Any

import numpy as np

from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.skeleton import SkeletonLayout


def body(joints: int = 3) -> SkeletonLayout:
    return SkeletonLayout(f"chain{joints}", tuple(f"j{i}" for i in range(joints)), tuple(range(-1, joints - 1)), 0)


def described(joints: int = 3, coordinates: int = 3, persons: int = 2, **other: Any) -> DatasetInfo:
    return DatasetInfo(
        "toy", 1, body(joints), ("sit", "stand"), 30.0, coordinates=coordinates, persons=persons, **other
    )


def track(
    slot: int = 0, begin: int = 0, frames: int = 4, joints: int = 3, coordinates: int = 3, seed: int = 0
) -> Track:
    values = np.random.default_rng(seed).normal(size=(frames, joints, coordinates)).astype(np.float32)
    return Track(slot, begin, values, np.ones(frames, np.bool_))


def clip(name: str = "a", *tracks: Track, label: int = 0, length: int = 4) -> Clip:
    return Clip(name, label, length, tracks or (track(),), subject=3, camera=2, setup=1)
