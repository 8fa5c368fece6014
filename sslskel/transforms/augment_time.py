"""Augmentations of contrastive methods that move, mix or hide some frames: crops, reversal, tempo, blur, joint mask.

Those that treat every frame alike are in ``augment.py``; the crop and resize of ISC, CMD
and PCM3 is ``sslskel.transforms.clip.RandomCrop``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise, Per
from sslskel.api.view import ClipSpec
from sslskel.config.groups import Fidelity, require
from sslskel.transforms.augment import changed, chosen, drawn, either_of, require_probability
from sslskel.transforms.clip import resized


@dataclass(frozen=True)
class PadCrop:
    """Sampler: the whole clip resized to T frames, then T frames of it from a random start, its ends mirrored.

    ``T // ratio`` frames are mirrored at either end, the edge frame included (SkeletonCLR,
    CrosSCLR, AimCLR, PSTL). Ratio 0 is the resized clip without chance, their test view.
    Noise site: ``crop.start`` (0..2 * (T // ratio)).
    """

    ratio: int = 6
    per: Per = "clip"

    def __post_init__(self) -> None:
        require(self.ratio >= 0, f"the padding ratio of a crop is {self.ratio}; it must not be negative")

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) -> (N, T)."""
        whole = resized(torch.zeros_like(lengths), lengths, frames)
        if not self.ratio:
            return whole
        pad = frames // self.ratio
        start = noise.integers("crop.start", 2 * pad + 1, per=self.per).expand(len(lengths))
        at = start[:, None] + torch.arange(-pad, frames - pad, device=lengths.device)
        at = torch.where(at < 0, -1 - at, at)
        return whole.gather(1, torch.where(at >= frames, 2 * frames - 1 - at, at))


@dataclass(frozen=True)
class TimeFlip:
    """The last frame becomes the first (AimCLR, PSTL). Noise site: ``time_flip``."""

    probability: float = 0.5
    per: Per = "clip"

    def __post_init__(self) -> None:
        require_probability(self.probability)

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        clips = chosen(noise, batch, "time_flip", self.per, self.probability)
        valid = torch.where(clips[batch.owner][:, None], batch.valid.flip(1), batch.valid)
        return changed(batch, clips, batch.tracks.flip(1))._replace(valid=valid)


@dataclass(frozen=True)
class Tempo:
    """At even odds the clip becomes slower or faster, U(0.5, 1.5) times as long; zeros follow it, or its end is
    cut (ActCLR).

    Linear between frames, with half-pixel centres. Noise sites: ``tempo.chance``, ``tempo.ratio`` (U[0, 1)).
    """

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        frames = batch.tracks.shape[1]
        clips = chosen(noise, batch, "tempo.chance", "clip", 0.5)
        ratio = drawn(noise, batch, "tempo.ratio", "clip")
        wanted = ((0.5 + ratio) * frames).long().clamp(min=1)
        wanted = torch.where(clips, wanted, frames)[batch.owner][:, None]
        time = torch.arange(frames, device=wanted.device)
        at = ((time + 0.5) * (frames / wanted.to(ratio.dtype)) - 0.5).clamp(0, frames - 1)
        low = at.floor().long()
        high = (low + 1).clamp(max=frames - 1)
        share = (at - low)[..., None, None].to(batch.tracks.dtype)
        before, after = (batch.tracks.take_along_dim(one[..., None, None], 1) for one in (low, high))
        there = time < wanted
        tracks = (before * (1 - share) + after * share).masked_fill(~there[..., None, None], 0)
        return batch._replace(tracks=tracks, valid=batch.valid.take_along_dim(low, 1) & there)


@dataclass(frozen=True)
class JointMask:
    """Some joints become zero in some frames, the same joints in each of them, of all persons (AS-CAL).

    How many is drawn from ``joints`` and ``frames``, smallest and largest. Without ``frames`` it is 50 to 100 of at
    least 100 frames, and 20 to 50 of fewer. A body or clip that has fewer loses all.
    Noise sites: ``mask.joint_count`` and ``mask.frame_count`` (from 0 to the difference of both numbers),
    ``mask.joints`` and ``mask.frames`` (orders, of which the first are hidden).
    """

    joints: tuple[int, int] = (5, 15)
    frames: tuple[int, int] | None = None
    per: Per = "clip"

    def __post_init__(self) -> None:
        for what, bounds in (("joints", self.joints), ("frames", self.frames or (0, 0))):
            require(
                0 <= bounds[0] <= bounds[1],
                f"a joint mask hides {bounds[0]} to {bounds[1]} {what}; give the smaller number first, from 0",
            )

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        _, frames, joints, _ = batch.tracks.shape
        of_frames = self.frames or ((20, 50) if frames < 100 else (50, 100))
        hidden = self._first(batch, noise, "frame", frames, of_frames)[:, :, None]
        hidden = hidden & self._first(batch, noise, "joint", joints, self.joints)[:, None]
        return batch._replace(tracks=batch.tracks.masked_fill(hidden[batch.owner][..., None], 0))

    def _first(self, batch: Batch, noise: Noise, what: str, count: int, bounds: tuple[int, int]) -> Tensor:
        """Which of ``count`` frames or joints are hidden: (N, count) bool."""
        draws = noise.on(batch)
        number = bounds[0] + draws.integers(f"mask.{what}_count", bounds[1] - bounds[0] + 1, per=self.per)
        order = draws.permutation(f"mask.{what}s", count, per=self.per).expand(batch.num_clips, count)
        chosen = torch.arange(count, device=order.device) < number.expand(batch.num_clips)[:, None]
        return torch.zeros_like(chosen).scatter(1, order, chosen)


TAPS = 15
"""Frames that a blur spans."""


@dataclass(frozen=True)
class GaussianBlur:
    """Each frame becomes a weighted sum of the 15 around it (AimCLR, PSTL).

    The weights are exp(-i^2 / 2 s^2) with s drawn from U(0.1, 2) frames.

    ``fidelity=released`` takes the weights as they are, so that values grow by up to 5, and
    zeros beyond the ends of the clip; ``paper`` divides by the sum of the weights, which is
    what a blur is, and repeats the first and last frame.
    Noise sites: ``blur.chance``, ``blur.sigma`` (U[0, 1)).
    """

    fidelity: Fidelity = Fidelity.released
    probability: float = 0.5
    per: Per = "clip"

    def __post_init__(self) -> None:
        require_probability(self.probability)

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        clips = chosen(noise, batch, "blur.chance", self.per, self.probability)
        sigma = 0.1 + 1.9 * drawn(noise, batch, "blur.sigma", self.per)
        offsets = torch.arange(TAPS, dtype=sigma.dtype, device=sigma.device) - TAPS // 2
        weights = torch.exp(-offsets.square() / (2 * sigma[:, None].square()))
        if self.fidelity is Fidelity.paper:
            weights = weights / weights.sum(1, keepdim=True)
        weights, repeat_ends = weights.to(batch.tracks.dtype), self.fidelity is Fidelity.paper

        def blur(part: Batch) -> Batch:
            return part._replace(tracks=blurred(part.tracks, weights[part.owner], repeat_ends=repeat_ends))

        return either_of(batch, clips, blur, lambda part: part)


def blurred(tracks: Tensor, weights: Tensor, *, repeat_ends: bool) -> Tensor:
    """(P, T, V, C) and (P, K) weights, K odd -> (P, T, V, C): each frame the weighted sum of the K around it.

    Beyond the ends frames are zeros, or repeat the first and last one.
    """
    rows, frames, joints, size = tracks.shape
    taps = weights.shape[1]
    values = tracks.reshape(rows, frames, joints * size).transpose(1, 2)
    padded = functional.pad(values, (taps // 2, taps // 2), mode="replicate" if repeat_ends else "constant")
    # Summed tap by tap: the last bits of a product would depend on how many persons share a batch.
    out = padded[..., :frames] * weights[:, :1, None]
    for tap in range(1, taps):
        out.addcmul_(padded[..., tap : tap + frames], weights[:, tap, None, None])
    return out.transpose(1, 2).reshape(tracks.shape)
