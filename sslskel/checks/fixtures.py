"""What checks are run on: a small dataset in memory, clip specifications, and small configurations.

The checks themselves are in the modules named after what they check.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, TypeVar, get_type_hints

import numpy as np
import torch

from sslskel.api.dataset import Clip, DatasetInfo, Segments, Track
from sslskel.api.skeleton import NTU25, SkeletonLayout, layout
from sslskel.api.view import ClipSpec
from sslskel.checks.runner import Skip, expect
from sslskel.config.compose import from_plain, to_plain
from sslskel.config.groups import ClipConfig
from sslskel.data.loader import ClipSource
from sslskel.data.memory import MemoryDataset
from sslskel.errors import SslskelError, UsageError
from sslskel.transforms.clip import clip_spec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Options = TypeVar("Options", bound="DataclassInstance")

FRAMES = 24
"""T of the checks: a whole number of segments of 2, 3, 4, 6, 8 or 12 frames."""

SMALL_BODY = layout(
    "small_body",
    {
        "pelvis": None,
        "chest": "pelvis",
        "head": "chest",
        "left_elbow": "chest",
        "left_hand": "left_elbow",
        "right_elbow": "chest",
        "right_hand": "right_elbow",
        "left_knee": "pelvis",
        "left_foot": "left_knee",
        "right_knee": "pelvis",
        "right_foot": "right_knee",
    },
    centre="chest",
    parts={
        "torso": ("pelvis", "chest", "head"),
        "left_arm": ("left_elbow", "left_hand"),
        "right_arm": ("right_elbow", "right_hand"),
        "left_leg": ("left_knee", "left_foot"),
        "right_leg": ("right_knee", "right_foot"),
    },
)
"""A layout other than NTU's, to check that nothing depends on 25 joints."""


def dataset_info(body: SkeletonLayout = NTU25, coordinates: int = 3, persons: int = 2, classes: int = 4) -> DatasetInfo:
    """The description of a dataset for checks."""
    names = tuple(f"action {i}" for i in range(classes))
    return DatasetInfo("checks", 1, body, names, fps=30.0, coordinates=coordinates, persons=persons)


def make_dataset(info: DatasetInfo, clips: int, *, seed: int = 0) -> MemoryDataset:
    """The clips of :func:`make_clips`, ready to be read."""
    return MemoryDataset(info, make_clips(info, clips, seed=seed))


