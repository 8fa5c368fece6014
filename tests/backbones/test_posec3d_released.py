"""Equality of PoseC3D's network and its pictures with recorded runs of the released code (shared/golden_more)."""

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

from sslskel.api.skeleton import SkeletonLayout
from sslskel.backbones.posec3d import PoseC3D, PoseC3DConfig, Shows
from sslskel.nn.heat_maps import compact, cropped, flipped, joint_maps, limb_maps, stretched
from sslskel.transforms.segments import SeededSegments

LIMBS = "0-1 0-2 1-3 2-4 0-5 5-7 7-9 0-6 6-8 8-10 5-11 11-13 13-15 6-12 12-14 14-16 11-12"
"""Of the 17 joints of COCO, in the released order."""
PARTS = {
    "conv1": ("first.0", "first.1"),
    "conv2": ("second.0", "second.1"),
    "conv3": ("third", "last_norm"),
    "downsample": ("beside.0", "beside.1"),
}
"""Convolution and batch norm of a block."""


def place(name: str) -> Place:
    if name.startswith("fc_cls."):
        return Place(name.replace("fc_cls", "fc"))
    at, kind = re.fullmatch(r"backbone\.(.+)\.(?:conv|bn)\.(\w+)", name), "0" if ".conv." in name else "1"
    assert at is not None, name
    if at[1] == "conv1":
        return Place(f"backbone.network.stem.{kind}.{at[2]}")
    stage, block, part = at[1].removeprefix("layer").split(".")
    return Place(f"backbone.network.stages.{int(stage) - 1}.{block}.{PARTS[part][int(kind)]}.{at[2]}")


@pytest.fixture(params=[0, 1])
def case(request: pytest.FixtureRequest, shared: Path) -> Recorded:
    return case_of(shared, f"sup_posec3d_seed{request.param}")


@pytest.fixture(params=[0, 1])
def clips(request: pytest.FixtureRequest, shared: Path) -> Recorded:
    return case_of(shared, f"data_posec3d_seed{request.param}")


def built(case: Recorded) -> Network:
    c = case.config
    backbone = PoseC3D(PoseC3DConfig(width=c["base"], blocks=c["blocks"]), undrawn(star(c["joints"]), c["T"]))
    network = Network(backbone, c["classes"])
    load(network, case, place)
    return network


def logits(network: Network, volume: Tensor) -> Tensor:
    return network.fc(network.backbone.network(volume).mean((2, 3, 4)))


def test_layers_and_logits(case: Recorded) -> None:
    network = built(case).eval()
    shown = {f"layer{at + 1}": seen(stage) for at, stage in enumerate(network.backbone.network.stages)}
    stem: list[Tensor] = []
    network.backbone.network.stages.register_forward_pre_hook(lambda _, args: stem.append(args[0]))
    with torch.no_grad():
        close(logits(network, case.tensor("in/x")), case.tensor("eval/logits"), 2e-5)
    for name, outputs in {"stem": stem, **shown}.items():
        wanted = case.tensor(f"eval/{name}")
        close(outputs[0][: len(wanted)], wanted, 2e-5)


def test_training(case: Recorded) -> None:
    network, volume = built(case), case.tensor("in/x").double()
    recipe = Recipe(3e-4, nesterov=False, clip_norm=40.0)
    check_training(network, case, place, recipe, lambda: logits(network, volume))


def test_released_size() -> None:
    network = Network(PoseC3D(PoseC3DConfig(), undrawn(star(17))), 60)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(2.02e6, rel=5e-3)


def order_of(config: dict[str, list[int]]) -> list[int]:
    order = list(range(17))
    for left, right in zip(config["left"], config["right"], strict=True):
        order[left], order[right] = right, left
    return order


def read(case: Recorded, frames: str) -> tuple[Tensor, Tensor]:
    """Joints and scores of the frames that were read, for one clip."""
    at = case.tensor(frames).long()
    return case.tensor("in/keypoint").float()[None, :, at], case.tensor("in/score").float()[None, :, at]


