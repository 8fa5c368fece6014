"""Views: which frames of the raw clip, then which augmentations.

The concrete samplers and augmentations are in ``sslskel.transforms.clip``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.skeleton import SkeletonLayout
from sslskel.errors import DataError, UsageError


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
    frames: int = 0
    """T of this view; 0 for ``ClipSpec.frames``."""
    within: int | None = None
    """Number of an earlier view of the same method, inside whose frames this one lies.

    ``sample`` then gets the length of what that view reads, from its first frame to its last, and answers with
    positions in it; draws stay its own. Only a method's ``views()`` can have such a view.
    """

    def __repr__(self) -> str:
        """Without options that say nothing: kept features are known by it."""
        more = [f", frames={self.frames}"] if self.frames else []
        more += [f", within={self.within}"] if self.within is not None else []
        return f"ViewSpec(sample={self.sample!r}, augment={self.augment!r}{''.join(more)})"


def outer_views(views: Sequence[ViewSpec], at: int) -> list[int]:
    """Numbers of the views that view ``at`` lies within, the outermost first; ``UsageError`` for one not before it."""
    chain: list[int] = []
    while (outer := views[at].within) is not None:
        if not 0 <= outer < at:
            before = f"views 0 to {at - 1}" if at > 1 else "view 0" if at else "no view"
            raise UsageError(f"view {at} is to lie within view {outer}, but there is {before} before it")
        chain.insert(0, outer)
        at = outer
    return chain


@dataclass(frozen=True)
class ClipSpec:
    """The kind of clips that a method, backbone or encoder is built for."""

    layout: SkeletonLayout
    frames: int
    """T of every view that does not say otherwise."""
    persons: int
    """M, most persons in a clip; the released codes average over all M."""
    coordinates: int
    """C, 2 or 3."""
    fps: float
    """Frames per second of the clips; see ``resampled``."""
    unit: str
    train_view: ViewSpec = field(compare=False)
    """The default view in training."""
    test_view: ViewSpec = field(compare=False)
    """The deterministic view for evaluation."""
    clips: int = field(default=0, compare=False)
    """Clips of the training set, for buffers with a row for each; 0 if unknown."""
    more_test_views: tuple[ViewSpec, ...] = field(default=(), compare=False)
    """Further deterministic views: protocols that train all weights average class probabilities over these and
    ``test_view``, others read that alone."""
    resampled: bool = False
    """Whether clips of every dataset are read at ``fps``, whatever their own rate; else frame by frame."""

    def with_views(
        self, who: str, change: Callable[[ViewSpec], ViewSpec], *, train: ViewSpec | None = None
    ) -> ClipSpec:
        """This with ``change`` made to every test view, for a method that reads clips in a way of its own.

        The training view is changed in the same way where ``train`` does not replace it. Raises ``UsageError`` where
        test views that differ become equal, as seeded readings do for ``who`` always reads the first frames.
        """
        views = [change(view) for view in (self.test_view, *self.more_test_views)]
        if any(view in views[:number] for number, view in enumerate(views)):
            raise UsageError(
                f"clip.test_views asks for several readings of a test clip, but {who} reads the same frames in each;"
                " leave clip.test_views out"
            )
        return replace(
            self, train_view=train or change(self.train_view), test_view=views[0], more_test_views=tuple(views[1:])
        )

    def require_3d(self, who: str) -> None:
        """Raise ``DataError`` where ``who`` (a transform or method) needs 3D coordinates."""
        if self.coordinates != 3:
            raise DataError(f"{who} needs 3D coordinates, but layout '{self.layout.name}' has {self.coordinates}D")

    def require_metres(self, who: str) -> None:
        """Raise ``DataError`` where ``who`` needs coordinates in metres."""
        if self.unit != "metre":
            raise DataError(f"{who} needs coordinates in metres, but this dataset is in '{self.unit}'")
