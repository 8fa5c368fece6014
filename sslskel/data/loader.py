"""Whole batches of views, straight from the stored frames: gather, interpolate, augment.

Which positions are read and how a batch is changed is decided by the transforms;
shuffling and epochs are the engine's.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.dataset import Dataset
from sslskel.api.devices import sent
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.data.store.segments import all_in
from sslskel.errors import UsageError

RESIDENT_SHARE = 0.5
"""Share of an accelerator's free memory that stored frames may take."""
_kept: dict[tuple[int, torch.device], Tensor] = {}
"""Frames of whole datasets by array and device, as long as the array is there."""


class JointsRead(NamedTuple):
    """How a reader with another body reads a dataset."""

    joints: tuple[int, ...]
    """(V of the reader) joints of the dataset, repeated where need be."""
    known: tuple[bool, ...] = ()
    """(V of the reader) False for joints that the dataset lacks; empty for all known."""


class ClipSource:
    """Some clips of a dataset, ready to be drawn in whole batches; a ``protocol.ClipSet``.

    ``rows`` are clip rows of the dataset (n,), in any order. On the CPU frames are
    read from the memory map (the system's page cache keeps what fits); on an
    accelerator all frames of the dataset are copied there once, for every source that reads it, if they take at
    most half of its free memory, or else those of these clips, or else each batch is copied; ``resident`` decides
    for these clips, on the CPU too. A view depends on the clip's key and the noise alone, never on the rest of the
    batch.

    ``joints`` are the dataset's joints in the order of ``spec.layout``, for a reader with another body;
    None reads them as they are stored. Where ``spec.resampled`` a clip is read as if it had been recorded at
    ``spec.fps``: lengths and positions are counted in such frames, whose joints are interpolated linearly.

    Labels are -1, and annotated actions None, where ``labels`` is false. Raises
    ``UsageError`` for rows that are not in the dataset.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: npt.NDArray[np.int64] | Tensor,
        spec: ClipSpec,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        labels: bool = True,
        resident: bool | None = None,
        joints: JointsRead | None = None,
    ) -> None:
        self.dataset, self.spec = dataset, spec
        self.device, self.dtype = torch.device(device), dtype
        self.rows = _positions(rows, len(dataset), f"dataset '{dataset.info.name}'")
        self._tracks = _TrackTable(dataset)
        self.frames = Frames(dataset, self._tracks, self.rows, self.device, resident)
        self._stride = dataset.info.fps / spec.fps if spec.resampled else 1.0
        self._joints = None if joints is None else torch.tensor(joints.joints, dtype=torch.int64, device=self.device)
        lacks = joints is not None and not all(joints.known)
        self._known = torch.tensor(joints.known, device=self.device) if joints is not None and lacks else None
        self._set_columns(labels)

    def _set_columns(self, labels: bool) -> None:
        columns = self.dataset
        self.keys = torch.from_numpy(columns.keys.copy())[self.rows]
        known = torch.from_numpy(columns.labels.copy())[self.rows]
        self.labels = known if labels else torch.full_like(known, -1)
        self.lengths = _frames_at(torch.from_numpy(columns.lengths.copy())[self.rows], self._stride)
        self.segments = None if columns.segments is None or not labels else columns.segments.of(self.rows.numpy())
        self._shown = labels

    def __len__(self) -> int:
        return len(self.rows)

    def names(self, positions: Tensor | None = None) -> list[str]:
        """Names of the clips at these positions (default: all)."""
        rows = self.rows if positions is None else self.rows[_positions(positions, len(self), "this set")]
        return [str(name) for name in self.dataset.names[rows.numpy()]]

    def subset(self, rows: Tensor) -> ClipSource:
        """The clips at these positions, in this order; stored frames are shared, not copied."""
        other = ClipSource.__new__(ClipSource)
        other.dataset, other.spec, other.device, other.dtype = self.dataset, self.spec, self.device, self.dtype
        other.rows = self.rows[_positions(rows, len(self), "this set")]
        other._tracks, other.frames, other._stride = self._tracks, self.frames, self._stride
        other._joints, other._known = self._joints, self._known
        other._set_columns(self._shown)
        return other

    def batches(self, view: ViewSpec, noise: Noise, size: int) -> Iterator[Batch]:
        """Every clip once, in order, ``size`` clips at a time (the last batch may be smaller)."""
        if size < 1:
            raise UsageError(f"a batch of {size} clips was asked for; it must hold at least 1")
        for first in range(0, len(self), size):
            yield self.batch(torch.arange(first, min(first + size, len(self))), view, noise)

    def batch(self, positions: Tensor, view: ViewSpec, noise: Noise, outer: Sequence[OuterView] = ()) -> Batch:
        """One view of the clips at ``positions`` (N,), in this order.

        ``noise`` is that of the view (``noise.view(i)`` where a method has several); ``outer`` are the views
        that it lies within, the outermost first, each with its own noise. A person with no valid frame in
        the view has no row. Raises ``UsageError`` for a view within another that is drawn without it.
        """
        if view.within is not None and not outer:
            raise UsageError(
                f"a view within view {view.within} is drawn beside it, as one of a method's views(); alone it has no"
                " frames to lie in"
            )
        at = _positions(positions, len(self), "this set")
        seed, track, read = self._places(at, view, noise.at("cpu"), [(one, its.at("cpu")) for one, its in outer])
        near = self.frames.near(read, track)
        known = self.frames.seen(near, track)
        if not bool(self._tracks.whole[track].all()):
            kept = known.any(1).nonzero()[:, 0]
            if len(kept) < len(track):
                track, known, near = track[kept], known[kept], [one.of(kept) for one in near]
                seed = seed._replace(owner=seed.owner[kept], slot=seed.slot[kept])
        tracks, tables = self.frames.read(near, track, self.dtype, (known, *seed[2:7]))
        if self._joints is not None:
            tracks = tracks.index_select(2, self._joints)
        batch = Batch(tracks, *tables)
        if self._known is not None:
            batch = batch._replace(known=self._known.expand(len(track), -1))
        spec = replace(self.spec, frames=view.frames) if view.frames else self.spec
        for augment in view.augment:
            batch = augment(batch, noise.on(batch), spec)
        return batch

    def _places(
        self, at: Tensor, view: ViewSpec, noise: Noise, outer: Sequence[OuterView]
    ) -> tuple[Batch, Tensor, Tensor]:
        """A batch without frames, (P,) tracks, and (P, T) where each is read in its clip.

        All of the host: a GPU would only wait for such small tables, and some devices have no float64.
        """
        rows = self.rows[at]
        owner, track = self._tracks.of(rows)
        key, begin, length = self.keys[at], torch.zeros_like(rows), self.lengths[at]
        seed = Batch(
            torch.zeros(len(track), 0, *self.frames.shape, dtype=self.dtype, device="cpu"),
            torch.zeros(len(track), 0, dtype=torch.bool, device="cpu"),
            owner,
            self._tracks.slot[track],
            key,
            self.labels[at],
            torch.full_like(key, -1),
        )
        for other, its_noise in outer:
            first, length = frames_read(self._sampled(other, length, its_noise.on(seed)))
            begin = begin + first
        inside = self._sampled(view, length, noise.on(seed))
        read = torch.where(inside < 0, inside, inside + begin[:, None])
        if self._stride != 1:
            last = (self._tracks.clip_length[rows] - 1)[:, None]
            read = torch.where(read < 0, read, torch.minimum(read * self._stride, last))
        return seed, track, read[owner]

    def _sampled(self, view: ViewSpec, lengths: Tensor, noise: Noise) -> Tensor:
        return view.sample(lengths, view.frames or self.spec.frames, noise)


OuterView = tuple[ViewSpec, Noise]
"""A view that another one lies within, and the noise of its draws."""


def frames_read(positions: Tensor) -> tuple[Tensor, Tensor]:
    """(N, T) positions, -1 for padding -> (N,) first frame that is read, and (N,) how many there are up to the last."""
    first = torch.where(positions < 0, torch.inf, positions).amin(1).floor().to(torch.int64)
    return first, positions.amax(1).ceil().to(torch.int64) - first + 1


def _frames_at(lengths: Tensor, stride: float) -> Tensor:
    """(n,) frames as recorded -> frames of which each is ``stride`` recorded ones after the one before."""
    if stride == 1:
        return lengths
    return ((lengths - 1).to(torch.float64) / stride + 1e-6).floor().to(torch.int64) + 1


def _positions(rows: npt.NDArray[np.int64] | Tensor, count: int, where: str) -> Tensor:
    """Rows as int64 on the CPU, all inside 0..count-1."""
    at = torch.as_tensor(rows)
    if at.dtype not in (torch.int64, torch.int32) or at.ndim != 1:
        raise UsageError(f"rows of {where} are whole numbers in one dimension, not {at.dtype} {tuple(at.shape)}")
    at = at.to("cpu", torch.int64)
    outside = at[(at < 0) | (at >= count)]
    if len(outside):
        raise UsageError(f"row {int(outside[0])} is not among the {count} clips of {where}")
    return at


class _TrackTable:
    """Index arrays of all tracks of a dataset as CPU tensors, (k,) or (n,) each."""

    def __init__(self, dataset: Dataset) -> None:
        def column(array: npt.NDArray[np.int64]) -> Tensor:
            return torch.from_numpy(array.copy())

        self.slot, self.begin = column(dataset.track_slot), column(dataset.track_begin)
        self.length, self.offset = column(dataset.track_length), column(dataset.track_offset)
        self.clip_length = column(dataset.lengths)
        owner = column(dataset.track_clip)
        self._count = torch.bincount(owner, minlength=len(dataset))
        self._first = self._count.cumsum(0) - self._count
        seen = all_in(dataset.valid, dataset.track_offset, dataset.track_length)
        self.whole = torch.from_numpy(seen) & (self.length == self.clip_length[owner])
        """(k,) True where the person is seen in every frame of the clip, whatever the crop."""

    def of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) clip rows -> (P,) place of the owner among them and (P,) track, sorted by owner, then slot."""
        count = self._count[rows]
        owner = torch.arange(len(rows)).repeat_interleave(count)
        within = torch.arange(len(owner)) - (count.cumsum(0) - count)[owner]
        return owner, self._first[rows][owner] + within


