"""Skeleton2vec against recorded runs of the released code: masks, targets, a training, features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import close
from released_skeleton2vec import (
    UNUSED,
    batch_of,
    by_person,
    in_their_shape,
    our_name,
    put,
    recorded_draws,
)
from replays import Made, made, spied, train
from torch import Tensor

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.engine.guard import StepGuard
from sslskel.engine.schedule import learning_rate

FIDELITIES = ("released", "paper")
SEEDS = pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])


def case_of(shared: Path, seed: int) -> Recorded:
    return Recorded(shared / "golden_more" / f"skeleton2vec_seed{seed}.npz")


def part(case: Recorded, prefix: str) -> dict[str, Tensor]:
    """A recorded network's arrays."""
    return {name: value for name, value in case.group(prefix).items() if name != UNUSED}


def recorded_run(case: Recorded) -> Made:
    """The method with the recorded sizes and weights."""
    config = case.config
    options = {
        "engine.device": "cpu",
        "clip.frames": config["T"],
        "backbone.dim": config["dim"],
        "backbone.depth": config["depth"],
        "backbone.heads": config["heads"],
        "backbone.segment": config["segment"],
        "backbone.drop_path": config["drop_path"],
        "backbone.layer_scale": config["layer_scale"],
        "method.masking": config["strategy"],
        "method.mask_ratio": config["mask_ratio"],
        "method.tube": config["tube"],
        "method.views": config["views"],
        "method.target_layers": config["topk"],
        "method.target_norm": config["norm"].removesuffix("_norm"),
        "method.momentum": config["d0"],
        "method.last_momentum": config["d1"],
        "method.momentum_steps": config["anneal"],
        "method.decoder_depth": config["ddepth"],
        "method.decoder_dim": config["ddim"],
        "method.decoder_heads": config["heads"],
        "method.decoder_drop_path": config["drop_path"],
        "method.decoder_layer_scale": config["layer_scale"],
        "train.batch_size": config["N"],
        "train.clip_norm": config["clip"],
        "train.schedule": "constant",
        "train.warmup_epochs": 0,
        "train.epochs": config["steps"],
    }
    run = made("skeleton2vec", *(f"{name}={value}" for name, value in options.items()))
    with torch.no_grad():
        put(run.method.state_dict(), part(case, "state/auto_encoder."))
        put(taught(run), encoder_alone(part(case, "state/ema.model.")))
    return run


