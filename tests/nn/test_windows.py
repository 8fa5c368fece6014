"""Windows over padded sequences: the last one reaches the last frame, and none begins behind it. Numbers: Hi-TRS."""

from __future__ import annotations

import pytest
import torch
from undrawn_clips import undrawn

from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.api.unbound import Unbound
from sslskel.backbones.hierarchical import Hierarchical, HierarchicalConfig, waves
from sslskel.errors import UsageError
from sslskel.nn.lengths import last_valid
from sslskel.nn.windows import Windows, padded, taken

RELEASED, SHORT = Windows(7, 7, 2), Windows(5, 5, 1)


@pytest.mark.parametrize("cut", [RELEASED, SHORT, Windows(3, 1, 1), Windows(3, 9, 4)])
def test_the_last_window_is_the_first_that_reaches_the_last_frame(cut: Windows) -> None:
    for length in range(1, 80):
        [count] = cut.count(torch.tensor([length])).tolist()
        reach, last = (cut.frames - 1) * cut.dilation, length - 1 + cut.padding
        assert (count - 1) * cut.stride + reach >= last
        assert count == 1 or (count - 2) * cut.stride + reach < last


def test_the_released_windows_are_never_short() -> None:
    assert not RELEASED.short(torch.arange(19, 301)).any()
    assert SHORT.short(torch.tensor([20, 21, 24])).tolist() == [True, False, True]
    short = SHORT.inside(torch.tensor([[20], [20]]), torch.tensor([20, 21]))
    assert short[:, 0].tolist() == [[20, 21, 22, 23, 23], [20, 21, 22, 23, 24]]


def test_padding_is_zeros_and_gaps_count_as_frames() -> None:
    tracks = Noise(0).normal("x", (2, 9, 4, 3), "batch")
    valid = torch.tensor([[True] * 3 + [False] * 2 + [True] + [False] * 3, [False] * 9])
    assert last_valid(valid).tolist() == [6, 0]
    filled = padded(tracks, valid, SHORT)
    assert filled.shape[1] == 13
    assert torch.equal(filled[0, 2:5], tracks[0, :3])
    assert not filled[1].any()
    assert not filled[0, 5:7].any()
    assert torch.equal(taken(filled, torch.tensor([[[3, 7]], [[0, 1]]]))[0, 0], filled[0, [3, 7]])


def test_joints_of_one_frame_do_not_see_each_other_within_a_window() -> None:
    torch.manual_seed(0)
    network = Hierarchical(HierarchicalConfig(width=4, heads=1, head_width=4, layers=1), undrawn(NTU25, frames=20))
    seen: list[torch.Tensor] = []
    network.over_frames[0].register_forward_hook(lambda module, inputs, output: seen.append(output))
    frames = Noise(0).normal("x", (1, 1, 7, 25, 4), "batch")
    other = frames.clone()
    other[0, 0, 2, 5] += 1
    for window in (frames, other):
        network.window_features(window)
    changed = (seen[0] != seen[1]).any(2)[0]
    of_frame = changed[:-1].reshape(7, 25)
    assert of_frame[2].nonzero().flatten().tolist() == [5]
    assert of_frame[[0, 1, 3, 4, 5, 6]].all()
    assert changed[-1]


def test_positions_start_as_waves() -> None:
    table = waves(3, 4)
    torch.testing.assert_close(table[:, 0], torch.arange(3).float().sin())
    torch.testing.assert_close(table[:, 3], (torch.arange(3) / 100).cos())


def test_too_many_windows_and_no_noise_are_refused() -> None:
    with pytest.raises(UsageError, match=r"there are 200 positions; use fewer frames"):
        Hierarchical(HierarchicalConfig(width=2, layers=1, stride=1), undrawn(NTU25, frames=300))
    network = Hierarchical(HierarchicalConfig(width=2, layers=1, dropout=0.2), undrawn(NTU25, frames=20))
    with pytest.raises(Unbound, match=r"backbone\.dropout"):
        network(torch.zeros(1, 20, 25, 3), torch.ones(1, 20, dtype=torch.bool))
