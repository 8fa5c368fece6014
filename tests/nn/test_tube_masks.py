"""Masks of tubes: limbs and time steps that lie side by side, and as many tokens as are wanted."""

from __future__ import annotations

import torch

from sslskel.nn.tube_masks import tube_masks

LIMBS = [(0, 1, 2), (3, 4)]


def drawn(rows: int, tubes: int) -> torch.Tensor:
    return torch.rand(rows, tubes, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_one_tube_is_a_stretch_of_steps_of_neighbouring_joints() -> None:
    for draws in drawn(20, 1):
        hidden = tube_masks(torch.tensor([40]), draws[None], [8], LIMBS, 5)[0]
        steps, joints = (hidden.any(axis).nonzero().flatten() for axis in (1, 0))
        assert int(hidden.sum()) == len(steps) * len(joints) > 0
        for side in (steps, joints):
            assert side.tolist() == list(range(int(side[0]), int(side[-1]) + 1))
        assert any(set(joints.tolist()) <= set(limb) for limb in LIMBS)


def test_no_more_than_wanted_is_hidden_nor_anything_behind_the_last_step() -> None:
    wanted = torch.tensor([0, 12, 5, 9])
    hidden = tube_masks(wanted, drawn(4, 128), [8, 3], LIMBS, 5)
    assert hidden.shape == (4, 8, 5)
    assert hidden.sum((1, 2)).tolist() == wanted.tolist()
    assert not hidden[2:, 3:].any()
