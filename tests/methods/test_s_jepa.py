"""S-JEPA after its description: the two encoders, what each sees, the centre, and the entropy of features."""

from __future__ import annotations

import copy

import pytest
import torch
from small_methods import Small, small

from sslskel.checks.method_case import step_at
from sslskel.errors import UsageError
from sslskel.methods.s_jepa import SJEPA, SJEPAConfig, feature_entropy

STILL = {"turn": 0.0, "shift": 0.0, "flip": 0.0}


def jepa(**options: object) -> tuple[Small, SJEPA]:
    made = small("s_jepa", **options)  # type: ignore[arg-type]
    assert isinstance(made.method, SJEPA)
    return made, made.method


def test_the_entropy_is_least_where_both_logits_agree() -> None:
    target = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    same = target.clone().requires_grad_()
    loss = feature_entropy(same, target)
    loss.sum().backward()
    assert same.grad is not None
    assert float(same.grad.abs().max()) < 1e-12
    probabilities = target.softmax(-1)
    torch.testing.assert_close(loss, -(probabilities * probabilities.log()).sum(-1))
    assert (feature_entropy(target.flip(-1), target) > loss).all()


def test_the_view_is_moved_as_a_rigid_body_and_missing_frames_stay_zero() -> None:
    made, method = jepa(shift=0.5)
    batch = made.views[0]
    tracks = batch.tracks.clone()
    tracks[:, -3:] = 0
    batch = batch._replace(tracks=tracks)
    moved = method.moved(batch, made.noise.view(1)).tracks
    assert not moved[:, -3:].any()
    torch.testing.assert_close(torch.cdist(moved, moved), torch.cdist(tracks, tracks), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(moved, tracks, atol=0.1)


def test_a_mirrored_view_has_the_other_sign_along_x_alone() -> None:
    made, method = jepa(turn=0.0, shift=0.0, flip=1.0)
    tracks = made.views[0].tracks
    moved = method.moved(made.views[0], made.noise.view(1)).tracks
    torch.testing.assert_close(moved, tracks * torch.tensor([-1.0, 1.0, 1.0]))


def test_persons_of_a_clip_are_moved_alike() -> None:
    made, method = jepa(turn=0.0, shift=1.0)
    batch = made.views[0]
    [clip] = (batch.owner.bincount() == 2).nonzero()[:1, 0].tolist()
    first, second = (batch.owner == clip).nonzero()[:, 0].tolist()
    tracks = batch.tracks.clone()
    tracks[second] = tracks[first]
    moved = method.moved(batch._replace(tracks=tracks), made.noise.view(1)).tracks
    assert torch.equal(moved[first], moved[second])


def test_the_teacher_sees_the_whole_clip_as_it_is() -> None:
    made, method = jepa()
    seen: list[torch.Tensor] = []
    method.teacher.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    made.output()
    assert torch.equal(seen[0], made.views[0].tracks)


def test_hidden_tokens_are_compared_with_the_features_of_their_own_place() -> None:
    made, method = jepa(**STILL)
    batch, draws = made.views[0], made.noise.view(0).on(made.views[0])
    order = method.seen.order(batch, draws)
    predicted = method.predictor(method.seen(batch.tracks, order[:, : method.seen.kept]), order)
    features = method.teacher.network(batch.tracks).flatten(1, 2)
    own = torch.stack([row[ids] for row, ids in zip(features, order[:, method.seen.kept :], strict=True)])
    torch.testing.assert_close(made.term("predict"), feature_entropy(predicted / 0.1, own / 0.06).mean())


def test_the_teacher_has_no_gradient_and_follows() -> None:
    made, method = jepa(momentum=0.5)
    made.term("predict").backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in method.teacher.parameters())
    assert all(p.grad is not None for p in method.seen.parameters())
    before = [p.clone() for p in method.teacher.network.parameters()]
    for parameter in method.seen.backbone.parameters():
        parameter.data += 1.0
    method.on_step_start(step_at(0), made.noise)
    for old, new in zip(before, method.teacher.network.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.5)
    method.on_step_start(step_at(50), made.noise)
    for old, new in zip(before, method.teacher.network.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.5)


def test_the_centre_follows_the_mean_target_and_takes_away_what_all_have_in_common() -> None:
    made, method = jepa(dtype=torch.float64, momentum=1.0)
    with torch.no_grad():
        method.teacher.network.norm.bias += 3.0  # type: ignore[operator, union-attr]
    before = copy.deepcopy(method).centre
    made.output()
    mean = method.sums[:-1] / method.sums[-1]
    method.on_step_end(step_at(), made.noise)
    torch.testing.assert_close(method.centre, 0.9 * before + 0.1 * mean)
    assert float((mean - 3.0).abs().max()) < 2
    loss = made.term("predict")
    with torch.no_grad():
        method.teacher.network.norm.bias += torch.arange(16)  # type: ignore[operator, union-attr]
        method.centre += torch.arange(16)
    torch.testing.assert_close(made.term("predict"), loss)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask_ratio": 0.0}, "method.mask_ratio is 0.0; it must lie between 0 and 1"),
        ({"predictor_depth": 0}, "method.predictor_depth is 0; it must be at least 1"),
        ({"predictor_heads": 7}, "method.predictor_dim=256 is not divisible by method.predictor_heads=7"),
        ({"shift": -1.0}, "method.shift is -1.0; it must be a number from 0"),
        ({"flip": 2.0}, "method.flip is 2.0; it must be in [0, 1]"),
        ({"temperature": 0.0}, "method.temperature is 0.0; it must be positive"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        SJEPAConfig(**options)  # type: ignore[arg-type]
    assert words in str(fault.value)
