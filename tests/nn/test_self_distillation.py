"""Networks of self-distillation: what they ask of a backbone, and how their weights are trained."""

from __future__ import annotations

import pytest
import torch
from small_masked import clip_spec

from sslskel.backbones.rope_transformer import RopeTransformer, RopeTransformerConfig
from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.errors import UsageError
from sslskel.nn.self_distillation import Branch, HeadSizes, HiddenView, hiding_backbone


def branch() -> Branch:
    backbone = RopeTransformer(RopeTransformerConfig(dim=8, depth=1, heads=2, segment=4), clip_spec())
    return Branch(backbone, HeadSizes(4, 3, 5, 6))


def test_a_backbone_that_cannot_hide_is_refused_with_the_method_that_asks() -> None:
    words = "mine hides tokens of views of many lengths, which backbone Transformer .*; use --backbone another"
    with pytest.raises(UsageError, match=words):
        hiding_backbone(Transformer(TransformerConfig(dim=16, depth=2, heads=2), clip_spec()), "mine", "another")


def test_every_weight_is_in_one_group_and_only_matrices_decay() -> None:
    network = branch()
    groups = network.parameter_groups(0.2, 3.0)
    grouped = [p for group in groups for p in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in network.parameters()}
    assert len(grouped) == len(list(network.parameters()))
    assert {p.ndim > 1 for group in groups if "weight_decay" not in group for p in group["params"]} == {True}
    slow = {id(p) for group in groups if group["lr_scale"] == 0.2 for p in group["params"]}
    backbone = dict(network.backbone.named_parameters())
    assert slow == {id(p) for name, p in backbone.items() if name.startswith("embed.")}


def test_only_a_network_that_hides_does_not_see_hidden_tokens() -> None:
    network, clip = branch(), clip_spec()
    tracks = torch.randn(2, 8, clip.layout.num_joints, 3, generator=torch.Generator().manual_seed(0))
    hidden = torch.zeros(2, 2 * clip.layout.num_joints, dtype=torch.bool)
    hidden[:, : clip.layout.num_joints] = True
    other = tracks.clone()
    other[:, :4] += 1
    for hides in (True, False):
        tokens = [network.read([HiddenView(some, hidden)], hides=hides)[0] for some in (tracks, other)]
        assert torch.equal(*tokens) is hides
