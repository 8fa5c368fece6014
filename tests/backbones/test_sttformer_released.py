"""Equality of STTFormer with recorded runs of the released code (shared/golden_more)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from recorded import Recorded
from released_contrast import close
from released_networks import Network, Place, Recipe, case_of, check_training, load, seen
from undrawn_clips import undrawn

from sslskel.api.skeleton import NTU25
from sslskel.backbones.sttformer import SttFormer, SttFormerConfig
from sslskel.errors import UsageError

NAMES = (
    ("input_map.", "embed."),
    (".to_qkvs.", ".compare."),
    (".alphas", ".strength"),
    (".att0s", ".base"),
    (".out_nets.", ".mix."),
    (".ff_net.", ".each."),
    (".out_nett.", ".over_tuples."),
    (".ress.", ".beside."),
    (".rest.", ".beside_tuples."),
)


def place(name: str) -> Place:
    if name.startswith("fc."):
        return Place(name)
    for theirs, ours in NAMES:
        name = name.replace(theirs, ours)
    return Place(f"backbone.{name}")


@pytest.fixture(params=[0, 1])
def case(request: pytest.FixtureRequest, shared: Path) -> Recorded:
    return case_of(shared, f"sup_sttformer_seed{request.param}")


def built(case: Recorded) -> Network:
    c = case.config
    rows = c["config"]
    config = SttFormerConfig(
        width=rows[0][0],
        channels=[row[1] for row in rows],
        compared=[row[2] for row in rows],
        heads=c["heads"],
        segment=c["parts"],
        tuple_kernel=c["kernel"][0],
        token_kernel=c["kernel"][1],
        positions=c["pes"],
    )
    network = Network(SttFormer(config, undrawn(NTU25, c["T"])), c["classes"])
    load(network, case, place)
    return network


def test_blocks_and_logits(case: Recorded) -> None:
    network = built(case).eval()
    blocks = network.backbone.blocks
    maps = [seen(block) for block in blocks]
    with torch.no_grad():
        close(network(case.tensor("in/x")), case.tensor("eval/logits"), 2e-5)
    for at, outputs in enumerate(maps):
        close(outputs[0][:4], case.tensor(f"eval/block{at}"), 2e-5)
    positions = case.tensor("in/position_block0")
    close(blocks[0].positions[:, None].expand_as(positions), positions, 1e-6)


def test_training(case: Recorded) -> None:
    network = built(case)
    check_training(network, case, place, Recipe(4e-4), lambda: network(case.tensor("in/x").double()))


def test_released_size() -> None:
    network = Network(SttFormer(SttFormerConfig(), undrawn(NTU25, 120)), 60)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(6.23e6, rel=1e-3)


def test_tuples_are_interchangeable_but_for_the_convolution_over_them() -> None:
    torch.manual_seed(0)
    config = SttFormerConfig(width=4, channels=[4], segment=2, tuple_kernel=1)
    backbone = SttFormer(config, undrawn(NTU25, 8)).double().eval()
    tokens = backbone.embedded(torch.randn(2, 8, 25, 3, dtype=torch.float64))
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        backbone.encoded(tokens[:, order]), backbone.encoded(tokens)[:, order], rtol=0, atol=1e-12
    )


def test_clips_of_broken_tuples_are_refused() -> None:
    with pytest.raises(UsageError, match=r"clip\.frames=64 is not divisible by backbone\.segment=6; .* that is: 66"):
        SttFormer(SttFormerConfig(), undrawn(NTU25, 64))
    backbone = SttFormer(SttFormerConfig(width=4, channels=[4]), undrawn(NTU25, 12))
    with pytest.raises(UsageError, match="tracks of 25 joints in tuples of 6 frames, but was given 9 frames"):
        backbone(torch.zeros(1, 9, 25, 3))
