"""A stored clip as something to look at: every person in every frame, upright, facing the viewer, at a common scale.

How a scene becomes an image or a page is in ``image.py`` and ``page.py``. Shape letters: M persons,
T frames, V joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslskel.api.dataset import Dataset
from sslskel.api.skeleton import SkeletonLayout
from sslskel.errors import UsageError, did_you_mean

Doubles = npt.NDArray[np.float64]
UPS = ("x", "y", "z", "-x", "-y", "-z")
HIGH, LOW = ("head", "neck", "nose"), ("foot", "toe", "ankle")
"""Words in the names of joints that tell where up is."""
SAMPLE = 2000
"""Person-frames of a dataset that are asked where up is."""


@dataclass(frozen=True)
class Scene:
    """A clip in the viewer's axes: x to the right, y up, z towards the viewer; all within 1 of the origin."""

    title: str
    facts: str
    points: Doubles
    """(M, T, V, 3)"""
    seen: npt.NDArray[np.bool_]
    """(M, T) False where a person is not there."""
    bones: tuple[tuple[int, int], ...]
    """(joint, parent)"""
    sides: tuple[int, ...]
    """(V,) -1 left, 1 right, 0 the middle."""
    joints: tuple[str, ...]
    fps: float
    flat: bool
    """2D: turning it shows nothing."""

    def turned(self, degrees: float) -> Doubles:
        """(M, T, V, 3) points after a turn about the vertical axis, to the viewer's right."""
        angle = np.deg2rad(degrees)
        turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        return np.asarray(self.points @ turn.T)


def find_clip(dataset: Dataset, clip: str) -> int:
    """Row of a clip by its name, or by its number from 0; raises ``UsageError`` with the nearest name."""
    rows = np.flatnonzero(dataset.names == clip)
    if len(rows):
        return int(rows[0])
    if clip.isascii() and clip.isdigit() and int(clip) < len(dataset):
        return int(clip)
    names = [str(name) for name in dataset.names]
    some = ", ".join(f"'{name}'" for name in names[:3])
    raise UsageError(
        f"'{dataset.info.name}' has no clip '{clip}'{did_you_mean(clip, names)} (clips: {some} ..., or a number from 0"
        f" to {len(dataset) - 1})"
    )


def scene_of(dataset: Dataset, row: int, up: str | None = None) -> Scene:
    """One clip of a dataset. ``up`` is the axis of the data that points upwards; None: found in the data.

    Raises ``UsageError`` for an ``up`` that the data do not have.
    """
    info = dataset.info
    flat = info.coordinates == 2
    if up is not None and (up not in UPS or (flat and "z" in up)):
        axes = [known for known in UPS if not (flat and "z" in known)]
        raise UsageError(f"up is '{up}', but data in {info.coordinates}D have {', '.join(axes)}")
    raw, seen = _persons(dataset, row)
    points = raw @ _viewer(up or _upwards(dataset)).T
    if not flat:
        points = _facing(points, seen, info.layout)
    label = int(dataset.labels[row])
    title = f"{info.name}: {dataset.names[row]}"
    named = info.classes[label] if label >= 0 else "no label"
    length = int(dataset.lengths[row])
    return Scene(
        title=title,
        facts=f"{named}; {len(raw)} person{'s' if len(raw) > 1 else ''}, {length} frames at {info.fps:g} per second",
        points=_sized(points, seen),
        seen=seen,
        bones=tuple((joint, parent) for joint, parent in enumerate(info.layout.parents) if parent >= 0),
        sides=_sides(info.layout),
        joints=info.layout.joints,
        fps=info.fps,
        flat=flat,
    )


def _persons(dataset: Dataset, row: int) -> tuple[Doubles, npt.NDArray[np.bool_]]:
    """(M, T, V, 3) as stored, z zero in 2D, and (M, T) who is there."""
    tracks = np.flatnonzero(dataset.track_clip == row)
    length, info = int(dataset.lengths[row]), dataset.info
    points = np.zeros((len(tracks), length, info.layout.num_joints, 3))
    seen = np.zeros((len(tracks), length), np.bool_)
    for person, track in enumerate(tracks):
        begin, frames, offset = (
            int(field[track]) for field in (dataset.track_begin, dataset.track_length, dataset.track_offset)
        )
        points[person, begin : begin + frames, :, : info.coordinates] = dataset.joints[offset : offset + frames]
        seen[person, begin : begin + frames] = dataset.valid[offset : offset + frames]
    return points, seen


