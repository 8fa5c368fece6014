"""GFP after its description: 251 targets, of which stretch each is, and what keeps them apart."""

from __future__ import annotations

import pytest
import torch
from small_masked import clip_spec
from small_methods import Small, small

from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.errors import UsageError
from sslskel.methods.gfp import GFP, GFPConfig, guard, levels


def gfp(**options: object) -> tuple[Small, GFP]:
    made = small("gfp", **options)  # type: ignore[arg-type]
    assert isinstance(made.method, GFP)
    return made, made.method


def rows(count: int, dim: int) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_there_are_251_targets_at_full_size() -> None:
    config = GFPConfig(target_hidden=8, global_hidden=8, target_dim=8, decoder_dim=8, decoder_heads=2)
    clip = clip_spec(frames=120, joints=25)
    method = GFP(config, lambda spec: Transformer(TransformerConfig(dim=16, depth=1, heads=2), spec), clip)
    made = method.decoder(torch.zeros(2, 74, 16), torch.arange(750).expand(2, -1))
    assert [tuple(one.shape) for one in made] == [(2, 150, 8), (2, 75, 8), (2, 25, 8), (2, 1, 8)]
    assert sum(one.shape[1] for one in made) == 251


@pytest.mark.parametrize(
    ("segments", "numbers"), [(30, [6, 3, 1]), (18, [6, 3, 1]), (15, [5, 1]), (4, [4, 2, 1]), (1, [1])]
)
def test_stretches_of_a_level_divide_those_before(segments: int, numbers: list[int]) -> None:
    assert levels(segments, [6, 3, 1]) == numbers


def test_a_target_is_of_the_motion_of_its_joint_in_its_stretch() -> None:
    made, method = gfp()
    batch = made.views[0]
    before = method.targets(batch)
    other = batch.tracks.clone()
    other[:, 10, 7] += 1.0  # the motion of frames 9 and 10: of stretches 2 of 6, 1 of 3, 0 of 1
    changed = [
        (one != two).any(-1).any(0).nonzero()[:, 0].tolist()
        for one, two in zip(before, method.targets(batch._replace(tracks=other)), strict=True)
    ]
    assert changed == [[2 * 25 + 7], [25 + 7], [7], [0]]
    for one, two in zip(before, method.targets(batch._replace(tracks=batch.tracks + 2.0)), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)


def test_what_is_predicted_of_a_stretch_stands_where_its_target_stands() -> None:
    _, method = gfp()
    method.decoder.stages = torch.nn.ModuleList(torch.nn.Sequential() for _ in method.decoder.stages)
    order = torch.randperm(150, generator=torch.Generator().manual_seed(0))[None]
    seen = torch.randn(1, 150, 16, generator=torch.Generator().manual_seed(1))
    before, other = method.decoder(seen, order), seen.clone()
    other[:, (order[0] == 2 * 25 + 7).nonzero()[0]] += 1.0
    after = method.decoder(other, order)
    changed = [(one != two).any(-1).any(0).nonzero()[:, 0].tolist() for one, two in zip(before, after, strict=True)]
    assert changed == [[2 * 25 + 7], [25 + 7], [7], [0]]


def test_the_guard_is_zero_for_spread_and_independent_targets_and_full_for_equal_ones() -> None:
    apart = torch.linalg.qr(rows(40, 5) - rows(40, 5).mean(0)).Q * 39**0.5
    assert guard(apart).variance.item() == 0
    assert guard(apart).covariance.item() == pytest.approx(0, abs=1e-12)
    equal = guard(torch.ones(9, 4))
    assert (equal.variance.item(), equal.covariance.item()) == pytest.approx((0.99, 0.0))
    covariance = torch.cov(rows(20, 3).T)
    beside = covariance - covariance.diagonal().diag()
    torch.testing.assert_close(guard(rows(20, 3)).covariance, beside.square().sum() / 3)
    torch.testing.assert_close(
        guard(0.5 * rows(20, 3)).variance, (1 - (0.25 * covariance.diagonal() + 1e-4).sqrt()).relu().mean()
    )


def test_every_part_learns_and_the_loss_is_of_all_targets_together() -> None:
    made, method = gfp()
    made.output().loss().backward()  # type: ignore[no-untyped-call]
    assert [name for name, p in method.named_parameters() if p.grad is None or not p.grad.any()] == []
    shown: list[list[torch.Tensor]] = []
    method.decoder.register_forward_hook(lambda *_: shown.append(_[2]))
    loss = made.term("predict")
    made_all, wanted = torch.cat(shown[0], 1), torch.cat(method.targets(made.views[0]), 1)
    torch.testing.assert_close(loss, 5 * (made_all - wanted).square().mean())


def test_what_is_hidden_reaches_targets_alone() -> None:
    made, method = gfp(tau=0.0)
    shown: list[list[torch.Tensor]] = []
    method.decoder.register_forward_hook(lambda *_: shown.append(_[2]))
    batch = made.views[0]
    order = method.seen.order(batch, made.noise.view(0).on(batch))
    made.output()
    hidden = int(order[0, -1])
    other = batch.tracks.clone()
    other[0, 4 * (hidden // 25) : 4 * (hidden // 25) + 4, hidden % 25] += 1.0
    made.views[0] = batch._replace(tracks=other)
    made.output()
    assert all(torch.equal(one, two) for one, two in zip(shown[0], shown[1], strict=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask_ratio": 1.0}, "method.mask_ratio is 1.0; it must lie between 0 and 1"),
        ({"parts": [3, 6]}, "method.parts is [3, 6]; it must be falling numbers from 1 on, at least one"),
        ({"target_dim": 0}, "method.target_dim is 0; it must be at least 1"),
        ({"decoder_heads": 7}, "method.decoder_dim=256 is not divisible by method.decoder_heads=7"),
        ({"variance": -1.0}, "method.variance is -1.0; it must be a number from 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        GFPConfig(**options)  # type: ignore[arg-type]
    assert words in str(fault.value)
