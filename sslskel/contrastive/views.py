"""The views contrastive families cut from a clip."""
from __future__ import annotations
from sslskel.config import require
from sslskel.view import ClipSpec, ViewSpec
from sslskel.contrastive.config import Fidelity
def require_shear(v: float) -> None:
    require(0 <= v <= 10, "shear")
def shifted_view(clip: ClipSpec, shear: float) -> ViewSpec:
    return clip.train_view
def crop_view(clip: ClipSpec) -> ViewSpec:
    return clip.train_view
def extreme_view(clip: ClipSpec, shear: float, fidelity: Fidelity) -> ViewSpec:
    return clip.train_view
