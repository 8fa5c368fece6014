"""How SLiM changes the views of a clip, and which tokens of them it hides."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sslskel import ClipSpec, Fidelity, Noise, SkeletonLayout
from sslskel.methods.slim.config import SlimConfig
from sslskel.nn.tube_masks import tube_masks
from sslskel.transforms.augment import without_axis
from sslskel.transforms.clip import mirrored, rotation_matrices, transformed
from sslskel.transforms.limbs import scaled

WHOLES = 2
"""Whole views of a clip, the first ones of all."""
TUBES = 128
"""Tubes that are drawn for a mask at most (ours: as released there is no limit, nor is it met)."""
CHANCE, ANGLE, SHORTEST, LONGEST = 0.5, 0.3, 0.85, 1.15
"""How often a view is mirrored, its limbs scaled, and turned; the largest angle; factors of limbs."""


def changed(tracks: Tensor, draws: Noise, clip: ClipSpec, fidelity: Fidelity, kind: int) -> Tensor:
    """One view (N, T, V, C), mirrored, scaled, turned, and noisy as its ``kind`` is: 1 and 2 global, 0 local."""

    def uniform(site: str, *shape: int) -> Tensor:
        return draws.uniform(site, shape, "clip", torch.float64).to(tracks.dtype)

    def some(site: str, chance: float, other: Tensor) -> Tensor:
        return torch.where((uniform(site) < chance)[:, None, None, None], other, tracks)

    tracks = some("mirror", CHANCE, mirrored(tracks, clip.layout))
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


def hidden_tokens(
    views: Sequence[Noise], steps: Sequence[int], layout: SkeletonLayout, config: SlimConfig
) -> list[Tensor]:
    """Masks (N, L) of views of so many steps, whole ones first: of half of these and of all local ones.

    Noise sites of each view: ``hidden``, stratified shares of its tokens, and ``tubes``, U[0, 1).
    """
    limbs = list(layout.parts.values()) or [tuple(range(layout.num_joints))]
    wanted, tubes = [], []
    for at, (draws, count) in enumerate(zip(views, steps, strict=True)):
        spread, whole = draws.stratified("hidden", dtype=torch.float64), at < WHOLES
        share = 2 * spread if whole else spread
        share = config.least_hidden + (config.most_hidden - config.least_hidden) * share
        wanted.append(torch.where((spread < 0.5) | (not whole), (share * count * layout.num_joints).long(), 0))
        tubes.append(draws.uniform("tubes", (TUBES, 5), "clip", torch.float64))
    masks = tube_masks(torch.cat(wanted), torch.cat(tubes), steps, limbs, layout.num_joints)
    return [mask[:, :count].flatten(1) for mask, count in zip(masks.chunk(len(steps)), steps, strict=True)]
