"""How SLiM changes the views of a clip."""

from __future__ import annotations

import torch
from torch import Tensor

from sslskel import ClipSpec, Fidelity, Noise
from sslskel.api.devices import constant
from sslskel.transforms.clip import rotation_matrices, transformed
from sslskel.transforms.limbs import scaled

CHANCE, ANGLE, SHORTEST, LONGEST = 0.5, 0.3, 0.85, 1.15
"""How often a view is mirrored, its limbs scaled, and turned; the largest angle; factors of limbs."""


def mirrored(tracks: Tensor, clip: ClipSpec) -> Tensor:
    """Left and right joints exchanged and x negated: (R, T, V, C) -> the same."""
    sign = torch.ones(tracks.shape[-1], dtype=tracks.dtype, device=tracks.device)
    sign[0] = -1
    return tracks.index_select(2, constant(tuple(clip.layout.mirror()), tracks.device)) * sign


def changed(tracks: Tensor, draws: Noise, clip: ClipSpec, fidelity: Fidelity, kind: int) -> Tensor:
    """One view (N, T, V, C), mirrored, scaled, turned, and noisy as its ``kind`` is: 1 and 2 global, 0 local."""

    def uniform(site: str, *shape: int) -> Tensor:
        return draws.uniform(site, shape, "clip", torch.float64).to(tracks.dtype)

    def some(site: str, chance: float, other: Tensor) -> Tensor:
        return torch.where((uniform(site) < chance)[:, None, None, None], other, tracks)

    tracks = some("mirror", CHANCE, mirrored(tracks, clip))
    factors = SHORTEST + (LONGEST - SHORTEST) * uniform("limbs.factor", 3)
    tracks = some("limbs", CHANCE, scaled(tracks, factors, clip, fidelity))
    axes = 3 if tracks.shape[-1] == 3 else 1
    matrices = rotation_matrices((2 * uniform("turn.angle", axes) - 1) * ANGLE)
    tracks = some("turn", CHANCE, transformed(tracks, matrices))
    deviation, chance = {0: (0.01, 0.5), 1: (0.01, 1.0), 2: (0.05, 0.1)}[kind]
    noisy = tracks + deviation * draws.normal("noise.values", tuple(tracks.shape[1:]), "clip", tracks.dtype)
    tracks = some("noise", chance, noisy)
    if kind != 2:
        return tracks
    axis = draws.integers("axis.which", tracks.shape[-1], (), "clip")
    return some("axis", 0.2, without_axis(tracks, axis))


def without_axis(tracks: Tensor, axis: Tensor) -> Tensor:
    """One coordinate, ``axis`` (R,), is zero: (R, T, V, C) -> the same."""
    kept = torch.arange(tracks.shape[-1], device=tracks.device) != axis[:, None]
    return tracks * kept[:, None, None]
