"""All views of some clips at once, as a method asks for them: each with draws of its own, some inside others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec, outer_views
from sslskel.data.loader import OuterView


class ViewSource(Protocol):
    """Where clips are read from: one dataset, or several."""

    def batch(self, positions: Tensor, view: ViewSpec, noise: Noise, outer: Sequence[OuterView] = ()) -> Batch:
        """One view of the clips at ``positions`` (N,); see ``ClipSource.batch``."""
        ...


def step_views(source: ViewSource, rows: Tensor, views: Sequence[ViewSpec], noise: Noise) -> tuple[Batch, ...]:
    """Every view of the clips at ``rows`` (N,) of a training set, with ``noise`` of the step.

    Raises ``UsageError`` for a view that is to lie within one that does not come before it.
    """
    drawn = []
    for at, view in enumerate(views):
        outer = [(views[other], noise.view(other)) for other in outer_views(views, at)]
        drawn.append(source.batch(rows, view, noise.view(at), outer).placed(rows))
    return tuple(drawn)
