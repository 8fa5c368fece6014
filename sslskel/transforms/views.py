"""The views that several contrastive methods cut from a clip, each behind what the run does to every view."""

from __future__ import annotations

from collections.abc import Sequence

from sslskel.api.noise import Per
from sslskel.api.view import Augment, ClipSpec, ViewSpec
from sslskel.transforms.augment import Either, JointCorruption, Shear
from sslskel.transforms.augment_time import PadCrop


def _prepared(clip: ClipSpec, augment: Sequence[Augment]) -> tuple[Augment, ...]:
    """What the run does to every view (centring, rotation, one stream), then the method's own."""
    return (*clip.train_view.augment, *augment)


def shifted_view(clip: ClipSpec, shear: float, per: Per = "clip") -> ViewSpec:
    """The whole clip, shifted in time with mirrored ends, then sheared (the methods on ST-GCN)."""
    return ViewSpec(PadCrop(per=per), _prepared(clip, (Shear(shear, per),)))


def crop_view(clip: ClipSpec, *, corrupted: bool = True) -> ViewSpec:
    """The run's own crop, then corrupted joints or a shear at even odds (the methods on a GRU); else a shear always."""
    change = Either(JointCorruption(), Shear()) if corrupted else Shear()
    return ViewSpec(clip.train_view.sample, _prepared(clip, (change,)))
