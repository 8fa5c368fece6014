"""Windows over raw frames: what an encoder observes and the frames that follow, for motion prediction.

Windows are laid in the middle of a clip, by its length alone, so that a score sees the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sslskel.api.noise import Noise
from sslskel.api.protocol import ClipSet
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.errors import RunError
from sslskel.transforms.clip import resized


@dataclass(frozen=True)
class Window:
    """``observed`` raw frames and the ``future`` ones after them, in the middle of a clip.

    A clip that is shorter gives all its frames before the future ones.
    """

    observed: int
    future: int

    def past(self, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """First observed frame and their number, (N,) each, for clips of these lengths."""
        count = (lengths - self.future).clamp(max=self.observed)
        return (lengths - count - self.future) // 2, count


@dataclass(frozen=True)
class Observed:
    """Sampler: the observed frames of a window, resized to T; no chance."""

    window: Window

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) -> (N, T)."""
        start, count = self.window.past(lengths)
        return resized(start, count, frames)


@dataclass(frozen=True)
class Following:
    """Sampler: the last observed frame and the future ones, as stored: (N,) -> (N, 1 + future), whatever T is."""

    window: Window

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        start, count = self.window.past(lengths)
        steps = torch.arange(1 + self.window.future, dtype=torch.float64, device=lengths.device)
        return (start + count - 1).to(torch.float64)[:, None] + steps


@dataclass(frozen=True)
class ObservedView:
    """Makes an encoder's test view of the observed frames alone."""

    window: Window

    def __call__(self, spec: ClipSpec) -> ViewSpec:
        return replace(spec.test_view, sample=Observed(self.window))


def futures(clips: ClipSet, window: Window, size: int) -> tuple[Tensor, Tensor]:
    """How the first person of each clip moves on from the last observed frame, in the dataset's unit.

    Returns displacements (n, future, V, C) on the CPU in float64, and whether they are known
    (n, future): the person is seen in that frame and in the last observed one.
    """
    moves, known, keys = [], [], []
    for batch in clips.batches(ViewSpec(Following(window)), Noise(0), size):
        clip = torch.arange(batch.num_clips, device=batch.owner.device)
        there = clip[torch.isin(clip, batch.owner)]
        first = torch.searchsorted(batch.owner, there)
        shape = (batch.num_clips, *batch.tracks.shape[1:])
        tracks = batch.tracks.new_zeros(shape).index_copy(0, there, batch.tracks[first])
        valid = batch.valid.new_zeros(shape[:2]).index_copy(0, there, batch.valid[first])
        moves.append((tracks[:, 1:].double() - tracks[:, :1].double()).cpu())
        known.append((valid[:, 1:] & valid[:, :1]).cpu())
        keys.append(batch.key.cpu())
    if not torch.equal(torch.cat(keys), clips.keys.cpu()):
        raise RunError(f"a part of {len(clips)} clips did not yield every clip once and in order")
    return torch.cat(moves), torch.cat(known)
