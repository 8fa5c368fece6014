"""Batched transforms: where a view reads the raw clip, rotation, and the bone and motion streams.

Everything works on whole batches on any device and draws from keyed noise only.
Reading and interpolating the stored frames is in ``sslskel.data.loader``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.common_body import COMMON_BODY
from sslskel.api.dataset import DatasetInfo
from sslskel.api.devices import constant
from sslskel.api.noise import Noise
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import Augment, ClipSpec, Sampler, ViewSpec
from sslskel.config.groups import Body, Centre, ClipConfig, Sampling, Stream
from sslskel.errors import DataError
from sslskel.transforms.align import Align
from sslskel.transforms.segments import SeededSegments, UniformSegments

BODY_UNIT = "body"
"""The unit of clips measured in sizes of the first person's body."""


def resized(start: Tensor, length: Tensor, frames: int) -> Tensor:
    """(N,) first frame and (N,) length of a crop -> (N, T) float64 positions of its linear resize.

    Frame t of T reads at ``(t + 1/2) * length / T - 1/2``, held inside the crop:
    linear interpolation with half-pixel centres. Positions in the crop are rounded
    to single precision once for the ratio and once at the end, as the resize of
    released code does; in a clip of 300 frames with a person who disappears, the
    exact position would move a joint by some micrometres.
    """
    ratio = (length.to(torch.float32) / frames).to(torch.float64)[:, None]
    step = torch.arange(frames, dtype=torch.float64, device=length.device) + 0.5
    inside = (step * ratio - 0.5).to(torch.float32).to(torch.float64).clamp(min=0)
    return start[:, None].to(torch.float64) + torch.minimum(inside, length[:, None].to(torch.float64) - 1)


@dataclass(frozen=True)
class RandomCrop:
    """Sampler: a random crop of random length, resized to T frames, as in the released MAMP code.

    The length is a share of the clip drawn from U[share_min, share_max], not below
    ``min_frames`` raw frames and not above the clip; the start is uniform.
    Noise sites: ``crop.share`` (U[0, 1)) and ``crop.start``.
    """

    share_min: float = 0.5
    share_max: float = 1.0
    min_frames: int = 64

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) -> (N, T)."""
        draw = noise.uniform("crop.share", per="clip", dtype=torch.float64)
        share = draw * (self.share_max - self.share_min) + self.share_min
        wanted = torch.floor(lengths * share).to(torch.int64).clamp(min=self.min_frames)
        length = torch.minimum(wanted, lengths)
        start = noise.integers("crop.start", lengths - length + 1, per="clip")
        return resized(start, length, frames)


@dataclass(frozen=True)
class CentreCrop:
    """Sampler: the central share of the clip, resized to T frames; no chance.

    ``int((1 - share) * length / 2)`` frames are left out at each end.
    """

    share: float = 0.95

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) -> (N, T)."""
        start = torch.floor((1 - self.share) * lengths.to(torch.float64) / 2).to(torch.int64)
        return resized(start, lengths - 2 * start, frames)


