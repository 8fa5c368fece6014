"""The graph of a skeleton layout: its bones as adjacency matrices for graph convolutions."""

from __future__ import annotations

import math
from enum import Enum

import torch
from torch import Tensor

from sslskel.api.skeleton import SkeletonLayout
from sslskel.config.groups import Fidelity
from sslskel.errors import DataError


class Partition(Enum):
    """How a joint's neighbours are grouped (Yan et al., AAAI 2018, section 3.3)."""

    uniform = "uniform"
    distance = "distance"
    spatial = "spatial"


def bones(layout: SkeletonLayout, who: str) -> list[tuple[int, int]]:
    """(joint, parent) of every bone; raises ``DataError`` where the layout has none, which ``who`` needs."""
    pairs = [(joint, parent) for joint, parent in enumerate(layout.parents) if parent >= 0]
    if not pairs:
        raise DataError(
            f"backbone '{who}' builds its graph from bones, but no joint of layout '{layout.name}' has a parent; give"
            " the layout parents, or take a backbone without a graph"
        )
    return pairs


def partitioned(layout: SkeletonLayout, partition: Partition, fidelity: Fidelity, who: str) -> Tensor:
    """(K, V, V) graph of ``y[w] = sum over k, v of x[v] A[k, v, w]``, the columns of its sum adding to 1.

    ``uniform`` has one matrix for a joint and its neighbours, ``distance`` one for the
    joint and one for the neighbours. ``spatial`` has three: the joint, the neighbours
    from which the way to the centre leads over it, and those on its own way there.

    The centre is the root of the layout's tree. ``fidelity=paper`` measures distances along
    bones; ``released`` knows no distance above one bone, as the released ST-GCN codes
    measure it: every joint further out counts as equally far, so that all bones beyond
    the centre's neighbours fall into the second matrix in both directions.
    Raises ``DataError`` where the layout has no bones.
    """
    pairs = bones(layout, who)
    count = layout.num_joints
    linked = torch.zeros(count, count, dtype=torch.float64)
    for joint, parent in pairs:
        linked[joint, parent] = linked[parent, joint] = 1
    alone = torch.eye(count, dtype=torch.float64)
    total = linked + alone
    share = total / total.sum(0)
    if partition is Partition.uniform:
        return share[None].float()
    if partition is Partition.distance:
        return torch.stack([share * alone, share * linked]).float()
    far = torch.tensor([math.inf if fidelity is Fidelity.released and d > 1 else d for d in depths(layout)])
    outward = (far[:, None] >= far[None]).to(torch.float64) * linked
    return torch.stack([share * alone, share * outward, share * (linked - outward)]).float()


def depths(layout: SkeletonLayout) -> list[float]:
    """Bones between each joint and the root of its tree, (V,)."""

    def depth(joint: int) -> int:
        parent = layout.parents[joint]
        return 0 if parent < 0 else 1 + depth(parent)

    return [float(depth(joint)) for joint in range(layout.num_joints)]


def directed(layout: SkeletonLayout, who: str) -> Tensor:
    """(3, V, V) graph of ``y[u] = sum over k, v of A[k, u, v] x[v]``: the joint, its children, its parent.

    A parent gathers the sum of its children and hands each an equal share of itself, as in
    CTR-GCN. Raises ``DataError`` where the layout has no bones.
    """
    pairs = bones(layout, who)
    inward = torch.zeros(layout.num_joints, layout.num_joints)
    for joint, parent in pairs:
        inward[parent, joint] = 1
    outward = inward.T / inward.sum(1).clamp(min=1)
    return torch.stack([torch.eye(layout.num_joints), inward, outward])
