"""Equality of InfoGCN and its information bottleneck with recorded runs of the released code (shared/golden_more)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import close
from released_networks import Place, Places, case_of, check_gradients, load, seen
from torch import Tensor
from undrawn_clips import undrawn

from sslskel.api.batch import Batch
from sslskel.api.encoder import PooledEncoder
from sslskel.api.skeleton import NTU25
from sslskel.backbones.infogcn import InfoGcn, InfoGcnConfig, outward
from sslskel.engine.optimisers import SGD
from sslskel.errors import UsageError
from sslskel.methods.infogcn import Bottleneck
from sslskel.methods.infogcn import InfoGcnConfig as HeadConfig

HEAD = {"fc.": "layer.", "fc_mu.": "mean.", "fc_logvar.": "log_variance.", "decoder.": "decoder."}
NAMES = (
    ("pos_embedding", "table"),
    ("data_bn.", "input_norm."),
    ("to_joint_embedding.", "embed."),
    ("agcn.shared_topology", "spatial.learned"),
    ("agcn.attn.to_qk.", "spatial.compare."),
    ("agcn.attn.ln.", "spatial.norm."),
    ("agcn.down.", "spatial.beside."),
    ("agcn.bn.", "spatial.after."),
    ("residual.conv.", "shortcut.0."),
    ("residual.bn.", "shortcut.1."),
    (".3.conv.", ".3."),
    (".3.bn.", ".4."),
    ("tcn.", "temporal."),
)


def places(case: Recorded) -> Places:
    heads = case.config["heads"]

    def place(name: str) -> Place:
        for theirs, ours in HEAD.items():
            if name.startswith(theirs):
                return Place(ours + name.removeprefix(theirs))
        at = re.match(r"l(\d+)\.", name)
        within = "encoder.backbone." + (f"blocks.{int(at[1]) - 1}." if at else "")
        rest = name[at.end() :] if at else name
        if conv := re.fullmatch(r"agcn\.conv_d\.(\d+)\.(weight|bias)", rest):
            return Place(f"{within}spatial.value.{conv[2]}", int(conv[1]), heads, 1 if conv[2] == "weight" else None)
        for theirs, ours in NAMES:
            rest = rest.replace(theirs, ours)
        return Place(within + rest)

    return place


class Drawn:
    """Recorded draws in place of noise."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def normal(self, site: str, shape: Any, per: str, dtype: torch.dtype) -> Tensor:
        return self.values.to(dtype)


@pytest.fixture(params=[0, 1])
def case(request: pytest.FixtureRequest, shared: Path) -> Recorded:
    return case_of(shared, f"sup_infogcn_seed{request.param}")


def built(case: Recorded) -> Bottleneck:
    c = case.config
    clip = undrawn(NTU25, c["T"])
    backbone = InfoGcn(InfoGcnConfig(width=c["base"], heads=c["heads"], order=c["k"]), clip)
    config = HeadConfig(c["lambda_2"], c["lambda_1"], c["gain"], c["smoothing"], c["noise_ratio"])
    classifier = Bottleneck(PooledEncoder(backbone, clip), c["classes"], config)
    points = classifier.points.clone()
    close(points @ points.T, c["gain"] ** 2 * torch.eye(c["classes"]))
    load(classifier, case, places(case), kept=("points",))
    classifier.points.copy_(case.tensor("in/z_prior"))
    return classifier


def batch(case: Recorded, dtype: torch.dtype) -> Batch:
    return Batch.from_dense(case.tensor("in/x").to(dtype), label=case.tensor("in/label").long())


def test_the_graph_and_what_a_joint_is_relative_to(case: Recorded) -> None:
    assert torch.equal(outward(NTU25), case.tensor("in/A_outward").float())
    backbone = InfoGcn(InfoGcnConfig(width=8, order=case.config["k"]), undrawn(NTU25, 8))
    assert torch.equal(backbone.relative, case.tensor("in/A_vector").float())


def test_latents_and_logits(case: Recorded) -> None:
    classifier = built(case).eval()
    with torch.no_grad():
        clips = batch(case, torch.float32)
        close(classifier.logits(clips), case.tensor("eval/logits"), 2e-5)
        close(classifier.latent(clips)[0], case.tensor("eval/z"), 2e-5)


def test_training_in_single_precision(case: Recorded) -> None:
    classifier, clips = built(case).train(), batch(case, torch.float32)
    block = classifier.encoder.backbone.blocks[0]
    maps = seen(block)
    inputs: list[Tensor] = []
    block.register_forward_pre_hook(lambda _, args: inputs.append(args[0].detach()))
    z, mean, log_variance = classifier.latent(clips, Drawn(case.tensor("draws/eps")[0]))  # type: ignore[arg-type]
    for name, ours in (("z", z), ("mu", mean), ("logvar", log_variance), ("logits", classifier.decoder(z))):
        close(ours.detach(), case.tensor(f"train/{name}"), 1e-4)
    theirs = case.tensor("train/block1_frames0_4")
    close(maps[0][: len(theirs), :, :4], theirs, 1e-4)
    attention = block.spatial.attention(inputs[0]).detach().flatten(0, 1)[:2]
    close(attention, case.tensor("train/attention1_first2"), 1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.float64, marks=pytest.mark.long)])
def test_losses_and_gradients(case: Recorded, dtype: torch.dtype) -> None:
    config = case.config
    classifier, clips = built(case).to(dtype).train(), batch(case, dtype)
    optimiser = SGD(classifier.parameters(), lr=config["lr"], momentum=0.9, nesterov=True, weight_decay=5e-4)
    for step, eps in enumerate(case.tensor("draws/eps")):
        output = classifier(clips, Drawn(eps))
        tolerance = 3e-3 if step else 1e-5
        for ours, theirs in (("class", "class"), ("prior", "prior"), ("norm", "mean_norm")):
            wanted, term = float(case[f"loss/{theirs}"][step]), output.terms[ours]
            assert float((term.total / term.count).detach()) == pytest.approx(wanted, rel=tolerance)
        assert float(output.loss().detach()) == pytest.approx(float(case["loss/total"][step]), rel=tolerance)
        optimiser.zero_grad()
        output.loss().backward()
        if step == 0:
            # The second recording embeds into one number that is 0 everywhere, which reaches ReLUs as 0 but for the
            # rounding of the batch norm in between: its sums must run in the released order, in either precision.
            check_gradients(classifier, case, places(case), 5e-2)
        optimiser.step()
    assert case.group("state_after/")


def test_released_size() -> None:
    clip = undrawn(NTU25, 64)
    classifier = Bottleneck(PooledEncoder(InfoGcn(InfoGcnConfig(), clip), clip), 60, HeadConfig())
    assert sum(parameter.numel() for parameter in classifier.parameters()) == pytest.approx(1.56e6, rel=5e-3)


def test_positions_have_no_effect_in_training() -> None:
    torch.manual_seed(0)
    backbone = InfoGcn(InfoGcnConfig(width=8), undrawn(NTU25, 8)).double().train()
    rows = torch.randn(4, 8, 50, 3, dtype=torch.float64)
    before = backbone(rows).detach()
    with torch.no_grad():
        backbone.table.normal_(0, 9)
    torch.testing.assert_close(backbone(rows).detach(), before, rtol=0, atol=1e-9)


def test_an_input_of_zeros_is_refused() -> None:
    with pytest.raises(UsageError, match=r"backbone\.order is 0; .* relative to itself every joint is at 0"):
        InfoGcnConfig(order=0)
