"""The GRU as first published: against its formula, to the length of a clip, and apart from torch's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslskel.nn.original_gru import OriginalBiGru, OriginalGruCell


def by_hand(cell: OriginalGruCell, frames: Tensor) -> list[Tensor]:
    """States (H,) behind each frame of one clip (T, C)."""
    state, states = frames.new_zeros(cell.candidate.out_features), []
    for x in frames:
        r, u = (cell.gates.weight @ torch.cat([x, state]) + cell.gates.bias).sigmoid().chunk(2)
        c = (cell.candidate.weight @ torch.cat([x, r * state]) + cell.candidate.bias).tanh()
        state = u * state + (1 - u) * c
        states.append(state)
    return states


@torch.no_grad()
def test_each_direction_reads_to_the_length_of_a_clip() -> None:
    torch.manual_seed(0)
    gru, frames = OriginalBiGru(5, 3, 2).double(), torch.randn(2, 6, 5, dtype=torch.float64)
    valid = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    states, last = gru(frames, valid)
    for clip, length in ((0, 6), (1, 4)):
        x = frames[clip, :length]
        for pair in gru:
            ahead, back = by_hand(pair[0], x), by_hand(pair[1], x.flip(0))  # type: ignore[index]
            x = torch.cat([torch.stack(ahead), torch.stack(back).flip(0)], 1)
        torch.testing.assert_close(states[clip, :length], x)
        torch.testing.assert_close(last[clip], torch.cat([ahead[-1], back[-1]]))
        assert not bool(states[clip, length:].any())


@torch.no_grad()
def test_one_step_is_that_of_the_layer_and_not_that_of_torch() -> None:
    torch.manual_seed(0)
    cell, theirs = OriginalGruCell(4, 3), nn.GRUCell(4, 3)
    x, state = torch.randn(2, 4), torch.randn(2, 3)
    # The same numbers in torch's places: r, z, n, its z the share of the old state too.
    theirs.weight_ih.copy_(torch.cat([cell.gates.weight[:, :4], cell.candidate.weight[:, :4]]))
    theirs.weight_hh.copy_(torch.cat([cell.gates.weight[:, 4:], cell.candidate.weight[:, 4:]]))
    theirs.bias_ih.copy_(torch.cat([cell.gates.bias, cell.candidate.bias]))
    nn.init.zeros_(theirs.bias_hh)
    zero = torch.zeros_like(state)
    torch.testing.assert_close(cell(x, zero), theirs(x, zero))
    assert float((cell(x, state) - theirs(x, state)).abs().max()) > 1e-2
    first, second = by_hand(cell, x)
    torch.testing.assert_close(cell(x[:1], zero[:1])[0], first)
    torch.testing.assert_close(cell(x[1:], first[None])[0], second)
