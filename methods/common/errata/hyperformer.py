"""Hyperformer: an output projection that cuts through heads, and the distances of two joints."""

from __future__ import annotations

import torch

from sslskel import NTU25, Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED, kinect, seeded


def groups() -> Shown:
    """Heads of 24 channels that each group of the output projection reads."""
    project = seeded("hyperformer", kinect(8, 1)).get_submodule("blocks.1.attention.project")
    shown: dict[str, str] = {}
    width = 216 // 9
    for group in range(6):
        x = torch.zeros(1, 216, 1, 1, requires_grad=True)
        project(x)[0, group * 36].sum().backward()
        assert x.grad is not None
        read = x.grad[0, :, 0, 0].nonzero()[:, 0] // width
        shown[f"channels of each head that group {group + 1} reads"] = ", ".join(
            f"head {head + 1}: {int((read == head).sum())}" for head in sorted(set(read.tolist()))
        )
    return shown


def hops() -> Shown:
    """The most bones between two joints in the released graph, and in that of the layout."""
    far = seeded("hyperformer", kinect(8, 1)).get_submodule("blocks.0.attention").get_buffer("hops")
    count = NTU25.num_joints
    linked = torch.full((count, count), torch.inf).fill_diagonal_(0)
    for joint, parent in enumerate(NTU25.parents):
        if parent >= 0:
            linked[joint, parent] = linked[parent, joint] = 1
    for middle in range(count):
        linked = torch.minimum(linked, linked[:, middle, None] + linked[middle])
    return {
        "most bones between two joints, as released": float(far.max()),
        "most bones between two joints, by the layout of CTR-GCN": float(linked.max()),
    }


ERRATA = Errata(
    title="Hyperformer (Zhou et al., arXiv 2211.09590)",
    code="ZhouYuxuanYX/Hyperformer@c35d996",
    dated=CHECKED,
    entries=(
        Erratum(
            "groups",
            "The output projection has 6 groups of 36 channels, the attention 9 heads of 24: every third"
            " head is cut in the middle.",
            "Model of the release: a grouped convolution with 6 groups behind 9 heads.",
            "Yes, as a choice of the network. Other groups were not measured.",
            "As released.",
            groups,
        ),
        Erratum(
            "hops",
            "Finger tips hang on the hands directly, so that two joints are at most 11 bones apart, not 12.",
            "Graph of the release, against that of CTR-GCN, whose data it reads.",
            "Yes: the terms for bones between joints. The effect on accuracy was not measured.",
            "As released.",
            hops,
        ),
    ),
)