@dataclass(frozen=True)
class FirstFrames:
    """Sampler: the first T frames as they are, then padding where the clip is shorter; no chance."""

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) -> (N, T)."""
        at = torch.arange(frames, dtype=torch.float64, device=lengths.device)
        return torch.where(at < lengths[:, None], at, -1.0)


def rotation_matrices(angles: Tensor) -> Tensor:
    """(N, 3) radians about x, y, z -> (N, 3, 3) = Rz Ry Rx; (N, 1) -> (N, 2, 2) in the plane.

    A matrix stands on the left of the coordinate vector.
    """
    one, zero = torch.ones_like(angles[:, 0]), torch.zeros_like(angles[:, 0])

    def stacked(*entries: Tensor) -> Tensor:
        size = math.isqrt(len(entries))
        return torch.stack(entries, -1).reshape(-1, size, size)

    if angles.shape[1] == 1:
        cos, sin = angles[:, 0].cos(), angles[:, 0].sin()
        return stacked(cos, -sin, sin, cos)
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(1), angles.sin().unbind(1)
    about_x = stacked(one, zero, zero, zero, cx, sx, zero, -sx, cx)
    about_y = stacked(cy, zero, -sy, zero, one, zero, sy, zero, cy)
    about_z = stacked(cz, sz, zero, -sz, cz, zero, zero, zero, one)
    return about_z @ about_y @ about_x


def transformed(tracks: Tensor, matrices: Tensor) -> Tensor:
    """(P, T, V, C) with one (P, C, C) matrix per person on the left of every coordinate vector."""
    # Written out rather than as a matrix product: a product's last bits depend on how many persons share a batch.
    first, *others = matrices[:, None, None].unbind(-1)
    out = tracks[..., :1] * first
    for c, column in enumerate(others, start=1):
        out += tracks[..., c, None] * column
    return out


@dataclass(frozen=True)
class CentreFirst:
    """Augment: the origin moves to the first person's centre joint in their first valid frame of the view.

    All persons of a clip move alike. Frames that are zero everywhere (no person) stay zero,
    as in the released NTU preparation.
    """

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        tracks = batch.tracks
        if not len(tracks):
            return batch
        clips = torch.arange(batch.num_clips, device=tracks.device)
        leader = torch.searchsorted(batch.owner, clips).clamp(max=len(tracks) - 1)
        frame = batch.valid[leader].to(torch.int8).argmax(1)
        origin = tracks[leader, frame, clip.layout.centre]
        there = (tracks != 0).flatten(2).any(-1)
        return batch._replace(tracks=tracks - origin[batch.owner][:, None, None] * there[..., None, None])


@dataclass(frozen=True)
class CentreFrames:
    """Augment: in every frame each person's centre joint becomes the origin, so that no one moves from their place.

    Frames in which a person is missing are zeros and stay so.
    """

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        tracks = batch.tracks
        return batch._replace(tracks=tracks - tracks[:, :, clip.layout.centre, None])


@dataclass(frozen=True)
class LoopPadding:
    """Augment: padding behind a clip repeats it from its first frame on, as often as fits; it stays not valid.

    A clip ends with the last frame in which anyone is valid.
    """

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        at = torch.arange(batch.tracks.shape[1], device=batch.tracks.device)
        ends = batch.lengths()[batch.owner][:, None]
        source = torch.where(at < ends, at, at % ends.clamp(min=1))
        return batch._replace(tracks=batch.tracks.take_along_dim(source[..., None, None], 1))


@dataclass(frozen=True)
class WholeClip:
    """Augment: every person has all frames of the clip, up to its last valid one; zeros where they are not seen."""

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        frames = torch.arange(batch.valid.shape[1], device=batch.tracks.device)
        tracks = batch.tracks.masked_fill(~batch.valid[..., None, None], 0)
        return batch._replace(tracks=tracks, valid=frames < batch.lengths()[batch.owner][:, None])


@dataclass(frozen=True)
class BodySize:
    """Augment: lengths become multiples of the first person's size, for data in pixels or an unknown unit.

    That size is the root mean square distance of the joints from their mean, over all valid
    frames of the view. All persons of a clip shrink alike; the origin stays. A person whose joints
    are all in one place has the size 1.
    """

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        tracks = batch.tracks
        if not len(tracks):
            return batch
        clips = torch.arange(batch.num_clips, device=tracks.device)
        leader = torch.searchsorted(batch.owner, clips).clamp(max=len(tracks) - 1)
        spread = (tracks[leader] - tracks[leader].mean(2, keepdim=True)).square().sum(-1).mean(2)
        valid = batch.valid[leader].to(tracks.dtype)
        size = ((spread * valid).sum(1) / valid.sum(1).clamp(min=1)).sqrt()
        size = torch.where(size > 0, size, torch.ones_like(size))
        return batch._replace(tracks=tracks / size[batch.owner][:, None, None, None])


@dataclass(frozen=True)
class RandomRotation:
    """Augment: one random rotation about the origin per clip, all persons alike, as in the released MAMP code.

    Angles about x, y and z are U(-angle, angle) radians, R = Rz Ry Rx; 2D
    coordinates turn in their plane by one angle. Noise site: ``rotation.angles``
    (U[0, 1), (N, 3) or (N, 1)).
    """

    angle: float = 0.3

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        axes = 3 if batch.tracks.shape[-1] == 3 else 1
        draw = noise.on(batch).uniform("rotation.angles", (axes,), per="clip", dtype=torch.float64)
        matrices = rotation_matrices((2 * draw - 1) * self.angle).to(batch.tracks.dtype)
        return batch._replace(tracks=transformed(batch.tracks, matrices[batch.owner]))


def mirrored(tracks: Tensor, layout: SkeletonLayout) -> Tensor:
    """The mirror image, left and right joints exchanged and x turned in its sign: (..., V, C) -> the same."""
    x, *others = tracks.index_select(-2, constant(layout.mirror(), tracks.device)).unbind(-1)
    return torch.stack([-x, *others], -1)


@dataclass(frozen=True)
class Mirror:
    """Augment: the mirror image, x turned in its sign and left and right joints exchanged, of every clip."""

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        order = constant(clip.layout.mirror(), batch.tracks.device)
        known = batch.known.index_select(1, order) if batch.lacks_joints else batch.known
        return batch._replace(tracks=mirrored(batch.tracks, clip.layout), known=known)


def bone(tracks: Tensor, layout: SkeletonLayout) -> Tensor:
    """(..., V, C) joints -> bones: each joint minus its parent, 0 for the root."""
    parents = [joint if parent < 0 else parent for joint, parent in enumerate(layout.parents)]
    return tracks - tracks[..., constant(tuple(parents), tracks.device), :]


def motion(tracks: Tensor, stride: int = 1) -> Tensor:
    """(..., T, V, C) -> difference to the frame ``stride`` later; the last ``stride`` frames are 0."""
    out = torch.zeros_like(tracks)
    if stride < tracks.shape[-3]:
        out[..., :-stride, :, :] = tracks[..., stride:, :, :] - tracks[..., :-stride, :, :]
    return out


@dataclass(frozen=True)
class BoneStream:
    """Augment: joints become bones. ``valid`` stays."""

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        return batch._replace(tracks=bone(batch.tracks, clip.layout))


@dataclass(frozen=True)
class MotionStream:
    """Augment: joints become their motion, in units per frame of the view.

    As in released code a person's coming and going is a jump from or to zero;
    ``valid`` stays, so that a method can tell.
    """

    stride: int = 1

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        return batch._replace(tracks=motion(batch.tracks, self.stride))


@dataclass(frozen=True)
class PastMotion:
    """Augment: joints become what they have moved since the frame before; 0 in the first."""

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        moved = torch.zeros_like(batch.tracks)
        moved[:, 1:] = batch.tracks[:, 1:] - batch.tracks[:, :-1]
        return batch._replace(tracks=moved.masked_fill(~batch.valid[..., None, None], 0))


def clip_spec(info: DatasetInfo, config: ClipConfig) -> ClipSpec:
    """What a run's clips look like: random crop and rotation in training, central crop in test.

    Both are centred, aligned, and measured in body sizes, first where the configuration asks for it. Raises
    ``DataError`` where mirror images are asked for and the layout has no left and right.
    """
    moves: dict[Centre, tuple[Augment, ...]] = {
        Centre.first: (CentreFirst(),),
        Centre.sized: (CentreFirst(), BodySize()),
    }
    moved = moves.get(config.centre, ())
    if config.aligned:
        moved += (Align(config.align_root, config.align_heading, config.align_size),)
    turned: tuple[Augment, ...] = (RandomRotation(config.rotation),) if config.rotation else ()
    streams: dict[Stream, tuple[Augment, ...]] = {Stream.bone: (BoneStream(),), Stream.motion: (MotionStream(),)}
    stream = streams.get(config.stream, ())
    layout = COMMON_BODY if config.body is Body.common else info.layout
    in_test = moved + stream
    sample, readings = _samplers(config)
    views = [ViewSpec(reading, in_test) for reading in readings]
    if config.test_mirrored:
        if not layout.swaps:
            raise DataError(
                f"clip.test_mirrored=true exchanges left and right joints, but layout '{layout.name}' names no"
                " pairs of them; give the layout swaps or leave it out"
            )
        # Before bones and motion are taken, which follow the joints.
        views += [ViewSpec(reading, (*moved, Mirror(), *stream)) for reading in readings]
    return ClipSpec(
        layout=layout,
        frames=config.frames,
        persons=info.persons,
        coordinates=info.coordinates,
        fps=config.fps or info.fps,
        unit=BODY_UNIT if config.centre is Centre.sized or config.align_size else info.unit,
        train_view=ViewSpec(sample, moved + turned + stream),
        test_view=views[0],
        more_test_views=tuple(views[1:]),
        resampled=config.fps > 0,
    )


def _samplers(config: ClipConfig) -> tuple[Sampler, list[Sampler]]:
    """Of the training view, and of each reading of a test clip."""
    if config.sampling is Sampling.segments:
        count = config.test_views
        return UniformSegments(), [SeededSegments(number, count) for number in range(count)]
    return RandomCrop(config.crop_min, config.crop_max, config.min_frames), [CentreCrop(config.test_crop)]
