"""Samplers that read one raw frame out of each of T equal pieces of a clip, as PoseC3D and networks after it do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sslskel.api.noise import Noise


@dataclass(frozen=True)
class UniformSegments:
    """Sampler: a random frame of each of T pieces of the clip (Duan et al., PoseC3D).

    Of a clip of less than 2T frames as many are left out, never two side by side, as it has more than T. One of less
    than T is read in a circle from a random frame. Noise sites: ``segments.within`` (T), ``segments.left_out`` (a
    permutation of T + 1), ``segments.start``.
    """

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) -> (N, T)."""
        at, length = torch.arange(frames, device=lengths.device), lengths[:, None]
        first = at * length // frames
        sizes = (at + 1) * length // frames - first
        share = noise.uniform("segments.within", (frames,), per="clip", dtype=torch.float64)
        long = first + (share * sizes).floor().long()
        left_out = noise.permutation("segments.left_out", frames + 1, per="clip")
        places = torch.arange(frames + 1, device=lengths.device)
        gone = torch.zeros_like(left_out).scatter(1, left_out, (places < length - frames).long())
        middle = at + gone[:, :-1].cumsum(1)
        start = noise.integers("segments.start", lengths, per="clip")[:, None]
        short = (start + at) % length
        chosen = torch.where(length >= 2 * frames, long, torch.where(length >= frames, middle, short))
        return chosen.to(torch.float64)


@dataclass(frozen=True)
class SeededSegments:
    """Sampler: what :class:`UniformSegments` reads, by chance that is the same for all clips of a length.

    As released: numpy's older generator starts again with ``seed`` for each clip, and ``of`` readings follow one
    another, of which this is one; a clip of less than T frames is read from a ``number``-th of it on.
    """

    number: int = 0
    of: int = 1
    seed: int = 255

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) -> (N, T)."""
        every, back = torch.unique(lengths, return_inverse=True)
        read = np.stack([self.reading(int(length), frames) for length in every.tolist()])
        return torch.from_numpy(read).to(lengths.device, torch.float64)[back]

    def reading(self, length: int, frames: int) -> npt.NDArray[np.int64]:
        """Frames of a clip of this length, (T,)."""
        draws, at = np.random.RandomState(self.seed), np.arange(frames)
        read: npt.NDArray[np.int64] = at
        if length < frames:
            start = self.number if length < self.of else self.number * length // self.of
            circle: npt.NDArray[np.int64] = (start + at) % length
            return circle
        borders = np.arange(frames + 1) * length // frames
        for _ in range(self.number + 1):
            draws.random_sample()  # a share of the clip, which is all of it
            if length < 2 * frames:
                gone = np.zeros(frames + 1, np.int64)
                gone[draws.choice(frames + 1, length - frames, replace=False)] = 1
                read = at + gone.cumsum()[:-1]
            else:
                read = borders[:-1] + draws.randint(np.diff(borders))
        return read
