"""LongT GAN after its description: what is hidden alone is filled in, and the two optimisers stay apart."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from small_methods import Small, small
from torch import Tensor

from sslskel.checks.fixtures import dataset_info, make_source
from sslskel.checks.method_case import only, output_of
from sslskel.config.groups import EngineConfig, Optimiser, TrainConfig
from sslskel.engine.train import pretrain
from sslskel.errors import UsageError
from sslskel.methods.longt_gan import LongTGAN, LongTGANConfig


def gan(**options: float) -> tuple[Small, LongTGAN]:
    made = small("longt_gan", **options)
    assert isinstance(made.method, LongTGAN)
    return made, made.method


def filled(made: Small, method: LongTGAN) -> tuple[Tensor, Tensor, Tensor]:
    """The clips, what was hidden of them, and what was made of them."""
    batch = made.views[0]
    hidden = method.hidden(made.noise.view(0).on(batch), batch.tracks.shape)
    return batch.tracks, hidden.expand_as(batch.tracks), method.restored(batch, hidden, made.noise.view(0))


def test_what_is_not_hidden_stays_exactly_as_it_was() -> None:
    made, method = gan()
    true, hidden, restored = filled(made, method)
    valid = made.views[0].valid[..., None, None].expand_as(true)
    assert torch.equal(restored[~hidden | ~valid], true[~hidden | ~valid])
    assert not bool((restored == true)[hidden & valid].any())


def test_the_shares_of_joints_and_frames_are_hidden_in_one_stretch() -> None:
    made, method = gan(hidden_joints=0.2, hidden_frames=0.25)
    _, hidden, _ = filled(made, method)
    assert (hidden.any(1).sum((1, 2)) == 3 * 5).all()
    frames = hidden.any(3).any(2)
    assert (frames.sum(1) == 6).all()
    assert (frames.diff(dim=1).sum(1) <= 2).all()
    assert len({tuple(row) for row in frames.tolist()}) > 1


def test_what_is_hidden_does_not_reach_the_decoder() -> None:
    made, method = gan(hidden_joints=1.0, hidden_frames=1.0)
    true, hidden, restored = filled(made, method)
    made.views[0] = made.views[0]._replace(tracks=true + 5.0)
    _, _, other = filled(made, method)
    assert bool(hidden.all())
    valid = made.views[0].valid[..., None, None].expand_as(true)
    torch.testing.assert_close(restored[valid], other[valid])


def test_a_critic_that_cannot_tell_loses_two_log_two() -> None:
    made, method = gan()
    for parameter in method.critic.verdict.parameters():
        parameter.data.zero_()
    assert made.term("critic.tell").item() == pytest.approx(2 * math.log(2))
    assert made.term("generator.deceive").item() == pytest.approx(0.01 * math.log(2))


@pytest.mark.parametrize("at", [0, 1])
def test_each_turn_gives_gradients_to_its_own_parameters_alone(at: int) -> None:
    made, method = gan()
    turn = method.turns()[at]
    own = {id(p) for group in turn.groups for p in group["params"]}
    with only(method, turn):
        output_of(method, turn.name, made.views, made.noise, 0).loss().backward()  # type: ignore[no-untyped-call]
    assert {id(p) for p in method.parameters() if p.grad is not None} == own
    others = {id(p) for group in method.turns()[1 - at].groups for p in group["params"]}
    assert own.isdisjoint(others)
    assert own | others == {id(p) for p in method.parameters()}


def trained(method: LongTGAN, folder: Path) -> LongTGAN:
    source = make_source(dataset_info(), 6, method.clip)
    train = TrainConfig(epochs=2, batch_size=3, optimiser=Optimiser.adam, lr=1e-2, warmup_epochs=0)
    pretrain(method, source, train, EngineConfig(device="cpu"), 0, folder, {"identity": "x"})
    return method


@pytest.mark.long
def test_without_its_weight_the_critic_does_not_change_what_the_encoder_learns(tmp_path: Path) -> None:
    for weight, equal in ((0.0, True), (1.0, False)):
        _, first = gan(deceive=weight)
        second = copy.deepcopy(first)
        second.critic.apply(lambda part: part.reset_parameters() if hasattr(part, "reset_parameters") else None)
        states = [
            trained(one, tmp_path / f"{weight} {at}").encoder.state_dict() for at, one in enumerate((first, second))
        ]
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0]) is equal


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden_joints": 0.0}, "method.hidden_joints is 0.0; it must be in (0, 1]"),
        ({"critic_dim": 0}, "method.critic_dim is 0; it must be at least 1"),
        ({"critic_lr": 0.0}, "method.critic_lr is 0.0; it must be in (0, 1)"),
        ({"deceive": -1.0}, "method.deceive is -1.0; it must be a number from 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        LongTGANConfig(**options)  # type: ignore[arg-type]
    assert words in str(fault.value)
