"""Which tokens are hidden: how they move, how many are seen, and what of a clip reaches the network."""

from __future__ import annotations

import pytest
import torch
from small_masked import clip_spec, dense

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.backbones.bigru import BiGru
from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.errors import UsageError
from sslskel.nn.token_masks import SeenTokens, equal_parts, motion_intensity, normalise_tokens, placed


def seen_tokens(mask_ratio: float = 0.6, tau: float = 0.0) -> SeenTokens:
    clip = clip_spec()
    return SeenTokens(Transformer(TransformerConfig(dim=16, depth=2, heads=2), clip), clip, "mine", mask_ratio, tau)


def test_intensity_is_the_mean_change_over_a_segment() -> None:
    tracks = torch.zeros(1, 12, 2, 3)
    tracks[0, 4:8, 1] = 2.0
    assert motion_intensity(tracks, 4).reshape(3, 2).tolist() == [[0, 2], [0, 2], [0, 2]]


def test_normalised_tokens() -> None:
    tokens = torch.randn(2, 7, 12, generator=torch.Generator().manual_seed(0)) * 5 + 3
    normal = normalise_tokens(tokens)
    torch.testing.assert_close(normal.mean(-1), torch.zeros(2, 7), rtol=0, atol=1e-5)
    torch.testing.assert_close(normal.std(-1), torch.ones(2, 7), rtol=1e-4, atol=0)
    assert not normalise_tokens(torch.zeros(1, 1, 12)).any()


@pytest.mark.parametrize(
    ("segments", "most", "parts"), [(30, 6, 6), (30, 7, 6), (15, 6, 5), (7, 6, 1), (4, 6, 4), (6, 0, 1)]
)
def test_equal_parts_divide_and_are_as_many_as_may_be(segments: int, most: int, parts: int) -> None:
    assert equal_parts(segments, most) == parts


def test_rows_of_a_table_are_placed_by_their_ids() -> None:
    table = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[4, 0], [1, 1]])
    assert torch.equal(placed(table, ids), table[ids])


def test_every_token_is_once_in_the_order_and_a_share_of_them_is_kept() -> None:
    seen, batch = seen_tokens(), Batch.from_dense(dense(clip_spec()))
    order = seen.order(batch, Noise(0).on(batch))
    assert torch.equal(order.sort(-1).values, torch.arange(seen.tokens).expand_as(order))
    assert (seen.tokens, seen.kept) == (10, 4)
    assert len({tuple(row) for row in order.tolist()}) > 1


def test_what_is_hidden_does_not_reach_the_network() -> None:
    seen, batch = seen_tokens(), Batch.from_dense(dense(clip_spec()))
    keep = torch.tensor([0, 3, 7]).expand(len(batch.tracks), -1)
    other = batch.tracks.clone()
    other[:, 4:, 1] += 1.0  # token 6
    assert torch.equal(seen(batch.tracks, keep), seen(other, keep))
    other[:, :4, 3] += 1.0  # token 3
    assert not torch.equal(seen(batch.tracks, keep), seen(other, keep))


def test_a_joint_that_a_body_lacks_comes_last() -> None:
    seen, batch = seen_tokens(0.8, tau=0.8), Batch.from_dense(dense(clip_spec()))
    known = torch.ones(len(batch.tracks), 5, dtype=torch.bool)
    known[:, 2] = False
    batch = batch._replace(known=known)
    order = seen.order(batch, Noise(0).on(batch))
    assert (order[:, -2:] % 5 == 2).all()
    with pytest.raises(UsageError, match=r"method.mask_ratio=0.1 keeps 9 tokens, but the body that lacks most joints"):
        seen_tokens(0.1).known(batch)


def test_what_leaves_nothing_to_hide_or_to_see_is_refused() -> None:
    clip = clip_spec()
    with pytest.raises(UsageError, match=r"mine hides single tokens, which backbone BiGru does not offer"):
        SeenTokens(BiGru(BiGru.Config(hidden=8, layers=1), clip), clip, "mine", 0.5, 0.0)
    with pytest.raises(UsageError, match=r"method.mask_ratio=0.99 keeps none of the 10 tokens of clip.frames=8"):
        seen_tokens(0.99)
