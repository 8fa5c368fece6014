"""Attention with hidden tokens and dropout of keyed noise: what is hidden does not matter, draws belong to rows."""

from __future__ import annotations

import pytest
import torch
from undrawn_clips import undrawn

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.api.unbound import Unbound
from sslskel.backbones.global_local import GlobalLocal, GlobalLocalConfig
from sslskel.nn.masked_attention import Dropout, MaskedAttention


def rows(*shape: int) -> torch.Tensor:
    return Noise(0).normal("rows", shape, "batch", torch.float64)


def noise_of(clips: int, step: int = 0) -> Noise:
    return Noise(1, step).on(Batch.from_dense(torch.ones(clips, 3, 2, 1, 1)))


def attention() -> MaskedAttention:
    torch.manual_seed(0)
    return MaskedAttention(6, 2, 4, bias=False).double()


def test_hidden_tokens_do_not_matter_and_written_out_attention_is_the_same() -> None:
    x, network = rows(3, 5, 6), attention()
    hidden = torch.zeros(3, 1, 1, 5, dtype=torch.bool)
    hidden[1, ..., 3:] = True
    other = x.clone()
    other[1, 3:] += 1
    seen, changed = network(x, hidden), network(other, hidden)
    torch.testing.assert_close(seen[1, :3], changed[1, :3])
    torch.testing.assert_close(seen[1, :3], network(x[1:2, :3])[0])
    assert not torch.allclose(seen[1, :3], network(x)[1, :3])
    # A rate that drops next to nothing takes the path that writes attention out.
    torch.testing.assert_close(network(x, hidden, Dropout(1e-12, noise_of(3), 3), "weights"), seen)


def test_a_row_that_sees_nothing_is_finite() -> None:
    assert torch.isfinite(attention()(rows(2, 4, 6), torch.ones(2, 1, 1, 4, dtype=torch.bool))).all()


def test_dropout_is_of_a_row_whatever_is_beside_it() -> None:
    x = torch.ones(6, 400, dtype=torch.float64)
    dropped = Dropout(0.25, noise_of(3), 3)(x, "here")
    assert torch.equal(dropped[:2], Dropout(0.25, noise_of(1), 1)(x[:2], "here"))
    assert 0.6 < float((dropped > 0).double().mean()) < 0.9
    assert dropped.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    paths = Dropout(0.0, noise_of(64), 64).paths(torch.ones(64, 3), 0.5, "path")
    assert {tuple(row) for row in paths.tolist()} == {(0.0, 0.0, 0.0), (2.0, 2.0, 2.0)}
    assert Dropout(0.5, None, 3)(x, "here") is x


def test_a_training_pass_needs_noise_and_depends_on_nothing_else() -> None:
    torch.manual_seed(0)
    config = GlobalLocalConfig(width=2, depth=2, heads=2, dropout=0.2, drop_path=0.2)
    network = GlobalLocal(config, undrawn(NTU25, frames=6)).double()
    clips, valid = rows(3, 6, 50, 3), torch.ones(3, 6, 2, dtype=torch.bool)
    with pytest.raises(Unbound, match=r"backbone\.dropout"):
        network(clips, valid)
    seen = []
    for step in (0, 0, 1):
        network.bind(noise_of(3, step))
        seen.append(network(clips, valid))
    assert torch.equal(seen[0], seen[1])
    assert not torch.allclose(seen[0], seen[2])
    network.set_drop_path(0.0)
    network.dropout = 0.0
    torch.testing.assert_close(network(clips, valid), network.eval()(clips, valid))