def _upwards(dataset: Dataset) -> str:
    """The axis that points from feet to heads, else, in 3D, the one along which bodies are longest."""
    info, flat = dataset.info, dataset.info.coordinates == 2
    step = max(1, len(dataset.joints) // SAMPLE)
    bodies = np.asarray(dataset.joints[::step], np.float64)[np.asarray(dataset.valid[::step])]
    high, low = (
        [number for number, name in enumerate(info.layout.joints) if any(word in name.lower() for word in words)]
        for words in (HIGH, LOW)
    )
    if high and low:
        rise = (bodies[:, high].mean(1) - bodies[:, low].mean(1)).mean(0)
        axis = 1 if flat else int(np.abs(rise).argmax())
        return ("-" if rise[axis] < 0 else "") + "xyz"[axis]
    # Pixels count downwards.
    return "-y" if flat else "xyz"[int(np.ptp(bodies, axis=1).mean(0).argmax())]


def _viewer(up: str) -> Doubles:
    """(3, 3) rotation from the data's axes to right, up, and towards the viewer."""
    upward = np.zeros(3)
    axis = "xyz".index(up[-1])
    upward[axis] = -1 if up.startswith("-") else 1
    right = np.zeros(3)
    right[1 if axis == 0 else 0] = 1
    return np.stack([right, upward, np.cross(right, upward)])


def _facing(points: Doubles, seen: npt.NDArray[np.bool_], layout: SkeletonLayout) -> Doubles:
    """Turn about the vertical so that the first person's left is to the viewer's right, on average."""
    if not layout.swaps or not seen[0].any():
        return points
    lefts, rights = (list(side) for side in zip(*layout.swaps, strict=True))
    across = (points[0, seen[0]][:, lefts] - points[0, seen[0]][:, rights]).mean((0, 1))
    x, z = float(across[0]), float(across[2])
    size = float(np.hypot(x, z))
    if size == 0:
        return points
    turn = np.array([[x, 0, z], [0, size, 0], [-z, 0, x]]) / size
    return np.asarray(points @ turn.T)


def _sized(points: Doubles, seen: npt.NDArray[np.bool_]) -> Doubles:
    """Centred, and so small that a turn about the vertical leaves everything within 1 of the origin."""
    shown = points[seen]
    centre = (shown.max((0, 1)) + shown.min((0, 1))) / 2
    moved = points - centre
    reach = float(np.sqrt(np.square(moved[seen]).sum(-1)).max())
    moved[~seen] = 0
    return np.asarray(moved / (reach or 1.0))


def _sides(layout: SkeletonLayout) -> tuple[int, ...]:
    sides = [0] * layout.num_joints
    for left, right in layout.swaps:
        sides[left], sides[right] = -1, 1
    return tuple(sides)


def colours(person: int) -> tuple[str, str, str]:
    """Of a person's left, middle and right side: a light, a dark and a full shade of one colour."""
    return _PALETTE[person % len(_PALETTE)]


_PALETTE: tuple[tuple[str, str, str], ...] = (
    ("#7fb2ee", "#1c2f52", "#1f66c9"),
    ("#f3ab62", "#5a2a05", "#c85a04"),
    ("#7cc99a", "#12402a", "#1d8a4e"),
    ("#cf9fe0", "#431a52", "#8e35ab"),
)


def frames_of(scene: Scene, most: int, shortest: float = 0.0) -> tuple[list[int], int]:
    """Frames to draw, every n-th from the first: at most ``most``, at least ``shortest`` seconds apart; and n."""
    count = scene.points.shape[1]
    step = max(1, -(-count // most), int(np.ceil(shortest * scene.fps - 1e-9)))
    return list(range(0, count, step)), step


def picked(values: int, count: int) -> list[int]:
    """At most ``count`` of ``range(values)``, spread evenly, the first and the last among them."""
    return sorted({round(at) for at in np.linspace(0, values - 1, min(values, count))})
