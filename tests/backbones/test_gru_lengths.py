"""Where clips end for ``gru_lengths``: padding and gaps are not read, whichever kind it is."""

from __future__ import annotations

import pytest
import torch
from undrawn_clips import star, undrawn

from sslskel.backbones.gru_lengths import GruKind, GruLengths, GruLengthsConfig
from sslskel.nn.gru import SteppedPairs
from sslskel.nn.original_gru import OriginalBiGru

CLIP = undrawn(star(4), frames=7, persons=2)


@pytest.mark.parametrize("kind", GruKind)
@torch.no_grad()
def test_a_gap_is_closed_and_padding_ends_the_clip(kind: GruKind) -> None:
    torch.manual_seed(0)
    network = GruLengths(GruLengthsConfig(hidden=3, layers=2, kind=kind), CLIP)
    whole = torch.randn(1, 7, 8, 3)
    valid = torch.ones(1, 7, 2, dtype=torch.bool)
    valid[:, 2], valid[:, 5:] = False, False
    features = network(whole, valid)
    left = [0, 1, 3, 4]
    short = network(whole[:, left], valid[:, left])
    assert features.token is not None
    assert short.token is not None
    torch.testing.assert_close(features.token, short.token)
    torch.testing.assert_close(features.grid[:, left], short.grid)
    assert not bool(features.grid[:, [2, 5, 6]].any())
    last, first = short.grid[:, -1, 0], short.grid[:, 0, 0]
    ends = last if kind is GruKind.stepped else torch.cat([last[:, :3], first[:, 3:]], 1)
    torch.testing.assert_close(short.token, ends)
    empty = network(whole, torch.zeros_like(valid))
    assert empty.token is not None
    assert not bool(empty.token.any())


def test_the_kinds_are_other_networks() -> None:
    kinds = {kind: type(GruLengths(GruLengthsConfig(hidden=2, kind=kind), CLIP).gru) for kind in GruKind}
    assert kinds == {GruKind.original: OriginalBiGru, GruKind.stepped: SteppedPairs}
