"""Bodies whose limbs have other lengths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sslskel.api.view import ClipSpec
from sslskel.config.groups import Fidelity

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
