"""AMR after its description: what moves counts more, queries see what is seen alone, and there are few of them."""

from __future__ import annotations

import pytest
import torch
from small_masked import clip_spec
from small_methods import Small, small

from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.errors import UsageError
from sslskel.methods.amr import AMR, AMRConfig, CrossBlock, emphasis, energy
from sslskel.nn.token_masks import normalise_tokens


def amr(**options: object) -> tuple[Small, AMR]:
    made = small("amr", **options)  # type: ignore[arg-type]
    assert isinstance(made.method, AMR)
    return made, made.method


def walk(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).cumsum(1)


def test_there_are_125_patches_of_24_frames_at_full_size() -> None:
    clip = clip_spec(frames=120, joints=25)
    method = AMR(AMRConfig(), lambda spec: Transformer(TransformerConfig(dim=16, depth=1, heads=2), spec), clip)
    assert (method.seen.tokens, method.stretches * method.seen.joints, method.frames) == (750, 125, 24)
    assert method.decoder(torch.zeros(2, 75, 16)).shape == (2, 125, 72)


def test_energy_is_the_variance_within_the_windows_of_a_frame() -> None:
    tracks = walk(2, 10, 3, 2)
    found = energy(tracks, [4, 8])
    for frame, (short, long) in {1: ((0, 4), (0, 8)), 6: ((4, 8), (0, 8)), 9: ((8, 10), (8, 10))}.items():
        each = [tracks[:, slice(*one)].var(1, correction=0).sum(-1) for one in (short, long)]
        torch.testing.assert_close(found[:, frame], (each[0] + each[1]) / 2)
    torch.testing.assert_close(energy(tracks + 3.0, [4, 8]), found, rtol=1e-4, atol=1e-5)
    assert not energy(tracks[:, :1].expand_as(tracks), [4, 8]).any()


def test_what_moves_more_counts_more_whatever_the_unit() -> None:
    moved = energy(walk(2, 12, 5, 3), [4])
    weights = emphasis(moved, 2.0)
    assert torch.equal(weights.flatten(1).argsort(1), moved.flatten(1).argsort(1))
    torch.testing.assert_close(emphasis(moved * 100, 2.0), weights, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(emphasis(torch.ones(1, 4, 2), 3.0), torch.full((1, 4, 2), 0.25))
    assert torch.equal(emphasis(moved, 0.0), torch.ones_like(moved))


def test_without_emphasis_the_loss_is_the_mean_squared_error_of_motion() -> None:
    made, method = amr(emphasis=0.0, reduction=3)
    tracks = made.views[0].tracks
    shown: list[torch.Tensor] = []
    method.decoder.register_forward_hook(lambda *_: shown.append(_[2]))
    loss = made.term("masked")
    assert method.frames == 12
    moved = torch.zeros_like(tracks)
    moved[:, :-1] = tracks[:, 1:] - tracks[:, :-1]
    wanted = torch.stack(
        [moved[:, 12 * at : 12 * at + 12, joint].flatten(1) for at in (0, 1) for joint in range(25)], 1
    )
    torch.testing.assert_close(loss, (shown[0] - normalise_tokens(wanted)).square().mean())


def test_the_weight_of_a_value_is_that_of_its_joint_and_frame() -> None:
    made, method = amr(reduction=3)
    moved = emphasis(energy(made.views[0].tracks, [4, 8, 12]), 1.0)
    weights = method.weights(made.views[0])
    assert torch.equal(weights[:, 25 + 3].reshape(-1, 12, 3), moved[:, 12:, 3, None].expand(-1, -1, 3))


def test_queries_do_not_see_each_other_and_what_is_seen_has_no_order() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block = CrossBlock(8, 2)
    queries, seen = walk(2, 5, 8), walk(2, 4, 8)
    made = block(queries, seen)
    other = queries.clone()
    other[:, 0] += 1.0
    assert torch.equal(block(other, seen)[:, 1:], made[:, 1:])
    torch.testing.assert_close(block(queries, seen.flip(1)), made)
    seen[:, 0, 0] += 5.0
    assert not torch.allclose(block(queries, seen), made, atol=1e-2)


def test_tokens_are_hidden_at_random() -> None:
    made, method = amr()
    batch, draws = made.views[0], made.noise.view(0).on(made.views[0])
    still = batch._replace(tracks=torch.zeros_like(batch.tracks))
    assert torch.equal(method.seen.order(batch, draws), method.seen.order(still, draws))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask_ratio": 1.0}, "method.mask_ratio is 1.0; it must lie between 0 and 1"),
        ({"emphasis": -1.0}, "method.emphasis is -1.0; it must be a number from 0"),
        ({"windows": [4, 1]}, "method.windows is [4, 1]; it must be numbers of frames from 2, at least one"),
        ({"reduction": 0}, "method.reduction is 0; it must be at least 1"),
        ({"decoder_heads": 7}, "method.decoder_dim=256 is not divisible by method.decoder_heads=7"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        AMRConfig(**options)  # type: ignore[arg-type]
    assert words in str(fault.value)