def make_clips(info: DatasetInfo, clips: int, *, seed: int = 0) -> list[Clip]:
    """Clips of 20 to 60 frames in which joints swing smoothly, each class in its own way.

    Where two persons fit, every third clip has a second one, who comes late and is lost
    for some frames in between.
    """
    rng = np.random.default_rng(seed)
    joints, coordinates = info.layout.num_joints, info.coordinates
    pose = rng.normal(0, 0.4, (joints, coordinates))
    ways = [(rng.normal(0, 0.15, (joints, coordinates)), rng.uniform(0.05, 0.25)) for _ in info.classes]

    def track(slot: int, label: int, begin: int, length: int) -> Track:
        amplitude, speed = ways[label]
        time = np.arange(length)[:, None, None] + begin
        phase = rng.uniform(0, 2 * math.pi, (1, joints, 1))
        place = rng.normal(0, 0.3, coordinates)
        swing = amplitude * np.sin(speed * time + phase) + rng.normal(0, 0.01, (length, joints, coordinates))
        values = (pose + place + slot + swing).astype(np.float32)
        valid = np.ones(length, np.bool_)
        if slot and length > 8:
            valid[3:5] = False
            values[3:5] = 0
        return Track(slot, begin, values, valid)

    made = []
    for number in range(clips):
        label, length = number % len(info.classes), int(rng.integers(20, 61))
        tracks = [track(0, label, 0, length)]
        if info.persons > 1 and number % 3 == 1:
            begin = int(rng.integers(0, length // 4))
            tracks.append(track(1, label, begin, length - begin))
        made.append(Clip(f"clip {number:03d}", label, length, tuple(tracks), subject=number % 5))
    return made


def make_recordings(info: DatasetInfo, count: int, *, seed: int = 0) -> MemoryDataset:
    """Untrimmed recordings of 320 frames with four annotated actions each.

    In every frame the first joint's first coordinate is 1 + the action's number, 0 between actions.
    """
    rng, clips, rows = np.random.default_rng(seed), [], []
    for number in range(count):
        joints = rng.normal(0, 1, (320, info.layout.num_joints, info.coordinates))
        joints[:, 0, 0] = 0
        for begin in range(20, 320, 80):
            start, label = begin + int(rng.integers(0, 10)), int(rng.integers(0, len(info.classes)))
            end = start + int(rng.integers(24, 41))
            joints[start:end, 0, 0] = 1 + label
            rows.append((number, start, end, label, -1))
        track = Track(0, 0, joints.astype(np.float32), np.ones(320, np.bool_))
        clips.append(Clip(f"recording {number:03d}", -1, 320, (track,), subject=number % 5))
    made = MemoryDataset(info, clips)
    made.segments = Segments(*np.array(rows, np.int64).T)
    return made


def make_spec(info: DatasetInfo, frames: int = FRAMES) -> ClipSpec:
    """The clip specification of a run on such a dataset."""
    return clip_spec(info, ClipConfig(frames=frames, min_frames=16))


def make_source(
    info: DatasetInfo, clips: int, spec: ClipSpec, dtype: torch.dtype = torch.float32, *, seed: int = 0
) -> ClipSource:
    """All clips of a dataset for checks, ready to be drawn."""
    return ClipSource(make_dataset(info, clips, seed=seed), np.arange(clips), spec, dtype=dtype)


_SIZES = {"dim": 16, "width": 8, "hidden": 16, "channels": 16, "heads": 2, "depth": 2, "layers": 2, "queue": 64}
_SIZES |= dict.fromkeys(("clusters", "prototypes"), 8) | {"pixels": 12}
"""Largest value of a field whose name is, begins or ends with the word."""


def small_config(config_class: type[Options], base: Options | None = None, **known: object) -> Options:
    """An instance with small networks: fields such as ``dim``, ``heads``, ``queue_size``, ``clusters`` are cut down.

    ``base`` holds the other values (default: the defaults); ``known`` wins over both.
    A configuration that refuses its small sizes keeps those of ``base``.
    """
    base = config_class() if base is None else base
    hints = get_type_hints(config_class)
    sizes = {}
    for field in dataclasses.fields(config_class):
        parts = set(field.name.split("_"))
        limit = next((size for word, size in _SIZES.items() if word in parts), None)
        if hints[field.name] is int and limit is not None:
            sizes[field.name] = min(getattr(base, field.name), limit)
    names = {field.name for field in dataclasses.fields(config_class)}
    wanted = {name: value for name, value in known.items() if name in names}
    try:
        return dataclasses.replace(base, **(sizes | wanted))
    except UsageError:
        return dataclasses.replace(base, **wanted)


def check_config_class(plugin: type) -> None:
    """Hold that ``Config`` is a dataclass with a default everywhere that the command line can set.

    And that ``version`` is a whole number from 1.
    """
    config_class = getattr(plugin, "Config", None)
    if not (isinstance(config_class, type) and dataclasses.is_dataclass(config_class)):
        raise AssertionError("Config is not a dataclass; give the class one, empty if there is nothing to choose")
    bare = [
        field.name
        for field in dataclasses.fields(config_class)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    expect(not bare, f"Config fields without a default: {', '.join(bare)}")
    try:
        again = from_plain(config_class, to_plain(config_class()), "Config")
    except Exception as fault:
        raise AssertionError(
            f"the command line cannot set Config ({fault}); use int, float, bool, str, Enum and lists of them"
        ) from fault
    expect(again == config_class(), f"Config comes back from a file as {again}, not as {config_class()}")
    version = getattr(plugin, "version", None)
    expect(isinstance(version, int) and version >= 1, f"version is {version!r}; it must be a whole number from 1")


def check_config_values(config_class: type[DataclassInstance]) -> None:
    """Hold that each numeric field refuses at least one absurd value with a ``UsageError``."""
    hints = get_type_hints(config_class)
    absurd: dict[type, tuple[float, ...]] = {int: (-(10**9),), float: (-1e9, math.nan, math.inf)}
    numeric = [field.name for field in dataclasses.fields(config_class) if hints[field.name] in absurd]
    if not numeric:
        raise Skip("Config has no number to check")
    for name in numeric:
        refused = 0
        for value in absurd[hints[name]]:
            try:
                config_class(**{name: value})
            except SslskelError:
                refused += 1
            except Exception as fault:
                raise AssertionError(
                    f"{name}={value} raises {type(fault).__name__}; raise UsageError with a sentence instead"
                ) from fault
        tried = ", ".join(map(str, absurd[hints[name]]))
        expect(refused, f"Config accepts {name}={tried}; refuse values out of range in __post_init__")
