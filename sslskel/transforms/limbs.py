"""Bodies whose limbs have other lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec
from sslskel.config.groups import Fidelity
from sslskel.transforms.augment import drawn
from sslskel.transforms.clip import bone

INDEX_PARENTS = (0, 0, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 1, 7, 7, 11, 11)
"""Parents of NTU joints from the base of the spine on, as the released table has them."""


def scaled(tracks: Tensor, factors: Tensor, clip: ClipSpec, fidelity: Fidelity) -> Tensor:
    """Bones of torso, arms and legs times ``factors`` (R, 3): (R, T, V, C) -> the same.

    Released, on the NTU body: joints are put together in the order of their numbers, so that those that hang on
    joint 20 (the spine between the shoulders) are put at the origin instead of at it, with what hangs on them.
    """
    released = fidelity is Fidelity.released and clip.layout.name == "ntu25"
    parents = INDEX_PARENTS if released else tuple(max(p, -1) for p in clip.layout.parents)
    which = _factor_of(clip)
    made: list[Tensor | None] = [None] * len(parents)
    for joint in range(len(parents)) if released else _from_root(parents):
        parent = parents[joint]
        if parent in (-1, joint):
            made[joint] = tracks[:, :, joint]
            continue
        bone = (tracks[:, :, joint] - tracks[:, :, parent]) * factors[:, which[joint], None, None]
        base = made[parent]
        made[joint] = bone if base is None else base + bone
    return torch.stack([joint for joint in made if joint is not None], 2)


def from_bones(joints: Tensor, bones: Tensor, layout: SkeletonLayout) -> Tensor:
    """(..., V, C): joints put together again from bones, each behind its parent; roots stay where they are."""
    placed: dict[int, Tensor] = {}
    for joint in _from_root(layout.parents):
        parent = layout.parents[joint]
        placed[joint] = joints[..., joint, :] if parent < 0 else placed[parent] + bones[..., joint, :]
    return torch.stack([placed[joint] for joint in range(layout.num_joints)], -2)


@dataclass(frozen=True)
class ShortBones:
    """Every bone keeps U(0, 0.5) of its length (ActCLR). Noise site: ``bones.share`` (U[0, 1), (N, V))."""

    def __call__(self, batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
        share = 0.5 * drawn(noise, batch, "bones.share", "clip", clip.layout.num_joints)
        bones = bone(batch.tracks, clip.layout) * share[batch.owner][:, None, :, None].to(batch.tracks.dtype)
        return batch._replace(tracks=from_bones(batch.tracks, bones, clip.layout))


def _factor_of(clip: ClipSpec) -> list[int]:
    """Of each joint, which of the factors its bone has: 0 for the torso, 1 for arms, 2 for legs."""
    which = [0] * clip.layout.num_joints
    for name, joints in clip.layout.parts.items():
        for joint in joints:
            which[joint] = 1 if name.endswith("arm") else 2 if name.endswith("leg") else 0
    return which


def _from_root(parents: Sequence[int]) -> list[int]:
    """Joints, each behind its parent."""
    order: list[int] = []
    while len(order) < len(parents):
        order += [j for j, p in enumerate(parents) if j not in order and (p < 0 or p in order)]
    return order
