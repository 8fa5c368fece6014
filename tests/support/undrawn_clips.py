"""Clips whose views are never drawn, for tests that make their own tensors."""

from __future__ import annotations

from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec, ViewSpec


def undrawn(layout: SkeletonLayout, frames: int = 8, persons: int = 2, coordinates: int = 3) -> ClipSpec:
    """Clips of a body in metres at 30 frames a second."""
    view = ViewSpec(sample=None)  # type: ignore[arg-type]
    return ClipSpec(layout, frames, persons, coordinates, 30.0, "metre", view, view)


def star(joints: int) -> SkeletonLayout:
    """A body whose joints all hang on the first."""
    return SkeletonLayout("star", tuple(f"j{i}" for i in range(joints)), (-1, *[0] * (joints - 1)), 0)
