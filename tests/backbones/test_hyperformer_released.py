"""Equality of Hyperformer with recorded runs of the released code (shared/golden_more)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from recorded import Recorded
from released_contrast import close
from released_networks import Network, Place, Recipe, case_of, check_training, load, seen
from released_recipes import check_recipe
from undrawn_clips import star, undrawn

from sslskel.api.skeleton import NTU25
from sslskel.backbones.hyperformer import Hyperformer, HyperformerConfig, groups_of, hops
from sslskel.checks.fixtures import SMALL_BODY
from sslskel.errors import UsageError

NAMES = (
    ("vit1.norm1.", "norm."),
    ("vit1.attn.rpe", "attention.by_hops"),
    ("vit1.attn.w1", "attention.by_group"),
    ("vit1.attn.outer", "attention.free"),
    ("vit1.attn.alpha", "attention.alpha"),
    ("vit1.attn.kv.", "attention.key_value."),
    ("vit1.attn.q.", "attention.query."),
    ("vit1.attn.proj.", "attention.project."),
    ("vit1.skip_proj.", "beside."),
    ("vit1.pe_proj.", "group."),
    ("residual.conv.", "shortcut.0."),
    ("residual.bn.", "shortcut.1."),
    (".3.conv.", ".3."),
    (".3.bn.", ".4."),
    ("tcn1.", "temporal."),
)


def place(name: str) -> Place:
    if name.startswith("fc."):
        return Place(name)
    if name.startswith("data_bn."):
        return Place(f"backbone.{name.replace('data_bn', 'input_norm')}")
    match = re.fullmatch(r"l(\d+)\.(.+)", name)
    assert match is not None
    rest = match[2]
    for theirs, ours in NAMES:
        rest = rest.replace(theirs, ours)
    return Place(f"backbone.blocks.{int(match[1]) - 1}.{rest}")


@pytest.fixture(params=[0, 1])
def case(request: pytest.FixtureRequest, shared: Path) -> Recorded:
    return case_of(shared, f"sup_hyperformer_seed{request.param}")


def built(case: Recorded) -> Network:
    c = case.config
    config = HyperformerConfig(dim=c["heads"] * c["per_head"], heads=c["heads"], groups=c["labels"])
    network = Network(Hyperformer(config, undrawn(NTU25, c["T"])), c["classes"])
    load(network, case, place)
    return network


def test_blocks_and_logits(case: Recorded) -> None:
    network = built(case).eval()
    shown = {number: seen(network.backbone.blocks[number - 1]) for number in (1, 5, 10)}
    with torch.no_grad():
        close(network(case.tensor("in/x")), case.tensor("eval/logits"), 2e-5)
    for number, outputs in shown.items():
        close(outputs[0][:2, :, :8], case.tensor(f"eval/block{number}"), 2e-5)
    assert hops(NTU25) == case.tensor("in/hops").tolist()


def test_training(case: Recorded) -> None:
    network = built(case)
    check_training(network, case, place, Recipe(4e-4, least=0.05), lambda: network(case.tensor("in/x").double()))


@pytest.mark.long
def test_the_recipe_takes_the_recorded_steps(case: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    check_recipe(built(case), case, place, "scratch_hyperformer", Recipe(4e-4, least=0.05), monkeypatch)


def test_released_size_and_groups() -> None:
    network = Network(Hyperformer(HyperformerConfig(), undrawn(NTU25, 64)), 60)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(2.73e6, rel=3e-3)
    assert groups_of(NTU25, [])[:8] == [0, 4, 2, 2, 2, 2, 1, 1]
    parts = groups_of(SMALL_BODY, [])
    assert [[SMALL_BODY.joints[joint] for joint in range(11) if parts[joint] == group] for group in range(2)] == [
        ["pelvis", "chest", "head"],
        ["left_elbow", "left_hand"],
    ]
    assert groups_of(star(3), []) == [0, 0, 0]


def test_attention_starts_switched_off() -> None:
    torch.manual_seed(0)
    attention = Hyperformer(HyperformerConfig(dim=24, heads=3), undrawn(NTU25, 8)).blocks[1].attention
    x, group = torch.randn(1, 24, 2, 25), torch.randn(1, 24, 2, 25)
    value = attention.key_value(x).chunk(2, 1)[1]
    torch.testing.assert_close(attention(x, group), attention.project(value))


def test_groups_for_another_body_are_refused() -> None:
    with pytest.raises(UsageError, match=r"backbone\.groups names 3 joints, but layout 'ntu25' has 25"):
        Hyperformer(HyperformerConfig(groups=[0, 1, 1]), undrawn(NTU25, 8))
    with pytest.raises(UsageError, match=r"backbone\.groups is \[0, 2\]; its numbers must be 0, 1, 2 and so on"):
        HyperformerConfig(groups=[0, 2])
