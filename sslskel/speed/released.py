"""Our own plainest configuration, with the choices that the papers' released code makes.

All bodies, attention written out, graph convolutions as convolutions, stepped GRUs frame by frame, single precision,
clips cropped, resized and augmented one by one on the host from padded arrays, an optimiser that loops over
parameters, a test pass after every epoch.
It shares weights and random draws with the run that it is compared with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.encoder import Encoder, PooledEncoder
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.config.groups import Optimiser
from sslskel.data.loader import ClipSource
from sslskel.errors import UsageError
from sslskel.nn.plain import explicit
from sslskel.speed.released_views import KNOWN, Clip, changes
from sslskel.speed.workload import PROGRESS, Workload
from sslskel.transforms.augment_time import PadCrop
from sslskel.transforms.clip import CentreCrop, RandomCrop, RandomRotation

PADDED_FRAMES = 300


class PaddedFeeder:
    """Clips of some rows as one padded array (n, T, M, V, C) in memory, and single clips cut from it."""

    def __init__(self, source: ClipSource, positions: Tensor) -> None:
        dataset, self.spec = source.dataset, source.spec
        self.source, self.positions = source, torch.unique(positions)
        rows = source.rows[self.positions].numpy()
        # Released arrays are padded to the longest clip of NTU RGB+D.
        shape = (
            len(rows),
            max(PADDED_FRAMES, int(dataset.lengths[rows].max())),
            self.spec.persons,
            *dataset.joints.shape[1:],
        )
        self.padded = np.zeros(shape, dtype=np.float32)
        self._resized: dict[int, Clip] = {}
        at = {int(row): place for place, row in enumerate(rows)}
        for track, clip in enumerate(dataset.track_clip):
            if int(clip) in at:
                begin, offset, length = (
                    int(column[track]) for column in (dataset.track_begin, dataset.track_offset, dataset.track_length)
                )
                frames = dataset.joints[offset : offset + length]
                self.padded[at[int(clip)], begin : begin + length, int(dataset.track_slot[track])] = frames

    def batch(self, positions: Tensor, view: ViewSpec, noise: Noise) -> Batch:
        """The view of :meth:`ClipSource.batch`, clip by clip, with a row for every person slot."""
        places = torch.searchsorted(self.positions, positions).tolist()
        keys = self.source.keys[positions]
        # Where this side cuts and turns its clips, on the host.
        draws = _draws(view, keys, self.source.lengths[positions], noise.at("cpu"), self.spec)
        count, shape = len(keys), (self.spec.frames, self.spec.layout.num_joints, self.spec.coordinates)
        empty = every_slot(torch.zeros(1).expand(count, self.spec.persons, *shape), keys)
        change = changes([one for one in view.augment if isinstance(one, KNOWN)], empty, noise.at("cpu"), self.spec)
        clips = [self._clip(place, view, draw) for place, draw in zip(places, draws, strict=True)]
        changed = [torch.from_numpy(np.ascontiguousarray(do(clip))) for do, clip in zip(change, clips, strict=True)]
        dense = torch.stack(changed).transpose(1, 2)
        return every_slot(dense.to(self.source.device, self.source.dtype), keys.to(self.source.device))

    def _clip(self, place: int, view: ViewSpec, draw: tuple[int, int, list[float]]) -> Clip:
        """(T, M, V, C) of one clip."""
        if isinstance(view.sample, PadCrop):
            return self._shifted(place, view.sample, draw)
        start, length, angles = draw
        # Released feeders work out the length of a clip each time they return it.
        if not self.padded[place].sum((1, 2, 3)).any():
            raise UsageError("a clip without a frame cannot be fed")
        cut = torch.from_numpy(self.padded[place][start : start + length])
        persons, joints, coordinates = cut.shape[1:]
        flat = cut.permute(3, 1, 2, 0).reshape(1, 1, -1, length).transpose(2, 3)
        wide = F.interpolate(flat, size=(self.spec.frames, flat.shape[3]), mode="bilinear", align_corners=False)
        clip = wide[0, 0].reshape(self.spec.frames, coordinates, persons, joints)
        if angles:
            turned = _turn(angles) @ clip.permute(0, 2, 1, 3).reshape(-1, coordinates, joints)
            return turned.reshape(self.spec.frames, persons, coordinates, joints).transpose(2, 3).numpy()
        return clip.permute(0, 2, 3, 1).numpy()

    def _shifted(self, place: int, sample: PadCrop, draw: tuple[int, int, list[float]]) -> Clip:
        """T frames of a clip with mirrored ends. Released arrays hold clips that were resized before training."""
        start, length, angles = draw
        if place not in self._resized:
            self._resized[place] = self._clip(place, ViewSpec(CentreCrop(1.0)), (0, length, angles))
        pad = self.spec.frames // sample.ratio if sample.ratio else 0
        wide = np.pad(self._resized[place], [(pad, pad), (0, 0), (0, 0), (0, 0)], mode="symmetric")
        return wide[start : start + self.spec.frames]


def _turn(angles: Sequence[float]) -> Tensor:
    (cx, cy, cz), (sx, sy, sz) = map(math.cos, angles), map(math.sin, angles)
    about_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_z = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
    return torch.from_numpy((about_z @ about_y @ about_x).astype(np.float32))


def _draws(
    view: ViewSpec, keys: Tensor, lengths: Tensor, noise: Noise, spec: ClipSpec
) -> list[tuple[int, int, list[float]]]:
    """Per clip the first frame, the number of frames and the angles that our transforms draw from this noise."""
    if view.within is not None or view.frames:
        raise UsageError("--against as_released feeds views of all frames, none within another or of its own length")
    none = torch.zeros(0, dtype=torch.int64)
    batch = Batch(torch.zeros(0, 0, 0, 3), torch.zeros(0, 0, dtype=torch.bool), none, none, keys, keys, keys)
    drawn = noise.on(batch)
    crop = view.sample
    if isinstance(crop, RandomCrop):
        share = drawn.uniform("crop.share", per="clip", dtype=torch.float64)
        wanted = torch.floor(lengths * (share * (crop.share_max - crop.share_min) + crop.share_min)).to(torch.int64)
        size = torch.minimum(wanted.clamp(min=crop.min_frames), lengths)
        start = drawn.integers("crop.start", lengths - size + 1, per="clip")
    elif isinstance(crop, PadCrop):
        pads = lengths.new_tensor(2 * (spec.frames // crop.ratio) + 1 if crop.ratio else 1)
        start, size = drawn.integers("crop.start", pads, per=crop.per).expand(len(keys)), lengths
    elif isinstance(crop, CentreCrop):
        start = torch.floor((1 - crop.share) * lengths.to(torch.float64) / 2).to(torch.int64)
        size = lengths - 2 * start
    else:
        raise UsageError(f"--against as_released knows the released crops, not {type(crop).__name__}")
    angles: list[list[float]] = [[] for _ in keys]
    for augment in (one for one in view.augment if not isinstance(one, KNOWN)):
        if not isinstance(augment, RandomRotation) or spec.coordinates != 3:
            raise UsageError(
                f"--against as_released feeds 3D joints as stored, turned at most, not {type(augment).__name__}"
                f" in {spec.coordinates}D;"
                " use clip.stream=joint clip.centre=stored"
            )
        turns = (2 * drawn.uniform("rotation.angles", (3,), per="clip", dtype=torch.float64) - 1) * augment.angle
        angles = turns.tolist()
    return list(zip(start.tolist(), size.tolist(), angles, strict=True))


def every_slot(rows: Tensor, keys: Tensor) -> Batch:
    """(N, M, T, V, C) as a batch in which every person slot is a row, empty ones too."""
    count, persons, frames = rows.shape[:3]
    owner = torch.arange(count, device=rows.device).repeat_interleave(persons)
    slot = torch.arange(persons, device=rows.device).repeat(count)
    tracks = rows.flatten(0, 1)
    unknown = keys.new_full((count,), -1)
    return Batch(tracks, tracks.new_ones(len(owner), frames, dtype=torch.bool), owner, slot, keys, unknown, unknown)


def released_features(encoder: Encoder, batch: Batch, persons: int) -> Tensor:
    """(N, D) of a batch with every slot: each body is encoded, empty or not, and the features are averaged."""
    if not isinstance(encoder, PooledEncoder):
        raise UsageError(f"--against as_released knows no plain form of encoder {type(encoder).__name__}")
    joined = encoder.backbone.joins_persons
    with torch.no_grad(), explicit():
        tracks = batch.joined(persons) if joined else batch.tracks
        pooled = encoder.backbone.pool(encoder.backbone(encoder.prepare(tracks)))
    return pooled if joined else pooled.reshape(-1, persons, pooled.shape[-1]).mean(1)


def released_optimiser(workload: Workload) -> torch.optim.Optimizer:
    """AdamW or SGD as released scripts build it, without fused kernels."""
    train, groups = workload.cell.resolved.train, workload.method.parameter_groups()
    if train.optimiser is Optimiser.sgd:
        return torch.optim.SGD(groups, lr=train.lr, momentum=train.momentum, weight_decay=train.weight_decay)
    return torch.optim.AdamW(groups, lr=train.lr, betas=(train.beta1, train.beta2), weight_decay=train.weight_decay)


def released_step(workload: Workload, feeder: PaddedFeeder, optimiser: torch.optim.Optimizer) -> Callable[[int], float]:
    """A training step of the plain configuration; it returns the loss, so the host waits for the device."""

    def step(number: int) -> float:
        noise = workload.noise(number)
        workload.method.on_step_start(PROGRESS, noise)
        views = [
            feeder.batch(workload.rows(number), view, noise.view(i)) for i, view in enumerate(workload.method.views())
        ]
        with explicit():
            loss = workload.method.as_released(views, noise, PROGRESS).loss()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        workload.method.on_step_end(PROGRESS, noise)
        return float(loss.detach())

    return step
