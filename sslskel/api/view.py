"""Views: which frames of the raw clip, then which augmentations.

The concrete samplers and augmentations are in ``sslskel.transforms.clip``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.skeleton import SkeletonLayout
from sslskel.errors import DataError


class Sampler(Protocol):
    """Chooses where in the raw clip each frame of the view is read."""

    def __call__(self, lengths: Tensor, frames: int, noise: Noise) -> Tensor:
        """(N,) clip lengths in frames -> (N, T) float64 positions in 0..length-1, or -1 for padding.

        A position between two frames is interpolated linearly; a padded frame is zeros and
        not valid. At least one frame of each clip is read. Repeated, reflected and looped
        positions are fine. Draws are per clip.
        """
        ...


class Augment(Protocol):
    """Changes a whole batch on its device; returns a new batch, keyed by noise."""

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch: ...


@dataclass(frozen=True)
class ViewSpec:
    """One view of a clip, cut from the RAW clip: sample, interpolate, then augment in order."""

    sample: Sampler
    augment: tuple[Augment, ...] = ()


@dataclass(frozen=True)
class ClipSpec:
    """The kind of clips that a method, backbone or encoder is built for."""

    layout: SkeletonLayout
    frames: int
    """T of every view."""
    persons: int
    """M, most persons in a clip; the released codes average over all M."""
    coordinates: int
    """C, 2 or 3."""
    fps: float
    unit: str
    train_view: ViewSpec = field(compare=False)
    """The default view in training."""
    test_view: ViewSpec = field(compare=False)
    """The deterministic view for evaluation."""
    clips: int = field(default=0, compare=False)
    """Clips of the training set, for buffers with a row for each; 0 if unknown."""

    def require_3d(self, who: str) -> None:
        """Raise ``DataError`` where ``who`` (a transform or method) needs 3D coordinates."""
        if self.coordinates != 3:
            raise DataError(f"{who} needs 3D coordinates, but layout '{self.layout.name}' has {self.coordinates}D")

    def require_metres(self, who: str) -> None:
        """Raise ``DataError`` where ``who`` needs coordinates in metres."""
        if self.unit != "metre":
            raise DataError(f"{who} needs coordinates in metres, but this dataset is in '{self.unit}'")
