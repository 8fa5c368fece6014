"""Windows of a sequence that overlap and leave out frames, and networks that read sequences window by window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional


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


def lengths_of(valid: Tensor) -> Tensor:
    """(P, T) bool -> (P,) frames up to the last valid one."""
    return (valid * (torch.arange(valid.shape[1], device=valid.device) + 1)).amax(1)


def padded(tracks: Tensor, valid: Tensor, cut: Windows) -> Tensor:
    """(P, T, V, C), (P, T) -> (P, T + 2 * padding, V, C), zeros where a frame is not valid and at both ends."""
    known = tracks.masked_fill(~valid[..., None, None], 0)
    return functional.pad(known, (0, 0, 0, 0, cut.padding, cut.padding))


def taken(frames: Tensor, at: Tensor) -> Tensor:
    """(P, T, ...) and (P, ..., w) frames -> (P, ..., w, ...), those frames of each sequence."""
    rows = torch.arange(len(frames), device=frames.device).reshape(-1, *[1] * (at.ndim - 1))
    return frames[rows, at]
