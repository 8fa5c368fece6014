"""SkeletonMAE of Wu et al. after its description: what is hidden, what the loss counts, and where values stand."""

from __future__ import annotations

import pytest
import torch
from small_methods import Small, small

from sslskel.errors import UsageError
from sslskel.methods.skeletonmae_wu import SkeletonMAEWu, SkeletonMAEWuConfig, hidden_error, share_of


def mae(**options: object) -> tuple[Small, SkeletonMAEWu]:
    made = small("skeletonmae_wu", **options)  # type: ignore[arg-type]
    assert isinstance(made.method, SkeletonMAEWu)
    return made, made.method


def test_joints_are_hidden_in_all_frames_and_frames_with_all_joints() -> None:
    made, method = mae(hidden_joints=0.2, hidden_frames=0.25)
    draws = made.noise.view(0).on(made.views[0])
    hidden = method.hidden(draws, 24, 25)
    assert (hidden.all(1).sum(1) == 5).all()
    assert (hidden.all(2).sum(1) == 6).all()
    assert (hidden.sum((1, 2)) == 24 * 25 - 18 * 20).all()
    assert len({tuple(row.flatten().tolist()) for row in hidden}) == len(hidden)
    assert [share_of(*one) for one in ((0.0, 25), (0.01, 25), (0.99, 25), (0.5, 4))] == [0, 1, 24, 2]


def test_the_loss_is_of_hidden_values_alone() -> None:
    predicted = torch.ones(2, 3, 4, 2)
    wanted = torch.zeros(2, 3, 4, 2, requires_grad=True)
    hidden = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    term = hidden_error(predicted, wanted, hidden)
    term.total.backward()  # type: ignore[no-untyped-call]
    assert wanted.grad is not None
    assert torch.equal(wanted.grad.any(3), hidden)
    assert (term.total / term.count).item() == 1
    nothing = hidden_error(predicted, wanted, torch.zeros_like(hidden))
    assert (nothing.total.item(), int(nothing.count)) == (0, 0)


def test_what_is_hidden_does_not_reach_the_network() -> None:
    made, method = mae()
    batch = made.views[0]
    hidden = method.hidden(made.noise.view(0).on(batch), 24, 25) & batch.valid[..., None]
    seen = []
    method.tower.maps, maps = lambda one: seen.append(one.tracks) or maps(one), method.tower.maps  # type: ignore[method-assign,func-returns-value]
    method.point.data.fill_(7.0)
    made.output()
    assert (seen[0][hidden] == 7).all()
    assert torch.equal(seen[0][~hidden], batch.tracks[~hidden])
    made.term("masked").backward()  # type: ignore[no-untyped-call]
    assert method.point.grad is not None


def test_a_value_is_predicted_from_the_feature_of_its_joint_and_frames() -> None:
    made, method = mae(backbone="st_gcn", decoder_depth=1)
    batch = made.views[0]
    grid = method.tower.maps(batch).detach()
    for at, joint in ((0, 3), (5, 20)):
        other = grid.clone()
        other[:, at, joint] += 1.0
        outputs = []
        for one in (grid, other):
            method.tower.maps = lambda _, one=one: one  # type: ignore[method-assign,misc]
            method.decoder = torch.nn.Sequential()
            outputs.append(method.predicted(batch))
        changed = (outputs[0] != outputs[1]).any(3).any(0)
        assert changed.nonzero().tolist() == [[frame, joint] for frame in range(4 * at, 4 * at + 4)]


def test_persons_side_by_side_are_predicted_side_by_side() -> None:
    made, method = mae(backbone="bigru")
    assert (method.steps, method.parts, method.joints) == (24, 1, 50)
    assert method.predicted(made.views[0]).shape == (6, 24, 50, 3)
    batch = made.views[0]
    hidden = method.hidden(made.noise.view(0).on(batch), 24, 25) & batch.valid[..., None]
    assert int(made.output().terms["masked"].count) == int(hidden.sum()) * 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden_joints": 1.0}, "method.hidden_joints is 1.0; it must be in [0, 1)"),
        ({"hidden_joints": 0.0, "hidden_frames": 0.0}, "are 0, so that nothing is hidden; raise one of them"),
        ({"decoder_depth": 0}, "method.decoder_depth is 0; it must be at least 1"),
        ({"decoder_heads": 5}, "method.decoder_dim=64 is not divisible by method.decoder_heads=5"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        SkeletonMAEWuConfig(**options)  # type: ignore[arg-type]
    assert words in str(fault.value)