@pytest.mark.parametrize("number", [0, 1])
def test_pictures_in_training(clips: Recorded, number: int) -> None:
    config, case, name = clips.config, clips, f"train{number}"
    points, scores = read(case, f"{name}/frames")

    def same(points: Tensor, step: str, shape: Tensor | None = None) -> None:
        torch.testing.assert_close(points[0], case.tensor(f"{step}/keypoint"), rtol=0, atol=1e-4)
        if shape is not None:
            assert torch.equal(shape.flip(-1).flatten().long(), case.tensor(f"{step}/img_shape"))

    same(points, f"{name}/0_decode", case.tensor("in/img_shape").flip(0))
    assert torch.equal(case.tensor(f"{name}/0_decode/img_shape"), case.tensor("in/img_shape"))
    points, sides = compact(points, config["padding"], whole=True)
    same(points, f"{name}/1_compact", sides)
    points = stretched(points, sides, config["big"])
    same(points, f"{name}/2_resize", torch.tensor([config["big"]] * 2))
    points, sides = cropped(points, case.tensor(f"{name}/crop_box")[None])
    same(points, f"{name}/3_crop")
    points = stretched(points, sides, config["size"])
    same(points, f"{name}_/0_resize_square", torch.tensor([config["size"]] * 2))
    if bool(case[f"{name}/flipped"]):
        points, scores = flipped(points, config["size"], order_of(config)), scores[..., order_of(config)]
    same(points, f"{name}_/1_flip", torch.tensor([config["size"]] * 2))
    maps = joint_maps(points, scores, config["size"], config["sigma"])[0].transpose(0, 1)
    torch.testing.assert_close(maps[::4], case.tensor(f"{name}/heat"), rtol=0, atol=1e-5)


def test_pictures_in_evaluation(clips: Recorded) -> None:
    config = clips.config
    points, scores = read(clips, "test/frames")
    points, sides = compact(points, config["padding"], whole=True)
    points = stretched(points, sides, config["size"])
    torch.testing.assert_close(points[0], clips.tensor("test/keypoint"), rtol=0, atol=1e-4)
    maps = joint_maps(points, scores, config["size"], config["sigma"])[0].transpose(0, 1)
    both = torch.cat([maps, maps[:, order_of(config)].flip(-1)])
    assert list(both.shape) == clips["test/heat_shape"].tolist()
    torch.testing.assert_close(both[::4], clips.tensor("test/heat_every4"), rtol=0, atol=1e-5)
    limbs = [(int(a), int(b)) for a, b in (limb.split("-") for limb in LIMBS.split())]
    maps = limb_maps(points, scores, limbs, config["size"], config["sigma"])[0].transpose(0, 1)
    torch.testing.assert_close(maps[::4], clips.tensor("test/limb_every4"), rtol=0, atol=1e-5)


def test_frames_in_evaluation(clips: Recorded) -> None:
    frames = clips.config["clip"]
    for name in ("test/frames", *(name for name in clips if name.startswith("test_frames/"))):
        length = clips.config["T"] if name == "test/frames" else int(name.split("/")[1])
        wanted = clips.tensor(name).reshape(-1, frames)
        for number, one in enumerate(wanted):
            reads = SeededSegments(number, len(wanted), clips.config["test_seed"])
            assert torch.equal(reads(torch.tensor([length]), frames, None)[0].long(), one), name  # type: ignore[arg-type]


@pytest.mark.parametrize("shows", list(Shows))
def test_the_backbone_draws_the_recorded_pictures(clips: Recorded, shows: Shows) -> None:
    """Of clips in pixels as they come in a batch; scores of an estimator are none of its input."""
    config = clips.config
    points, _ = read(clips, "test/frames")
    parents = (-1, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14)
    swaps = tuple(zip(config["left"], config["right"], strict=True))
    layout = SkeletonLayout("coco", tuple(f"j{at}" for at in range(17)), parents, 0, swaps)
    spec = undrawn(layout, points.shape[2], points.shape[1], 2)
    backbone = PoseC3D(
        PoseC3DConfig(shows=shows, width=2, blocks=[1], test_pixels=config["size"], sigma=config["sigma"]), spec
    ).eval()
    there = (points != 0).flatten(3).any(3)
    maps = backbone.maps(points.transpose(1, 2).flatten(2, 3), there.transpose(1, 2))
    placed, sides = compact(points, config["padding"], whole=False)
    placed = stretched(placed, sides, config["size"])
    scores = there[..., None].expand(points.shape[:4]).float()
    if shows is Shows.joints:
        wanted = joint_maps(placed, scores, config["size"], config["sigma"])
    else:
        limbs = [(joint, parent) for joint, parent in enumerate(parents) if parent >= 0]
        wanted = limb_maps(placed, scores, limbs, config["size"], config["sigma"])
    torch.testing.assert_close(maps, wanted, rtol=0, atol=1e-3)