def encoder_alone(group: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the teacher has here: the decoder's average enters no target."""
    return {name: value for name, value in group.items() if our_name(name).startswith("backbone.")}


def taught(run: Made) -> dict[str, Tensor]:
    """The teacher's state under the names of the student."""
    method: Any = run.method
    return {f"backbone.{name}": value for name, value in method.teacher.network.state_dict().items()}


def check(ours: dict[str, Tensor], theirs: dict[str, Tensor], tolerance: float) -> None:
    for name, wanted in theirs.items():
        close(in_their_shape(name, ours[our_name(name)]), wanted, tolerance)


def check_gradients(run: Made, case: Recorded) -> None:
    """Norms, their total behind clipping, and what was kept, relative to the whole gradient."""
    gradients = {name: p.grad for name, p in run.method.named_parameters() if p.grad is not None}
    total = float(case["grad/total_norm"])
    left = min(1.0, case.config["clip"] / (total + 1e-6))
    full = part(case, "gradfull/auto_encoder.")
    for name, norm in zip(case["grad/names"], case["grad/norms"], strict=True):
        theirs = str(name).removeprefix("auto_encoder.")
        own = in_their_shape(theirs, gradients[our_name(theirs)]) / left
        if norm > 1e-6 * total:
            assert float(own.norm()) == pytest.approx(float(norm), abs=2e-5 * total), theirs
        if theirs in full:
            assert float((own - full.pop(theirs)).norm()) < 2e-5 * total, theirs
    assert not full


@SEEDS
def test_training(shared: Path, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(shared, seed)
    run = recorded_run(case)
    method: Any = run.method
    momenta, guesses = spied(monkeypatch, method.teacher, "follow"), spied(monkeypatch, method.decoder, "forward")
    taught_by, paired = spied(monkeypatch, method, "targets"), spied(monkeypatch, method, "pairs")
    updates = spied(monkeypatch, StepGuard, "update")

    def on_step(step: int, output: StepOutput) -> None:
        assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=1e-5)
        [(_, facts)] = updates.taken()
        assert float(facts.values[1]) == pytest.approx(case["grad/norm_before_clip"][step], rel=2e-5)
        if step == 0:
            check_gradients(run, case)

    train(run, [batch_of(case.tensor("in/x"))], tmp_path, on_step, draws=lambda step: recorded_draws(case, step))
    assert [call[0][1] for call in momenta] == pytest.approx(case["ema/decay_used"].tolist(), rel=1e-12)
    (_, _, hidden, _), predicted = guesses[0]
    target = taught_by[0][1][paired[0][1]]
    check_hidden(predicted, hidden, case.tensor("out/prediction_masked"), case.config["views"])
    target = target.gather(1, hidden[..., None].expand(-1, -1, target.shape[-1]))
    check_hidden(target, hidden, case.tensor("out/target_masked"), case.config["views"])
    check(run.method.state_dict(), part(case, "state_after/auto_encoder."), 1e-4)
    check(taught(run), encoder_alone(part(case, "state_after/ema.model.")), 1e-4)


def check_hidden(ours: Tensor, hidden: Tensor, theirs: Tensor, views: int) -> None:
    """Features of hidden tokens (P, H, D), recorded row by row in order of their places."""
    places = hidden.argsort(-1)[..., None].expand_as(ours)
    close(ours.detach().gather(1, places), by_person(theirs.reshape(ours.shape), views), 2e-5)


@SEEDS
def test_features(shared: Path, seed: int) -> None:
    case = case_of(shared, seed)
    run, batch = recorded_run(case), batch_of(case.tensor("in/x"))
    method: Any = run.method.eval()
    rows, uniform = batch.filled(2), case.tensor("eval/draws_mask_uniform")
    draws = ReplayNoise({"mask": uniform.reshape(len(uniform), -1, uniform.shape[-1])})
    with torch.no_grad():
        close(method.backbone(rows.tracks).flatten(1, 2), case.tensor("eval/encoder_last"), 2e-5)
        close(method.encoders()["joint"](batch), case.tensor("eval/feature"), 2e-5)
        seen, hidden, place = method.masked(draws)
        mask = torch.zeros(place.shape).scatter(1, hidden, 1.0)
        assert torch.equal(mask, case.tensor("eval/mask"))
        latent = method.backbone.encode(method.backbone.tokens(rows.tracks), seen)
        everywhere = torch.arange(place.shape[1]).expand(len(place), -1)
        close(method.decoder(latent, place, everywhere, draws), case.tensor("eval/prediction_all"), 2e-5)


def test_the_released_recipe() -> None:
    run = made("skeleton2vec", "clip.frames=20", "backbone.dim=16", "backbone.depth=2", "method.decoder_depth=1")
    training, backbone = run.resolved.train, vars(run.resolved.backbone)
    assert (training.batch_size, training.weight_decay, training.clip_norm) == (96, 0.05, 3.0)
    assert [learning_rate(training, epoch) for epoch in (10, 20, 400)] == pytest.approx([2.5e-4, 5e-4, 1e-5])
    assert (backbone["layer_scale"], backbone["drop_path"], backbone["norm_eps"]) == (1e-4, 0.2, 1e-6)
    [group] = run.method.parameter_groups()
    assert "weight_decay" not in group
    method: Any = run.method
    student = [*method.backbone.parameters(), *method.decoder.parameters()]
    assert {id(p) for p in group["params"]} == {id(p) for p in student}


def test_positions_in_time_start_at_zero_as_released(shared: Path) -> None:
    assert all(bool(case_of(shared, seed)["init/temporal_pos_is_zero"]) for seed in (0, 1))
    for fidelity in FIDELITIES:
        sizes = ("clip.frames=40", "backbone.dim=64", "backbone.depth=1", "method.decoder_dim=64")
        method: Any = made("skeleton2vec", *sizes, "method.decoder_depth=1", f"method.fidelity={fidelity}").method
        for table in (method.backbone.time_table, method.decoder.trunk.time_table):
            assert bool(table.any()) is (fidelity == "paper")
        assert float(method.backbone.joint_table.detach().std()) == pytest.approx(0.02, rel=0.2)
        assert float(method.decoder.head.weight.detach().std()) == pytest.approx(0.02, rel=0.2)


def small(*options: str) -> Any:
    """A tiny method over 10 segments in eval mode, without positions in time."""
    sizes = ("clip.frames=40", "backbone.dim=16", "backbone.depth=1", "backbone.heads=2", "method.decoder_depth=1")
    return made("skeleton2vec", *sizes, "method.decoder_dim=16", "method.decoder_heads=2", *options).method.eval()


@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_where_the_decoder_finds_seen_tokens(fidelity: str) -> None:
    method = small(f"method.fidelity={fidelity}")
    clips = Batch.from_dense(Noise(0).normal("x", (2, 3, 40, 25, 2), "batch"))
    seen, hidden, place = method.masked(Noise(1).on(clips))
    assert seen.shape[1] == 10 * 2
    tokens = torch.cat([seen, hidden], 1)
    assert torch.equal(tokens.sort(-1).values[0], torch.arange(250))
    joints = (seen % 25).reshape(-1, 2, 5, 2).sort(-1).values
    assert torch.equal(joints, joints[:, :, :1].expand_as(joints)), "a tube hides the same joints in its segments"
    assert not torch.equal(joints[:, 0, 0], joints[:, 1, 0])
    found = place.gather(1, seen)
    at_home = torch.equal(found, torch.arange(20).expand_as(found))
    assert at_home is (fidelity == "paper")
    first = (place < 20).nonzero()[:, 1]
    assert bool((first < 25).all()) is (fidelity == "released"), "20 seen tokens land in the first segment"


def test_which_person_a_view_is_paired_with() -> None:
    dense = Noise(0).normal("x", (3, 3, 40, 25, 2), "batch")
    dense[1, ..., 1] = 0
    clips = Batch.from_dense(dense)
    pairs = {fidelity: small("method.views=2", f"method.fidelity={fidelity}").pairs(clips) for fidelity in FIDELITIES}
    assert pairs["paper"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    # By clip, view and person: predictions of persons 0 1 0 1 meet targets of 0 0 1 1.
    assert pairs["released"].tolist() == [0, 1, 0, 1, 2, 2, 3, 4, 3, 4]


def test_views_of_a_person_hide_different_tokens() -> None:
    method = small("method.views=3", "method.masking=random")
    clips = Batch.from_dense(Noise(0).normal("x", (2, 3, 40, 25, 2), "batch"))
    rows = method.several(clips)
    assert rows.owner.tolist() == [0] * 6 + [1] * 6
    seen, _, place = method.masked(Noise(1).on(rows))
    assert seen.shape == (12, 24)
    assert len({tuple(row.tolist()) for row in seen}) == 12
    assert torch.equal(place.gather(1, seen), torch.arange(24).expand(12, -1))
    assert torch.equal(rows.tracks[::3], clips.tracks)


def test_what_targets_are_normalised_over() -> None:
    tracks = Noise(0).normal("x", (3, 40, 25, 3), "batch")
    for norm, axis in (("layer", 2), ("instance", 1)):
        method = small("method.target_layers=1", f"method.target_norm={norm}")
        network = method.teacher.network
        with torch.no_grad():
            last = network.encode_layers(network.tokens(tracks))[-1]
        for over in (axis, 2):
            variance, mean = torch.var_mean(last, over, keepdim=True, correction=0)
            last = (last - mean) / (variance + 1e-5).sqrt()
        torch.testing.assert_close(method.targets(tracks), last, rtol=0, atol=1e-5)
