"""The views that contrastive families cut from a clip, from the batched augmentations.

Which of them a method compares is the method's business.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sslskel.api.noise import Per
from sslskel.api.view import Augment, ClipSpec, ViewSpec
from sslskel.config.groups import Fidelity, require
from sslskel.transforms.augment import (
    AxisMask,
    Either,
    FillPersons,
    Flip,
    GaussianNoise,
    JointCorruption,
    Shear,
    TiltRotation,
    require_swaps,
)
from sslskel.transforms.augment_time import GaussianBlur, PadCrop, TimeFlip


def require_shear(value: float) -> None:
    """Raise ``UsageError`` unless the option is the amplitude of a shear."""
    require(0 <= value < math.inf, f"method.shear is {value}; it must be a number from 0")


def _prepared(clip: ClipSpec, augment: Sequence[Augment]) -> tuple[Augment, ...]:
    """What the run does to every view (centring, rotation, one stream), then the method's own."""
    return (*clip.train_view.augment, *augment)


def shifted_view(clip: ClipSpec, shear: float, per: Per = "clip") -> ViewSpec:
    """The whole clip, shifted in time with mirrored ends, then sheared (SkeletonCLR, CrosSCLR, AimCLR, PSTL)."""
    return ViewSpec(PadCrop(per=per), _prepared(clip, (Shear(shear, per),)))


def turned_view(clip: ClipSpec, shear: float, per: Per) -> ViewSpec:
    """The shifted and sheared view, then tilted and with left and right exchanged at even odds (PSTL).

    Raises ``DataError`` where the layout names no left and right.
    """
    require_swaps(clip.layout, "this view")
    return ViewSpec(PadCrop(per=per), _prepared(clip, (Shear(shear, per), TiltRotation(per=per), Flip(per=per))))


def extreme_view(clip: ClipSpec, shear: float, fidelity: Fidelity) -> ViewSpec:
    """The extreme view of AimCLR: eight augmentations in the released order.

    As released missing persons are zeros that get the noise too. Raises ``DataError``
    where the layout names no left and right.
    """
    require_swaps(clip.layout, "the extreme view")
    filled = (FillPersons(),) if fidelity is Fidelity.released else ()
    extreme = (
        *filled,
        Shear(shear),
        Flip(),
        TiltRotation(),
        GaussianNoise(),
        GaussianBlur(fidelity),
        AxisMask(),
        TimeFlip(),
    )
    return ViewSpec(PadCrop(), _prepared(clip, extreme))


def crop_view(clip: ClipSpec, *, corrupted: bool = True) -> ViewSpec:
    """The run's own crop, then corrupted joints or a shear at even odds (ISC, CMD, PCM3); else a shear always."""
    change = Either(JointCorruption(), Shear()) if corrupted else Shear()
    return ViewSpec(clip.train_view.sample, _prepared(clip, (change,)))
