"""Backbones without recorded cases, against their formulas written out one number at a time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from undrawn_clips import undrawn

from sslskel.api.skeleton import NTU25, SkeletonLayout
from sslskel.backbones.agcn2s import Agcn2s, Agcn2sConfig
from sslskel.backbones.ctr_gcn import CtrGcn, CtrGcnConfig, GraphConv
from sslskel.backbones.dstformer import DSTformer, DSTformerConfig, Stage
from sslskel.backbones.st_gcn import StGcn, StGcnConfig
from sslskel.errors import UsageError
from sslskel.nn.graph import directed
from sslskel.plugins.registry import BACKBONES

CHAIN = SkeletonLayout("chain", ("hip", "chest", "head", "hand"), (-1, 0, 1, 1), 1)


def refined(conv: GraphConv, x: Tensor) -> Tensor:
    """Channel-wise refinement as the paper writes it, joint by joint and frame by frame."""
    rows, _, frames, joints = x.shape
    target, source = (part(x).mean(2) for part in (conv.target, conv.source))
    value = conv.value(x)
    channels = value.shape[1] // conv.parts
    out = torch.zeros(rows, channels, frames, joints, dtype=x.dtype)
    for u in range(joints):
        for v in range(joints):
            gap = torch.tanh(target[..., u] - source[..., v])[..., None, None]
            edge = conv.alpha * conv.refine(gap)[..., 0, 0]
            for k in range(conv.parts):
                at = slice(k * channels, (k + 1) * channels)
                weight = edge[:, at] + conv.graph[k, u, v]
                out[..., u] += weight[..., None] * value[:, at, :, v]
    return out


def test_channels_refine_edges_as_the_formula_says() -> None:
    torch.manual_seed(0)
    conv = GraphConv(16, 12, directed(CHAIN, "ctr_gcn"), reduction=8).double()
    with torch.no_grad():
        conv.alpha.fill_(0.7)
    x = torch.randn(2, 16, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(conv(x), refined(conv, x), rtol=0, atol=1e-12)


def test_ctr_gcn_has_the_published_size() -> None:
    # 1.46 M in the paper's table, with a classifier of 60 x 256 and statistics for two actors' joints.
    backbone = CtrGcn(CtrGcnConfig(), undrawn(NTU25, 64))
    weights = sum(parameter.numel() for parameter in backbone.parameters())
    assert weights + 60 * 257 == pytest.approx(1.46e6, rel=0.01)
    assert backbone(torch.randn(1, 64, 25, 3)).shape == (1, 16, 25, 256)


def test_ctr_gcn_needs_four_even_branches() -> None:
    with pytest.raises(UsageError, match=r"backbone\.width is 6; it must be a positive multiple of 4"):
        CtrGcnConfig(width=6)


def test_a_joint_gathers_its_parent_and_the_mean_of_its_children() -> None:
    clip = undrawn(CHAIN, 8)
    graph = Agcn2s(Agcn2sConfig(width=8), clip).blocks[0].spatial.fixed
    x = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    own, parent, children = (x @ part for part in graph)
    assert own.tolist() == x.tolist()
    assert parent.tolist() == [0.0, 1.0, 10.0, 10.0]
    assert children.tolist() == [10.0, 550.0, 0.0, 0.0]


def test_agcn_has_the_published_size() -> None:
    # 6.94 M for both streams in later papers' tables; a classifier of 60 classes and two actors' statistics in each.
    backbone = Agcn2s(Agcn2sConfig(), undrawn(NTU25, 64))
    weights = sum(parameter.numel() for parameter in backbone.parameters())
    assert 2 * (weights + 60 * 257 + 150) == pytest.approx(6.94e6, rel=0.01)
    assert backbone(torch.randn(1, 64, 25, 3)).shape == (1, 16, 25, 256)


def test_a_stage_of_dstformer_blends_both_orders() -> None:
    torch.manual_seed(0)
    stage = Stage(DSTformerConfig(dim=8, heads=2)).double()
    x = torch.randn(2, 3, 4, 8, dtype=torch.float64)

    def over_joints(y: Tensor, stream: int) -> Tensor:
        return torch.stack([torch.stack([stage.over_joints[stream](row[t][None])[0] for t in range(3)]) for row in y])

    def over_frames(y: Tensor, stream: int) -> Tensor:
        return torch.stack(
            [torch.stack([stage.over_frames[stream](row[:, v][None])[0] for v in range(4)], 1) for row in y]
        )

    first, second = over_frames(over_joints(x, 0), 0), over_joints(over_frames(x, 1), 1)
    torch.testing.assert_close(stage(x), (first + second) / 2, rtol=0, atol=1e-12)
    with torch.no_grad():
        stage.blend.bias.copy_(torch.tensor([30.0, -30.0]))
    torch.testing.assert_close(stage(x), first, rtol=0, atol=1e-12)


def test_dstformer_refuses_other_clips() -> None:
    backbone = DSTformer(DSTformerConfig(dim=8, depth=1, heads=2), undrawn(NTU25))
    with pytest.raises(UsageError, match=r"tracks of 8 x 25 x 3 .* given 9 x 25 x 3"):
        backbone(torch.zeros(1, 9, 25, 3))


PUBLISHED_FRAMES = {"transformer": 120, "sttformer": 120, "global_local": 300, "hierarchical": 300}
"""Frames at which papers state the size of networks with a table of positions."""


def test_the_documents_table_has_every_backbone_and_its_size() -> None:
    table = (Path(__file__).resolve().parents[2] / "docs" / "guide" / "backbones.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+) M \|", table, flags=re.MULTILINE))
    names = [entry.name for entry in BACKBONES.entries() if entry.source == "built-in"]
    assert sorted(rows) == sorted(names)
    for name in names:
        plugin = BACKBONES.get(name)
        with torch.device("meta"):
            built = plugin(plugin.Config(), undrawn(NTU25, PUBLISHED_FRAMES.get(name, 64)))
        millions = sum(parameter.numel() for parameter in built.parameters()) / 1e6
        assert f"{millions:.1f}" == rows[name]


def test_st_gcn_of_no_rows_is_empty() -> None:
    """A process may have no row of a clip that another one has."""
    net = StGcn(StGcnConfig(width=2, dim=4), undrawn(NTU25, 16)).eval()
    assert net(torch.zeros(0, 16, 25, 3)).shape == (0, 4, 25, 4)
