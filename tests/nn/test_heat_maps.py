"""Pictures of poses: the square around a clip, its random parts, and maps of joints and limbs by their formula."""

from __future__ import annotations

import math

import pytest
import torch

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.nn.heat_maps import compact, cropped, drawn_boxes, flipped, joint_maps, limb_maps, stretched


def test_a_joint_is_a_spot_and_the_brightest_person_counts() -> None:
    points = torch.tensor([[[[[3.0, 5.0]]], [[[4.0, 5.0]]]]])
    maps = joint_maps(points, torch.tensor([[[[1.0]], [[0.5]]]]), 9, 0.6)
    assert maps.shape == (1, 1, 1, 9, 9)
    spot = math.exp(-1 / (2 * 0.6**2))
    # The second person is nearer to x = 4, but half as bright.
    assert maps[0, 0, 0, 5, 2:6].tolist() == pytest.approx([spot, 1.0, 0.5, 0.5 * spot])
    assert float(maps[0, 0, 0, 5, 7]) == 0, "cut off at three standard deviations"


def test_a_limb_is_a_line_and_a_short_one_its_first_joint() -> None:
    joints = torch.tensor([[2.0, 2.0], [6.0, 2.0], [6.2, 2.2]])[None, None, None]
    scores = torch.tensor([1.0, 0.5, 0.25])[None, None, None]
    maps = limb_maps(joints, scores, [(0, 1), (1, 2)], 9, 0.6)
    side = math.exp(-1 / (2 * 0.6**2))
    assert maps[0, 0, 0, 2, 2:7].tolist() == pytest.approx([0.5] * 5)
    assert maps[0, 0, 0, 3, 4].item() == pytest.approx(0.5 * side)
    torch.testing.assert_close(maps[:, 1], joint_maps(joints, scores, 9, 0.6)[:, 1])


def test_what_is_not_there_is_not_drawn_nor_looked_at() -> None:
    points = torch.rand(1, 2, 3, 4, 2) + 5
    points[0, 1] = 0
    moved, sides = compact(points, 0.25, whole=False)
    alone, wanted = compact(points[:, :1], 0.25, whole=False)
    torch.testing.assert_close(moved[:, :1], alone, rtol=0, atol=0)
    torch.testing.assert_close(sides, wanted, rtol=0, atol=0)
    assert not joint_maps(points, torch.zeros(points.shape[:4]), 8, 0.6).any()


@pytest.mark.parametrize("part", [(0.0, 0.5, 0.0), (0.999, 0.0, 0.0), (0.2, 0.999, 0.999)])
def test_boxes_lie_within_the_picture(part: tuple[float, float, float]) -> None:
    area, aspect, place = part
    at = torch.tensor([int(9 * place)])
    draws = {
        "picture.area": torch.full((1, 10), area),
        "picture.aspect": torch.full((1, 10), aspect),
        "picture.left": at,
        "picture.top": at,
    }
    left, top, right, bottom = drawn_boxes(64, 0.56, ReplayNoise(draws))[0].tolist()
    assert left == top == int(at)
    wide, high = right - left, bottom - top
    if (area, aspect) == (0.999, 0.0):
        assert (wide, high) == (64, 64), "none fits, so all is seen"
    else:
        assert wide <= 64
        assert high <= 64
        assert wide * high / 64**2 == pytest.approx(0.56 + 0.44 * area, abs=0.02)
        assert wide / high == pytest.approx((4 / 3) ** (2 * aspect - 1), abs=0.05)


def test_boxes_are_drawn_for_each_clip_alike_in_any_batch() -> None:
    batch = Batch.from_dense(torch.ones(200, 2, 1, 1, 1))
    boxes = drawn_boxes(64, 0.56, Noise(0).on(batch))
    sides = boxes[:, 2:] - boxes[:, :2]
    assert boxes.min() == 0
    assert boxes.max() == 64
    assert 0.5 < float((sides.prod(1) / 64**2).min()) < 0.6
    assert len(boxes.unique(dim=0)) > 150
    some = Batch.from_dense(torch.ones(3, 2, 1, 1, 1), key=torch.tensor([7, 3, 90]))
    assert torch.equal(drawn_boxes(64, 0.56, Noise(0).on(some)), boxes[[7, 3, 90]])


def test_a_part_fills_the_picture_and_two_mirrors_are_none() -> None:
    points = torch.tensor([10.0, 20.0, 30.0, 40.0]).reshape(1, 1, 1, 2, 2)
    part, sides = cropped(points, torch.tensor([[10, 20, 42, 36]]))
    assert stretched(part, sides, 16)[0, 0, 0].tolist() == [[0, 0], [10, 20]]
    once = flipped(points, 56, [1, 0])
    assert once[0, 0, 0].tolist() == [[26, 40], [46, 20]]
    torch.testing.assert_close(flipped(once, 56, [1, 0]), points)
