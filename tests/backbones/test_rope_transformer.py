"""SLiM's backbone beyond what is recorded: lengths, hidden tokens, levels."""

from __future__ import annotations

import pytest
import torch
from undrawn_clips import undrawn

from sslskel.api.skeleton import NTU25
from sslskel.backbones.rope_transformer import RopeTransformer, RopeTransformerConfig
from sslskel.errors import UsageError


def network(depth: int = 5, **more: int) -> RopeTransformer:
    torch.manual_seed(0)
    config = RopeTransformerConfig(dim=8, depth=depth, heads=2, segment=4, **more)
    return RopeTransformer(config, undrawn(NTU25, 16)).double()


def test_any_number_of_segments_is_read() -> None:
    read, tracks = network(), torch.randn(2, 16, 25, 3, dtype=torch.float64)
    for frames in (4, 8, 16):
        features = read(tracks[:, :frames])
        assert features.grid.shape == (2, frames // 4, 25, 8)


def test_hidden_tokens_hold_nothing_of_the_tracks() -> None:
    read, tracks = network(), torch.randn(2, 16, 25, 3, dtype=torch.float64)
    hidden, filler = torch.zeros(2, 100, dtype=torch.bool), torch.ones(1, 8, dtype=torch.float64)
    hidden[:, 25:50] = True
    other = tracks.clone()
    other[:, 4:8] += 1
    assert torch.equal(read.hiding(tracks, hidden, filler).grid, read.hiding(other, hidden, filler).grid)
    assert not torch.allclose(read(tracks).grid, read(other).grid)


@pytest.mark.parametrize(("depth", "kept"), [(5, 4), (2, 2)])
def test_levels(depth: int, kept: int) -> None:
    read, tokens = network(depth), []
    for block in read.blocks:
        block.register_forward_hook(lambda module, inputs, output: tokens.append(read.norm(output[:, 0])))
    features = read(torch.randn(3, 16, 25, 3, dtype=torch.float64))
    mean, last = features.grid.mean((1, 2)), torch.cat(tokens[-kept:], -1)
    wanted = {
        "token_and_mean": torch.cat([tokens[-1], mean], -1),
        "last_tokens": last,
        "last_tokens_and_mean": torch.cat([last, mean], -1),
    }
    assert dict(read.levels) == {name: value.shape[1] for name, value in wanted.items()}
    for name, value in wanted.items():
        torch.testing.assert_close(features.levels[name], value, rtol=0, atol=1e-12)


def test_it_turns_pairs_of_numbers() -> None:
    with pytest.raises(UsageError, match=r"backbone\.dim=12 is not divisible by twice backbone\.heads=4"):
        RopeTransformerConfig(dim=12, heads=4)
