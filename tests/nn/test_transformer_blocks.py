"""Transformer blocks: tokens of clips, the branches of a block, and tokens that a block leaves unfinished."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sslskel.api.noise import ReplayNoise
from sslskel.nn.transformer_blocks import Block, TokenBlocks, patchify, rising_rates, take_tokens


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradients(module: torch.nn.Module, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(module.parameters()), retain_graph=True))


@pytest.mark.parametrize("qkv_bias", [True, False])
@pytest.mark.parametrize("first", [1, 4, 6])
def test_a_block_may_leave_its_first_tokens_unfinished(first: int, qkv_bias: bool) -> None:
    block = Block(8, 2, 2.0, qkv_bias).double()
    x, weight, branches = drawn(3, 7, 8), drawn(3, 7 - first, 8, seed=1), drawn(2, 3, 1, 1, seed=2)
    whole, part = block(x, branches)[:, first:], block(x, branches, first)
    torch.testing.assert_close(part, whole, rtol=0, atol=1e-12)
    pairs = zip(gradients(block, (whole * weight).sum()), gradients(block, (part * weight).sum()), strict=True)
    for theirs, ours in pairs:
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)


def test_tokens_are_time_major_and_frame_by_frame() -> None:
    tracks = torch.arange(8 * 5 * 3.0).reshape(1, 8, 5, 3)
    tokens = patchify(tracks, 4)
    assert tokens.shape == (1, 10, 12)
    for segment, joint in ((0, 0), (0, 3), (1, 4)):
        expected = tracks[0, segment * 4 : segment * 4 + 4, joint].flatten()
        assert torch.equal(tokens[0, segment * 5 + joint], expected)


def test_take_tokens_follows_the_ids_of_each_row() -> None:
    tokens = drawn(2, 6, 3)
    taken = take_tokens(tokens, torch.tensor([[5, 0], [1, 1]]))
    assert torch.equal(taken, torch.stack([tokens[0, [5, 0]], tokens[1, [1, 1]]]))


def test_a_block_adds_its_scaled_branches_to_its_input() -> None:
    block = Block(dim=8, heads=2, mlp_ratio=1.3).double()
    assert block.mlp.fc1.out_features == 10
    x = drawn(2, 3, 8)
    assert torch.equal(block(x, torch.zeros(2, 2, 1, 1, dtype=torch.float64)), x), (
        "branches scaled by zero leave the input"
    )


def test_learned_factors_scale_what_a_block_adds() -> None:
    plain, scaled = Block(8, 2, 2.0).double(), Block(8, 2, 2.0, layer_scale=0.5).double()
    missing, unexpected = scaled.load_state_dict(plain.state_dict(), strict=False)
    assert (missing, unexpected) == (["scale1", "scale2"], [])
    assert scaled.scale1 is not None
    assert torch.equal(scaled.scale1.detach(), torch.full((8,), 0.5, dtype=torch.float64))
    x = drawn(3, 7, 8)
    torch.testing.assert_close(scaled(x), plain(x, torch.full((2, 3, 1, 1), 0.5).double()), rtol=0, atol=1e-12)


def test_blocks_of_a_row_skip_branches_in_training_alone() -> None:
    blocks = TokenBlocks(8, 2, 2, (3, 2), drop_path=0.4, eps=1e-6)
    assert blocks.rates == rising_rates(0.4, 2) == [0.0, 0.4]
    assert blocks.norm.eps == 1e-6
    x = drawn(3, 6, 8).float()

    def passed(*draws: float) -> Tensor:
        noise = ReplayNoise({"site": torch.tensor(draws)[:, None, None].expand(-1, 2, 2)})
        with torch.no_grad():
            return blocks(x, noise, "site")

    some = passed(0.3, 0.5, 0.0)
    before = x + (blocks.time_table[:, None] + blocks.joint_table).flatten(0, 1)
    first = blocks.blocks[0](before)
    torch.testing.assert_close(some[0], blocks.norm(first)[0])
    whole = blocks.blocks[1](first, torch.full((2, 3, 1, 1), 1 / 0.6))
    torch.testing.assert_close(some[1], blocks.norm(whole)[1])
    torch.testing.assert_close(some[2], blocks.norm(first)[2])
    blocks.eval()
    torch.testing.assert_close(passed(0.3, 0.5, 0.0), blocks.norm(blocks.blocks[1](first)))
