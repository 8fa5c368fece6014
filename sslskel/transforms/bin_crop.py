"""A part of a clip, of which one frame is read in each of as many bins as there are frames in the view."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sslskel.api.noise import Noise
from sslskel.transforms.clip import resized


@dataclass(frozen=True)
class BinCrop:
    """Sampler: a random part of the clip, of which a frame is read in each of T equal bins.

    A clip below ``mirrored`` frames goes back and forth until it has as many. A part of T to 2T frames is thinned at
    random places; one below T is resized.
    """

    share_min: float
    share_max: float
    mirrored: int = 0

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) -> (N, T)."""
        whole = lengths.clamp(min=self.mirrored)
        share = self.share_min + (self.share_max - self.share_min) * noise.uniform("crop.share", (), "clip")
        size = (whole * share.double()).floor().long().clamp(min=max(8, min(16, frames)))
        size = torch.minimum(size, whole)
        start = noise.integers("crop.start", whole - size + 1, per="clip")
        inside = self._inside(size, frames, noise)
        return reflected(start[:, None] + inside, lengths)

    def _inside(self, size: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) lengths of parts -> (N, T) positions in them."""
        place = torch.arange(frames, device=size.device)
        edges = torch.arange(frames + 1, device=size.device) * size[:, None] // frames
        width = (edges[:, 1:] - edges[:, :-1]).clamp(min=1)
        binned = edges[:, :-1] + (noise.uniform("crop.bin", (frames,), "clip") * width).long()
        order = noise.permutation("crop.skip", frames + 1, per="clip")
        skipped = (order < (size - frames)[:, None]).long().cumsum(1)[:, :-1]
        thinned = place + skipped
        short = resized(torch.zeros_like(size), size, frames)
        read = torch.where((size >= 2 * frames)[:, None], binned, thinned).double()
        return torch.where((size < frames)[:, None], short, read)


def reflected(positions: Tensor, lengths: Tensor) -> Tensor:
    """Positions (N, T) in clips that go back and forth, blocks of ``lengths`` (N,) frames -> positions in the clips."""
    length = lengths[:, None].double()
    block, inside = (positions / length).floor(), positions % length
    return torch.where(block % 2 == 0, inside, length - 1 - inside).clamp(min=0)
