"""Windows of a sequence that overlap and leave out frames, and networks that read sequences window by window."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from sslskel.api.devices import constant
from sslskel.api.noise import Noise


@dataclass(frozen=True)
class Windows:
    """Windows of ``frames`` frames, an odd number, ``dilation`` apart, that begin every ``stride`` frames (Hi-TRS).

    Half a window of zeros is put before and behind a sequence; what follows counts frames of that padded sequence.
    The last window is the first that reaches the sequence's last frame.
    """

    frames: int
    stride: int
    dilation: int

    @property
    def padding(self) -> int:
        """Frames of zeros at either end."""
        return self.frames // 2 * self.dilation

    def count(self, lengths: Tensor) -> Tensor:
        """(P,) frames without padding -> (P,) windows, at least one."""
        beyond = (lengths - 1 - self.padding).clamp(min=0)
        return 1 + (beyond + self.stride - 1).div(self.stride, rounding_mode="floor")

    def short(self, lengths: Tensor) -> Tensor:
        """(P,) bool: whether the last window ends behind the padding, and repeats the last frame."""
        return (self.count(lengths) - 1) * self.stride > lengths - 1

    def inside(self, begin: Tensor, lengths: Tensor) -> Tensor:
        """Frames (P, K, w) of windows that begin at (P, K) frames of sequences of (P,) frames."""
        reach = torch.arange(self.frames, device=begin.device) * self.dilation
        last = (lengths - 1).clamp(min=0) + 2 * self.padding
        return torch.minimum(begin[..., None] + reach, last[:, None, None])

    def every(self, count: int, frames: int, device: torch.device) -> Tensor:
        """Frames (W, w) of the first ``count`` windows of sequences of so many padded frames."""
        begins = torch.arange(count, device=device) * self.stride
        reach = torch.arange(self.frames, device=device) * self.dilation
        return (begins[:, None] + reach).clamp(max=frames - 1)

    def moving(self, tracks: Tensor, lengths: Tensor, noise: Noise, site: str) -> tuple[Tensor, Tensor]:
        """(P,) beginning of a window, drawn among those in which something moves, and (P,) whether there is one.

        Of padded sequences (P, T + 2 * padding, V, C) of (P,) frames. Noise site: ``site``, the number of the window.
        """
        begins = torch.arange(tracks.shape[1] - 2 * self.padding, device=tracks.device)
        frames = [tracks[:, begins + at * self.dilation] for at in range(self.frames)]
        steps = [(after - before).abs().flatten(2).amax(2) for before, after in pairwise(frames)]
        moving = (torch.stack(steps).amax(0) > 0) & (begins < lengths[:, None])
        count = moving.sum(1)
        number = noise.integers(site, count.clamp(min=1))
        begin = (moving & (moving.cumsum(1) == number[:, None] + 1)).int().argmax(1)
        return begin, count > 0


@runtime_checkable
class WindowBackbone(Protocol):
    """What methods need that compare windows: a network over the joints of a frame, one over a window, one over all.

    P sequences, K windows of w frames each, or K orders of W windows; widths are those of the three.
    """

    cut: Windows
    widths: tuple[int, int, int]

    def frame_features(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P, T, V, D1)."""
        ...

    def window_features(self, frames: Tensor) -> Tensor:
        """(P, K, w, V, D1) -> (P, K, D2)."""
        ...

    def sequence_features(self, windows: Tensor, hidden: Tensor) -> Tensor:
        """(P, K, W, D2), (P, W) bool, True for no window -> (P, K, W + 1, D3), the whole sequence's last."""
        ...


def padded(tracks: Tensor, valid: Tensor, cut: Windows) -> Tensor:
    """(P, T, V, C), (P, T) -> (P, T + 2 * padding, V, C), zeros where a frame is not valid and at both ends."""
    known = tracks.masked_fill(~valid[..., None, None], 0)
    return functional.pad(known, (0, 0, 0, 0, cut.padding, cut.padding))


def taken(frames: Tensor, at: Tensor) -> Tensor:
    """(P, T, ...) and (P, ..., w) frames -> (P, ..., w, ...), those frames of each sequence."""
    rows = torch.arange(len(frames), device=frames.device).reshape(-1, *[1] * (at.ndim - 1))
    return frames[rows, at]


def exchanged(count: Tensor, most: int, noise: Noise, site: str) -> Tensor:
    """(P, most): 0, 1, 2 ..., of which two of the first (P,) ``count`` changed places, at least two apart.

    Of two both do, of one none (Hi-TRS). Noise site: ``site``, which pair.
    """
    pairs = [(first, second) for second in range(2, most) for first in range(second - 1)] or [(0, min(most - 1, 1))]
    table = constant(tuple(place for pair in pairs for place in pair), count.device).reshape(-1, 2)
    # Pairs are in the order of their second place: those of a shorter row come first.
    number = noise.integers(site, ((count - 1) * (count - 2) // 2).clamp(min=1))
    pair = table[number.clamp(max=len(pairs) - 1)]
    near = torch.stack([torch.zeros_like(count), (count - 1).clamp(min=0)], 1)
    first, second = torch.where((count <= 2)[:, None], near, pair).unbind(1)
    order = torch.arange(most, device=count.device).expand(len(count), -1)
    moved = torch.where(order == first[:, None], second[:, None], order)
    return torch.where(order == second[:, None], first[:, None], moved)