class _Near(NamedTuple):
    """Stored frames next to positions of a view, (P, T) each."""

    frame: Tensor
    """Number in the track; the nearest that it has."""
    inside: Tensor
    """Whether the track has this very one."""
    idle: Tensor
    """Whether the position does not depend on it."""
    weight: Tensor
    """Its share of the view's frame, float64."""

    def of(self, persons: Tensor) -> _Near:
        """Those of some persons (k,)."""
        return _Near(*(table[persons] for table in self))


class Frames:
    """Stored frames, on the device where they fit, and linear interpolation between them."""

    def __init__(
        self, dataset: Dataset, tracks: _TrackTable, rows: Tensor, device: torch.device, resident: bool | None
    ) -> None:
        self.shape, self._device, self._tracks = dataset.joints.shape[1:], device, tracks
        self.joints, self.valid = _shared(dataset.joints), _shared(dataset.valid)
        self._offset = tracks.offset
        if resident is False or (resident is None and device.type == "cpu"):
            return
        if resident is None:
            kept = _kept_on(device, dataset.joints)
            if kept is not None:
                self.joints = kept
                return
        _, used = tracks.of(torch.unique(rows))
        frames = int(tracks.length[used].sum())
        if resident or frames * self.joints[:1].nbytes <= RESIDENT_SHARE * _free_bytes(device):
            self._move(used, frames)

    def _move(self, used: Tensor, frames: int) -> None:
        """Copy the joints of the used tracks to the device, one after the other."""
        length = self._tracks.length[used]
        offset = length.cumsum(0) - length
        joints = torch.empty(frames, *self.shape, dtype=self.joints.dtype, device=self._device)
        for to, at, size in zip(offset.tolist(), self._tracks.offset[used].tolist(), length.tolist(), strict=True):
            joints[to : to + size] = self.joints[at : at + size]
        self.joints = joints
        self._offset = torch.full_like(self._offset, -1)
        self._offset[used] = offset

    def near(self, positions: Tensor, track: Tensor) -> list[_Near]:
        """(P, T) positions in the clip and (P,) tracks -> the stored frames before them and those behind; of the host.

        Frames outside a track's interval count as zeros, as in dense arrays.
        """
        begin, length = (column[track][:, None] for column in (self._tracks.begin, self._tracks.length))
        low = positions.floor()
        share = positions - low
        both = []
        for step, weight in ((0, 1 - share), (1, share)):
            frame = low.to(torch.int64) + step - begin
            inside = (frame >= 0) & (frame < length)
            # A position that falls on a frame does not depend on the next one.
            idle = (share == 0) & bool(step)
            both.append(_Near(torch.minimum(frame.clamp(min=0), length - 1), inside, idle, weight))
        return both

    def seen(self, near: Sequence[_Near], track: Tensor) -> Tensor:
        """(P, T) bool of the host: a frame of the view is valid where every stored frame it is made of is."""
        known = torch.ones_like(near[0].inside)
        for one in near:
            row = self._tracks.offset[track][:, None] + one.frame
            known &= (one.inside & self.valid.index_select(0, row.flatten()).reshape(row.shape)) | one.idle
        return known

    def read(
        self, near: Sequence[_Near], track: Tensor, dtype: torch.dtype, tables: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """(P, T, V, C) joints on the device, and there ``tables`` of the host too."""
        rows = [self._offset[track][:, None] + one.frame for one in near]
        weights = [torch.where(one.inside, one.weight, 0).to(dtype) for one in near]
        if self.joints.device.type == "cpu":
            joints, *there = sent([self._mixed(rows, weights, dtype), *tables], self._device)
            return joints, there
        low, high, first, second, *there = sent([*rows, *weights, *tables], self._device)
        return self._mixed([low, high], [first, second], dtype), there

    def _mixed(self, rows: Sequence[Tensor], weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
        """Twice (P, T) stored frames and weights -> (P, T, V, C) their sum, where the stored frames are."""
        parts = []
        for row, weight in zip(rows, weights, strict=True):
            joints = self.joints.index_select(0, row.flatten()).reshape(*row.shape, *self.shape)
            parts.append(joints.to(dtype).mul_(weight[..., None, None]))
        return parts[0].add_(parts[1])


def _shared(array: npt.NDArray[Any]) -> Tensor:
    """A tensor over a read-only array without a copy; nothing here writes to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(np.asarray(array))


def _kept_on(device: torch.device, joints: npt.NDArray[Any]) -> Tensor | None:
    """All frames of a dataset on a device, copied once for all that read it; None where they take too much.

    Those of other datasets go where both would take too much.
    """
    place = id(joints), device
    if place not in _kept:
        others = {other: frames for other, frames in _kept.items() if other[1] == device}
        held = sum(frames.nbytes for frames in others.values())
        if held + joints.nbytes > RESIDENT_SHARE * (held + _free_bytes(device)):
            for other in others:
                del _kept[other]
            others.clear()
            if joints.nbytes > RESIDENT_SHARE * _free_bytes(device):
                return None
        _kept[place] = _shared(joints).to(device)
        # An array that comes later may have the same id.
        weakref.finalize(joints, _kept.pop, place, None)
    return _kept[place]


def _free_bytes(device: torch.device) -> float:
    """Free memory of an accelerator; 2 GiB where it cannot be asked."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return 2.0**31
