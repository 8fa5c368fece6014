"""From clips to rows: every clip is checked here, and the index of a dataset grows here.

Nothing here touches a disk; ``store.py`` writes what comes out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sslskel.api.dataset import MOST_CLASSES, Clip, DatasetInfo, Track
from sslskel.data.store.segments import SegmentIndex
from sslskel.errors import DataError
from sslskel.hashing import stable_id

CLIP_FIELDS = ("keys", "labels", "lengths", "subjects", "cameras", "setups")
TRACK_FIELDS = ("track_clip", "track_slot", "track_begin", "track_length", "track_offset")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_INT64 = 1 << 63


def is_name(name: object) -> bool:
    """Whether a clip may be called so: printable text, not empty."""
    return isinstance(name, str) and bool(name) and "\0" not in name and name.isprintable()


def is_safe(name: str) -> bool:
    """Whether a dataset or recipe may be called so, which is part of names of folders and columns."""
    return _SAFE.fullmatch(name) is not None


def check_info(info: DatasetInfo) -> None:
    """Raise ``DataError`` where the description of a dataset makes no sense."""
    faults = [
        (not is_safe(info.name), f"name '{info.name}' (letters, digits, '.', '_' and '-' only)"),
        (not is_safe(info.recipe), f"recipe '{info.recipe}' (letters, digits, '.', '_' and '-' only)"),
        (info.coordinates not in (2, 3), f"coordinates={info.coordinates} (2 or 3)"),
        (info.persons < 1, f"persons={info.persons} (at least 1)"),
        (not (math.isfinite(info.fps) and info.fps > 0), f"fps={info.fps} (above 0)"),
        (len(info.classes) > MOST_CLASSES, f"{len(info.classes):,} classes (at most {MOST_CLASSES:,})"),
        (len(set(info.classes)) != len(info.classes), "a class name twice (class names must differ)"),
        (
            len(set(info.lists)) != len(info.lists) or len(info.lists) > 62,
            f"lists {info.lists} (at most 62, each once)",
        ),
    ]
    for wrong, what in faults:
        if wrong:
            raise DataError(f"dataset '{info.name}' is described with {what}; correct its DatasetInfo")


class Index:
    """The index arrays of a dataset, grown clip by clip."""

    def __init__(self, info: DatasetInfo, dtype: npt.DTypeLike) -> None:
        check_info(info)
        self.info, self.dtype = info, np.dtype(dtype)
        self.names: list[str] = []
        self.rows = 0
        self._seen: set[str] = set()
        self._keys: dict[int, str] = {}
        self._columns: dict[str, list[int]] = {field: [] for field in (*CLIP_FIELDS, *TRACK_FIELDS)}
        self._lists: list[int] = []
        self._segments = SegmentIndex(info)

    def add(self, clip: Clip) -> list[tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]]:
        """Check a clip, index it, and return its (L, V, C) joints and (L,) valid flags, track by track.

        Raises ``DataError`` naming the clip (and person, frame and joint where there is one).
        """
        key = self._claim(clip.name)
        self._check_clip(clip)
        tracks = sorted(clip.tracks, key=lambda track: track.slot)
        data = [_checked(clip, track, self.info, self.dtype) for track in tracks]
        slots = [track.slot for track in tracks]
        if len(set(slots)) != len(slots):
            raise DataError(
                f"clip '{clip.name}' has two tracks in the same slot (slots: {slots}); give one track per person"
            )
        for track in tracks:
            row = (len(self.names), track.slot, track.begin, len(track.joints), self.rows)
            self._extend(TRACK_FIELDS, row)
            self.rows += len(track.joints)
        self._extend(CLIP_FIELDS, (key, clip.label, clip.length, clip.subject, clip.camera, clip.setup))
        self._lists.append(self._bits(clip))
        self._segments.add(clip, len(self.names), self._claim)
        self.names.append(clip.name)
        return data

    def size(self) -> tuple[int, int, int]:
        """Clips, tracks and annotated actions so far."""
        return len(self.names), len(self._columns["track_clip"]), len(self._segments)

    def since(self, size: tuple[int, int, int]) -> dict[str, Any]:
        """What was added since an earlier :meth:`size`, as plain data for :meth:`restore`."""
        clips, tracks, segments = size
        columns = {field: self._columns[field][clips:] for field in CLIP_FIELDS}
        columns |= {field: self._columns[field][tracks:] for field in TRACK_FIELDS}
        plain: dict[str, Any] = {field: [int(n) for n in values] for field, values in columns.items()}
        plain |= {"names": self.names[clips:], "lists": self._lists[clips:], "segments": self._segments.since(segments)}
        return plain

    def restore(self, part: Mapping[str, Any]) -> None:
        """Add what :meth:`since` gave, whose rows are stored already."""
        cut = self._segments.restore(part["segments"])
        for name, key in (*zip(part["names"], part["keys"], strict=True), *cut):
            self._seen.add(name)
            self._keys[key] = name
        self.names.extend(part["names"])
        self._lists.extend(part["lists"])
        for field, values in self._columns.items():
            values.extend(part[field])
        self.rows += sum(part["track_length"])

    def _extend(self, fields: tuple[str, ...], row: tuple[int, ...]) -> None:
        for field, value in zip(fields, row, strict=True):
            self._columns[field].append(value)

    def _bits(self, clip: Clip) -> int:
        foreign = sorted(clip.lists.difference(self.info.lists))
        if foreign:
            raise DataError(f"clip '{clip.name}' is in a list '{foreign[0]}' that '{self.info.name}' does not have")
        return sum(1 << bit for bit, name in enumerate(self.info.lists) if name in clip.lists)

    def _claim(self, name: str) -> int:
        """The key of a name that no other clip has; raises ``DataError``."""
        info = self.info
        if not is_name(name):
            raise DataError(f"dataset '{info.name}' has a clip named {name!r}; a name is printable and not empty")
        if name in self._seen:
            raise DataError(f"clip '{name}' occurs twice in dataset '{info.name}'; clip names must differ")
        self._seen.add(name)
        key = stable_id(info.name, name)
        other = self._keys.setdefault(key, name)
        if other != name:
            raise DataError(f"clips '{name}' and '{other}' hash to the same id; rename one of them")
        return key

    def _check_clip(self, clip: Clip) -> None:
        name, info = clip.name, self.info
        for field in ("label", "length", "subject", "camera", "setup"):
            value = getattr(clip, field)
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or not -1 <= value < _INT64:
                raise DataError(f"clip '{name}' has {field}={value!r}; it must be a whole number, -1 or more")
        if clip.label >= len(info.classes):
            raise DataError(
                f"clip '{name}' has label {clip.label}, but dataset '{info.name}' has {len(info.classes)} classes;"
                f" labels are 0 to {len(info.classes) - 1}, or -1 for none"
            )
        if clip.length < 1:
            raise DataError(f"clip '{name}' has no frames; leave it out and say so in the import report")

    def most_persons(self) -> int:
        """The largest number of person slots that a clip so far needs; at least 1."""
        return max(self._columns["track_slot"], default=0) + 1

    def counts(self) -> dict[str, int]:
        """``clips`` and stored ``rows``; also ``recordings`` and annotated ``actions`` where there are any."""
        if not len(self._segments):
            return {"clips": len(self.names), "rows": self.rows}
        annotated = {"recordings": len(self.names), "actions": len(self._segments)}
        return {"clips": self._segments.clips, "rows": self.rows, **annotated}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """File stem -> array; raises ``DataError`` where there is nothing to store."""
        if not self.rows:
            raise DataError(f"dataset '{self.info.name}' would be empty: not one clip with a person was found")
        columns = {field: np.asarray(values, dtype=np.int64) for field, values in self._columns.items()}
        lists = {"lists": np.asarray(self._lists, np.int64)} if self.info.lists else {}
        return {"names": np.asarray(self.names, dtype=np.str_), **columns, **lists, **self._segments.arrays()}


def _checked(
    clip: Clip, track: Track, info: DatasetInfo, dtype: np.dtype[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Joints in the stored precision and valid flags of one track, or ``DataError``."""
    who, (joints, valid) = f"clip '{clip.name}', person {track.slot}", (track.joints, track.valid)
    for field, value in (("slot", track.slot), ("begin", track.begin)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            raise DataError(f"{who} has {field}={value!r}; it must be a whole number")
    if not 0 <= track.slot < info.persons:
        raise DataError(f"{who}: slots of dataset '{info.name}' are 0 to {info.persons - 1}")
    expected = (info.layout.num_joints, info.coordinates)
    if not isinstance(joints, np.ndarray) or joints.ndim != 3 or joints.shape[1:] != expected:
        shape = getattr(joints, "shape", type(joints).__name__)
        raise DataError(f"{who} has joints of shape {shape}; expected (frames, {expected[0]}, {expected[1]})")
    if joints.dtype.kind != "f":
        raise DataError(f"{who} has joints of type {joints.dtype}; expected floating point")
    if not isinstance(valid, np.ndarray) or valid.shape != joints.shape[:1] or valid.dtype != np.bool_:
        shape = f"{getattr(valid, 'dtype', type(valid).__name__)} {getattr(valid, 'shape', '')}".strip()
        raise DataError(f"{who} has valid flags of type {shape}; expected bool ({len(joints)},)")
    if not len(joints) or not valid.any():
        raise DataError(f"{who} is seen in no frame; leave such a person out")
    if track.begin < 0 or track.begin + len(joints) > clip.length:
        raise DataError(
            f"{who} is seen in frames {track.begin} to {track.begin + len(joints) - 1},"
            f" but the clip has frames 0 to {clip.length - 1}"
        )
    return _finite(who, track, info, dtype), valid


def _finite(who: str, track: Track, info: DatasetInfo, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(track.joints, dtype=dtype)
    bad = ~np.isfinite(stored)
    if bad.any():
        frame, joint, coordinate = (int(i[0]) for i in bad.nonzero())
        value = track.joints[frame, joint, coordinate]
        hint = "set frames in which the person is missing to zero and not valid"
        if np.isfinite(value):
            hint = f"it does not fit {dtype}"
        raise DataError(
            f"{who} has the value {value} in frame {track.begin + frame}, joint '{info.layout.joints[joint]}'; {hint}"
        )
    return stored
