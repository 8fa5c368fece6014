"""GL-Transformer against recorded runs of the released code: clips as it reads them, a training, features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import check_gradients, check_state, close, load, value
from released_gl_transformer import draws, in_gl_transformer, padded, recorded_draws, tokens
from replays import Made, made, train
from stored_clips import clips_of
from torch import Tensor
from torch.nn import functional

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.config.compose import compose
from sslskel.engine.schedule import learning_rate
from sslskel.transforms.body_frame import Stretch

SEEDS = pytest.mark.parametrize("seed", [0, 1])


def case_of(shared: Path, name: str) -> Recorded:
    return Recorded(shared / "golden_more" / f"{name}.npz")


def reader(case: Recorded, *more: str) -> Made:
    """The method for clips of 300 frames, with the smallest network."""
    sizes = ("backbone.width=1", "backbone.heads=1", "backbone.depth=1", "engine.device=cpu")
    return made("gl_transformer", *sizes, f"method.intervals={case.config['intervals']}", *more)


def by_row(classes: Tensor) -> Tensor:
    """(N, T, I, V, M) -> (N, T, I*V*M), as recorded."""
    return classes.flatten(2)


@SEEDS
class TestClips:
    def test_reading(self, shared: Path, seed: int, tmp_path: Path) -> None:
        case = case_of(shared, f"data_gltransformer_seed{seed}")
        method, lengths = reader(case).method, case.tensor("out/length")
        raw = case.tensor("in/raw")
        clips = [clip[:, :length] for clip, length in zip(raw, case.config["lengths"], strict=True)]
        source = clips_of(tmp_path / "data", clips, method.clip, torch.float32)
        batch = source.batch(torch.arange(len(raw)), method.views()[0], Noise(0))
        wanted = padded(case.tensor("out/position"), case.config["pad"])
        assert torch.equal(batch.owner, wanted.owner)
        assert torch.equal(batch.valid, wanted.valid)
        assert torch.equal(batch.valid[wanted.slot == 0].sum(1), lengths)
        torch.testing.assert_close(batch.tracks, wanted.tracks, rtol=0, atol=2e-5)

    @pytest.mark.parametrize("kind", ["aug", "noaug"])
    def test_changes_and_classes(self, shared: Path, seed: int, kind: str) -> None:
        case = case_of(shared, f"data_gltransformer_seed{seed}")
        method: Any = reader(case).method
        chosen, shown = case.tensor("aug/clips"), case.config["shown_frames_of_aug"]
        batch = padded(case.tensor("out/position")[chosen].double(), float(torch.tensor(case.config["pad"])))
        changed = method.changed(batch, recorded_draws(case)) if kind == "aug" else batch
        assert torch.equal(changed.joined_valid(2).any(2).sum(1), case.tensor(f"{kind}/frames_after"))
        real = changed.joined_valid(2).any(2)[:, :shown]
        data = torch.where(real[:, None, :, None], tokens(changed)[:, :, :shown], case.config["pad"])
        torch.testing.assert_close(data, case.tensor(f"{kind}/data"), rtol=0, atol=2e-6)
        for name, classes in zip(("direction", "magnitude"), method.targets(changed), strict=True):
            wanted = case.tensor(f"{kind}/{name}").long()
            assert torch.equal(by_row(classes)[:, :shown][real], wanted[real])

    def test_a_long_clip_is_cut_after_its_stretch(self, shared: Path, seed: int) -> None:
        case = case_of(shared, f"data_gltransformer_seed{seed}")
        method, (sign, ratio) = reader(case).method, case["resize/draws"]
        batch = padded(case.tensor("out/position")[2:3].double(), float(torch.tensor(case.config["pad"])))
        noise = draws([-1 if sign > 0.5 else 1], [ratio])
        stretched = Stretch(0.1)(batch, noise, method.clip)
        frames = int(case["resize/frames"])
        assert int(stretched.valid[0].sum()) == frames
        wanted = case.tensor("resize/out")[:, :frames]
        torch.testing.assert_close(stretched.dense(2)[0, :, :frames, ::4, 0], wanted, rtol=0, atol=2e-6)


def recorded_run(case: Recorded, *more: str) -> tuple[Made, Batch]:
    """The method with the recorded sizes and weights, and the recorded clips."""
    config = case.config
    options = {
        "engine.device": "cpu",
        "clip.frames": config["T"],
        "backbone.width": config["dim_emb"],
        "backbone.heads": config["num_heads"],
        "backbone.depth": config["depth"],
        "backbone.mlp_ratio": config["ff"],
        "backbone.dropout": config["dropout"],
        "backbone.drop_path": 0.0,
        "method.intervals": config["intervals"],
        "method.global_weight": config["lambda_global"],
        "method.magnitude_weight": config["lambda_mag"],
        "train.lr": config["lr"],
        "train.batch_size": config["N"],
        "train.decay": 1.0,
        "train.epochs": config["steps"],
    }
    run = made("gl_transformer", *(f"{name}={value}" for name, value in options.items()), *more)
    load(run.method, case, in_gl_transformer)
    return run, padded(case.tensor("in/position_before"), float(torch.tensor(config["pad"])))


TERMS = {
    "direction_joints": "direction_joint",
    "direction_way": "direction_global",
    "magnitude_joints": "magnitude_joint",
    "magnitude_way": "magnitude_global",
}
"""Our name of a term -> the recorded one."""


@SEEDS
def test_inputs_and_classes_of_a_step(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_gltransformer_seed{seed}")
    run, batch = recorded_run(case)
    method: Any = run.method
    changed = method.changed(batch._replace(tracks=batch.tracks.double()), recorded_draws(case))
    real = changed.joined_valid(2).any(2)
    assert torch.equal(real, case.tensor("out/valid"))
    shown = torch.where(real[:, None, :, None], tokens(changed), case.config["pad"]).float()
    torch.testing.assert_close(shown, case.tensor("in/position"), rtol=0, atol=2e-6)
    for name, classes in zip(("direction", "magnitude"), method.targets(changed), strict=True):
        assert torch.equal(by_row(classes)[real], case.tensor(f"in/{name}").long()[real])


@SEEDS
def test_training(shared: Path, seed: int, tmp_path: Path) -> None:
    case = case_of(shared, f"obj_gltransformer_seed{seed}")
    run, batch = recorded_run(case)

    def on_step(step: int, output: StepOutput) -> None:
        tolerance = 2e-4 if step else 1e-5
        for mine, theirs in TERMS.items():
            assert value(output, mine) == pytest.approx(case[f"loss/{theirs}"][step], rel=tolerance)
        assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=tolerance)
        if step == 0:
            check_gradients(run.method, case, in_gl_transformer, 1e-4)

    train(run, [batch], tmp_path, on_step, draws=lambda step: recorded_draws(case))
    check_state(run.method, case, "state_after/", in_gl_transformer, 5e-2)


@SEEDS
def test_features_and_logits(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_gltransformer_seed{seed}")
    run, before = recorded_run(case)
    method: Any = run.method.eval()
    changed = method.changed(before._replace(tracks=before.tracks.double()), recorded_draws(case))
    seen: list[Tensor] = []
    method.encoder.backbone.norm.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        features = method.encoder.steps(changed._replace(tracks=changed.tracks.float()))
        pooled = method.encoder.clip(before)
    real = case.tensor("out/valid")
    close(seen[0][real], case.tensor("out/encoder")[real], 2e-5)
    close(features[real], case.tensor("out/feature")[real], 2e-5)
    for name, heads in (("direction", method.directions), ("magnitude", method.magnitudes)):
        with torch.no_grad():
            logits = torch.cat([head(features[:, :4]).unflatten(2, (50, -1)) for head in heads], 2)
        close(logits.permute(0, 3, 1, 2), case.tensor(f"out/logits_{name}_frame0_3"), 2e-5)
    close(pooled, case.tensor("linear/pooled"), 2e-5)
    logits = functional.linear(pooled, case.tensor("linear/weight"), case.tensor("linear/bias"))
    close(logits, case.tensor("linear/logits"), 2e-5)


def test_the_released_recipe() -> None:
    run = made("gl_transformer", "clip.frames=8", "backbone.width=2", "backbone.heads=2", "backbone.depth=1")
    training = run.resolved.train
    clip = compose("gl_transformer", backbone="global_local", preset="released").clip
    assert (training.epochs, training.batch_size, training.beta1, training.beta2) == (120, 128, 0.9, 0.999)
    rates = [learning_rate(training, epoch) for epoch in (0, 0.99, 1, 119)]
    assert rates == pytest.approx([5e-5, 5e-5, 5e-5 * 0.99, 5e-5 * 0.99**119])
    [group] = run.method.parameter_groups()
    assert len(group["params"]) == len(list(run.method.parameters()))
    assert training.weight_decay == 0.1
    assert (clip.frames, clip.rotation) == (300, 0.0)
    shown = vars(run.resolved.backbone)
    assert (shown["dropout"], shown["drop_path"]) == (0.1, 0.1)


def test_the_paper_weighs_the_way_of_the_chest_in_every_interval() -> None:
    counts = {}
    for fidelity in ("released", "paper"):
        sizes = ("clip.frames=8", "backbone.width=2", "backbone.heads=2", "method.stretch=0")
        run = made("gl_transformer", *sizes, f"method.fidelity={fidelity}")
        body = Batch.from_dense(Noise(0).normal("x", (2, 3, 8, 25, 2), "batch"))
        output = run.method.eval()([body], Noise(0), Progress(0, 1, 1))
        counts[fidelity] = [int(term.count) for term in output.terms.values()]
    frames, tokens = 16, 150
    assert counts["released"] == [frames * (tokens - 2), frames * 2] * 2
    assert counts["paper"] == [frames * (tokens - 6), frames * 6] * 2


def test_heads_are_trained_on_stretched_clips_that_are_not_sheared() -> None:
    clip = made("gl_transformer", "backbone.width=1", "backbone.heads=1").method.encoders()["joint"].spec
    assert [type(step).__name__ for step in clip.train_view.augment] == ["BodyFrame", "Stretch"]
    assert [type(step).__name__ for step in clip.test_view.augment] == ["BodyFrame"]
