"""Windows laid end to end over recordings, and what a frozen encoder says of each stretch of them.

The recordings are never cut: a window is a sampler over the stored frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.api.protocol import ClipSet, ProtocolRun
from sslskel.api.view import ViewSpec
from sslskel.errors import Diverged
from sslskel.evaluation.features import feature_dtype
from sslskel.transforms.clip import resized


@dataclass(frozen=True)
class WindowAt:
    """Sampler: ``frames`` raw frames from ``number * frames`` on, resized to T; fewer at the recording's end."""

    number: int
    frames: int

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) lengths -> (N, T)."""
        start = torch.full_like(lengths, self.number * self.frames)
        return resized(start, (lengths - start).clamp(max=self.frames), frames)


@dataclass(frozen=True)
class Bins:
    """Features (B, D) per stream of all bins of all recordings, and where each lies."""

    features: dict[str, Tensor]
    owner: Tensor
    """(B,) place of the recording, ascending."""
    begin: Tensor
    """(B,) first raw frame; bins of a recording follow each other without a gap."""
    end: Tensor


def encode_bins(
    encoders: Mapping[str, Encoder], clips: ClipSet, window: int, bins: int, size: int, run: ProtocolRun, progress: str
) -> Bins:
    """Encode every window of every recording in the test view and average its steps in ``bins`` stretches.

    A last window of fewer frames than bins gives as many bins as frames. Raises ``Diverged``
    where a feature is not finite.
    """
    count = (clips.lengths + window - 1).div(window, rounding_mode="floor")
    rows: dict[str, list[Tensor]] = {stream: [] for stream in encoders}
    places: list[Tensor] = []
    done, total = 0, int(count.sum())
    for number in range(int(count.max())):
        at = (count > number).nonzero()[:, 0]
        some = clips.subset(at)
        left = (some.lengths - number * window).clamp(max=window)
        edges = _edges(left, bins)
        kept = (edges[:, 1:] > edges[:, :-1]).flatten()
        places.append(
            torch.stack(
                [
                    at[:, None].expand(-1, bins).flatten(),
                    edges[:, :-1].flatten() + number * window,
                    edges[:, 1:].flatten() + number * window,
                ],
                1,
            )[kept]
        )
        for stream, encoder in encoders.items():
            steps = _steps(encoder, some, ViewSpec(WindowAt(number, window), encoder.spec.test_view.augment), size, run)
            pooled = functional.adaptive_avg_pool1d(steps.transpose(1, 2), bins).transpose(1, 2).flatten(0, 1)
            rows[stream].append(pooled[kept.to(pooled.device)])
        done += len(at)
        run.reporter.step(progress, done, total)
    where = torch.cat(places)
    order = (where[:, 0] * (int(clips.lengths.max()) + 1) + where[:, 1]).argsort()
    features = {}
    for stream, parts in rows.items():
        features[stream] = torch.cat(parts)[order.to(run.device)]
        if not torch.isfinite(features[stream]).all():
            raise Diverged(f"the {stream} encoder gave a feature that is not finite; look at its weights and precision")
    return Bins(features, *where[order].unbind(1))


def _edges(lengths: Tensor, bins: int) -> Tensor:
    """Borders (N, bins + 1), in raw frames, of equal stretches of windows of these lengths (N,)."""
    steps = torch.arange(bins + 1, dtype=torch.int64)
    return (lengths[:, None] * steps + bins // 2).div(bins, rounding_mode="floor")


def _steps(encoder: Encoder, clips: ClipSet, view: ViewSpec, size: int, run: ProtocolRun) -> Tensor:
    """(n, T', D) of one window of each clip."""
    steps = []
    for batch in clips.batches(view, Noise(0), size):
        with torch.no_grad(), run.autocast():
            steps.append(encoder.steps(batch.unlabelled()).to(feature_dtype(run)))
    return torch.cat(steps)


def at_frames(bins: Bins, table: Tensor, owner: int) -> Tensor:
    """Rows of ``table`` (B, K) repeated over the raw frames of one recording's bins: (L, K)."""
    own = (bins.owner == owner).nonzero()[:, 0]
    return table[own].repeat_interleave((bins.end - bins.begin)[own], 0)
