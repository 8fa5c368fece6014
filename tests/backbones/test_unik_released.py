"""Equality of UNIK with recorded runs of the released code (shared/golden_more)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from recorded import Recorded
from released_contrast import close
from released_networks import Network, Place, Places, Recipe, case_of, check_training, load, seen
from released_recipes import check_recipe
from undrawn_clips import undrawn

from sslskel.api.skeleton import NTU25
from sslskel.backbones.unik import Unik, UnikConfig

CONVOLUTIONS = {"a": "first", "b": "second", "d": "value"}


def places(case: Recorded) -> Places:
    config = case.config

    def place(name: str) -> Place | None:
        if name.startswith("fc."):
            return Place(name)
        if name.startswith("data_bn."):
            return Place(f"backbone.{name.replace('data_bn', 'input_norm')}")
        if name.endswith("s_unit.bias"):
            return None
        match = re.fullmatch(r"l(\d+)\.(.+)", name)
        assert match is not None
        at, rest = int(match[1]) - 1, match[2]
        heads = config["heads"] if at else config["block1_heads"]
        before = f"backbone.blocks.{at}."
        within = f"{before}spatial." + ("inner." if config["tau"] > 1 else "")
        if conv := re.fullmatch(r"s_unit\.conv_([abd])\.(\d+)\.(weight|bias)", rest):
            axis = 0 if conv[1] in "ab" else 1 if conv[3] == "weight" else None
            return Place(f"{within}{CONVOLUTIONS[conv[1]]}.{conv[3]}", int(conv[2]), heads, axis)
        for theirs, ours in (
            ("s_unit.out_conv.", f"{before}spatial.fold."),
            ("s_unit.out_bn.", f"{before}spatial.norm."),
            ("s_unit.DepM", f"{within}learned"),
            ("s_unit.down.", f"{within}beside."),
            ("s_unit.bn.", f"{within}after."),
            ("t_unit.conv.", f"{before}temporal.0."),
            ("t_unit.bn.", f"{before}temporal.1."),
            ("residual.conv.", f"{before}shortcut.0."),
            ("residual.bn.", f"{before}shortcut.1."),
        ):
            if rest.startswith(theirs):
                return Place(ours + rest.removeprefix(theirs))
        raise AssertionError(name)

    return place


@pytest.fixture(params=[0, 1])
def case(request: pytest.FixtureRequest, shared: Path) -> Recorded:
    return case_of(shared, f"sup_unik_seed{request.param}")


def built(case: Recorded) -> Network:
    c = case.config
    config = UnikConfig(width=c["width"], heads=c["heads"], window=c["tau"])
    network = Network(Unik(config, undrawn(NTU25, c["T"])), c["classes"])
    load(network, case, places(case))
    return network


def test_blocks_and_logits(case: Recorded) -> None:
    network = built(case).eval()
    shown = {number: seen(network.backbone.blocks[number - 1]) for number in (1, 4, 5, 10)}
    with torch.no_grad():
        close(network(case.tensor("in/x")), case.tensor("eval/logits"), 2e-5)
    for number, outputs in shown.items():
        close(outputs[0][:4, :, :8], case.tensor(f"eval/block{number}"), 2e-5)


def test_training(case: Recorded) -> None:
    network = built(case)
    recipe = Recipe(1e-4, losses=3e-2, gradients=5e-3, state=0)
    check_training(network, case, places(case), recipe, lambda: network(case.tensor("in/x").double()))


def test_the_recipe_takes_the_recorded_steps(case: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(1e-4, losses=3e-2, state=0)
    check_recipe(built(case), case, places(case), "scratch_unik", recipe, monkeypatch)


def test_released_size() -> None:
    network = Network(Unik(UnikConfig(), undrawn(NTU25, 64)), 60)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(3.80e6, rel=3e-3)


def test_windows_hold_the_joints_of_neighbouring_frames() -> None:
    torch.manual_seed(0)
    block = Unik(UnikConfig(width=4, heads=2, window=3), undrawn(NTU25, 8)).blocks[1].spatial.double().eval()
    with torch.no_grad():
        block.inner.after.weight.fill_(1)
    x = torch.randn(1, 4, 6, 25, dtype=torch.float64)
    padded = torch.cat([torch.zeros(1, 4, 1, 25), x, torch.zeros(1, 4, 1, 25)], 2)
    window = torch.stack([padded[:, :, t : t + 3].flatten(2) for t in range(6)], 2)
    mixed = block.inner(window).unflatten(3, (3, 25))
    folded = sum(torch.einsum("oc,nctv->notv", block.fold.weight[:, :, 0, k, 0], mixed[:, :, :, k]) for k in range(3))
    wanted = block.norm(folded + block.fold.bias[:, None, None])
    torch.testing.assert_close(block(x), wanted, rtol=0, atol=1e-12)
