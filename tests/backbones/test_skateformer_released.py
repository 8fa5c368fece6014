"""Equality of SkateFormer with recorded runs of the released code (shared/golden_more)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from recorded import Recorded
from released_contrast import close
from released_networks import Network, Place, Recipe, case_of, check_training, load, seen
from torch import Tensor
from undrawn_clips import star, undrawn

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.api.unbound import Unbound
from sslskel.backbones.skateformer import SkateFormer, SkateFormerConfig, WindowAttention, Windows
from sslskel.config.groups import Fidelity
from sslskel.errors import UsageError

NAMES = (
    ("transformer.gconv", "graph"),
    ("transformer.norm_1.", "norm."),
    ("transformer.norm_2.", "second_norm."),
    ("transformer.mapping.", "spread."),
    ("transformer.tconv.", "temporal."),
    ("transformer.proj.", "project."),
    ("transformer.mlp.", "mlp."),
    ("transformer.attention.", "attention."),
    ("relative_position_bias_table", "bias"),
)


def place(name: str) -> Place | None:
    if name.startswith("head."):
        return Place(name.replace("head.", "fc."))
    if name.endswith("relative_position_index"):
        return None
    if name.startswith("joint_person"):
        return Place("backbone.table")
    if match := re.fullmatch(r"stages\.(\d+)\.blocks\.0\.downsample\.(reduction|bn)\.(.+)", name):
        return Place(f"backbone.halved.{int(match[1]) - 1}.{'conv' if match[2] == 'reduction' else 'norm'}.{match[3]}")
    for theirs, ours in NAMES:
        name = name.replace(theirs, ours)
    return Place(f"backbone.{name.replace('.blocks.', '.')}")


def turned(name: str, value: Tensor) -> Tensor:
    """The tables lie the other way round here: (channels, tokens) and (1, channels, frames, tokens)."""
    if name == "joint_person_embedding":
        return value.T[None]
    return value[0].permute(1, 2, 0) if name == "joint_person_temporal_embedding" else value


@pytest.fixture(params=[0, 1])
def case(request: pytest.FixtureRequest, shared: Path) -> Recorded:
    return case_of(shared, f"sup_skateformer_seed{request.param}")


def built(case: Recorded) -> Network:
    c = case.config
    window, near = c["sizes"][0]
    far = c["sizes"][1][1]
    assert c["sizes"] == [[window, near], [window, far]] * 2
    config = SkateFormerConfig(
        stem_dim=c["emb"],
        channels=c["ch"],
        depths=c["depth"],
        heads=c["heads"] // 8,
        mlp_ratio=2.0,
        kernel=c["k"],
        window=window,
        near=near,
        far=far,
        sinusoids=c["index_t"],
    )
    network = Network(SkateFormer(config, undrawn(star(c["V"]), c["T"])), c["classes"])
    load(network, case, place, turned)
    return network


def logits(network: Network, case: Recorded, dtype: torch.dtype) -> Tensor:
    rows = Batch.from_dense(case.tensor("in/x").to(dtype)).joined(2)
    grid = network.backbone(rows, case.tensor("in/frame_index"))
    return network.fc(network.backbone.pool(grid))


def test_stages_and_logits(case: Recorded) -> None:
    network = built(case).eval()
    shown = [seen(stage[-1]) for stage in network.backbone.stages]
    with torch.no_grad():
        close(logits(network, case, torch.float32), case.tensor("eval/logits"), 2e-5)
    for at, outputs in enumerate(shown):
        close(outputs[0].permute(0, 3, 1, 2)[:2, :, :8], case.tensor(f"eval/stage{at}"), 2e-5)


def test_training(case: Recorded) -> None:
    network = built(case)
    recipe = Recipe(0.1, adamw=True, smoothing=0.1, state=5e-2)
    check_training(network, case, place, recipe, lambda: logits(network, case, torch.float64), turned)


def test_released_size_and_joints() -> None:
    backbone = SkateFormer(SkateFormerConfig(), undrawn(NTU25, 64))
    weights = sum(parameter.numel() for parameter in Network(backbone, 60).parameters())
    assert weights == pytest.approx(3.62e6, rel=3e-3)
    read = [NTU25.joints[joint] for joint in backbone.order[:24]]
    assert sorted(read) == sorted(set(NTU25.joints) - {"spine_shoulder"})
    assert read[:4] == ["left_wrist", "left_hand", "left_hand_tip", "left_thumb"]


def test_windows_hold_neighbouring_or_distant_frames_and_joints() -> None:
    frame, joint = torch.meshgrid(torch.arange(6), torch.arange(8), indexing="ij")
    x = torch.stack([frame, joint], -1)[None].double()
    for frames_apart in (False, True):
        for joints_apart in (False, True):
            windows = Windows(3, 4, frames_apart, joints_apart)
            cut = windows.cut(x)
            frames, joints = cut[0, 0, ::4, 0].tolist(), cut[0, 0, :4, 1].tolist()
            assert frames == ([0, 2, 4] if frames_apart else [0, 1, 2])
            assert joints == ([0, 2, 4, 6] if joints_apart else [0, 1, 2, 3])
            assert torch.equal(windows.joined(cut, 6, 8), x)


def test_the_papers_bias_depends_on_the_frames_between_two_tokens() -> None:
    windows = Windows(3, 3, False, False)
    for fidelity in Fidelity:
        attention = WindowAttention(windows, 1, fidelity)
        with torch.no_grad():
            attention.bias.copy_(torch.arange(-2.0, 3.0)[:, None])
        token = torch.arange(9)
        frame = token // 3 if fidelity is Fidelity.paper else token % 3
        assert torch.equal(attention.pairs()[0], (frame[:, None] - frame).float())


def test_dropping_draws_from_bound_noise() -> None:
    torch.manual_seed(0)
    config = SkateFormerConfig(stem_dim=16, depths=[1, 1, 1, 1], heads=2, dropout=0.5, drop_path=0.5)
    backbone = SkateFormer(config, undrawn(star(4), 8)).train()
    rows = torch.randn(3, 8, 8, 3)
    with pytest.raises(Unbound, match=r"backbone\.drop_path"):
        backbone(rows)
    batch = Batch.from_dense(rows.unflatten(2, (2, 4)).permute(0, 4, 1, 3, 2))
    clips = batch._replace(owner=torch.arange(3), slot=torch.zeros(3, dtype=torch.int64))
    backbone.bind(Noise(0).on(clips))
    once, again = backbone(rows), backbone(rows)
    assert torch.equal(once, again)
    backbone.bind(Noise(1).on(clips))
    assert not torch.equal(once, backbone(rows))


def test_other_clips_are_refused() -> None:
    backbone = SkateFormer(SkateFormerConfig(stem_dim=16, depths=[1, 1, 1, 1], heads=2), undrawn(star(4), 8))
    with pytest.raises(UsageError, match="this SkateFormer reads 8 frames, but was given 9"):
        backbone(torch.zeros(1, 9, 8, 3))
    with pytest.raises(UsageError, match=r"backbone\.channels is \[96, 100\]; .* multiple of 8 \* backbone\.heads=32"):
        SkateFormerConfig(channels=[96, 100], depths=[1, 1])
