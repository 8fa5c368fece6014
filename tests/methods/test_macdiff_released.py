"""MacDiff against recorded runs of the released code: schedule, masks, a training, features of both heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import close, value
from released_macdiff import group, in_macdiff, recorded_draws, rows
from replays import Made, made, spied, train
from torch import Tensor
from torch.nn import functional

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.engine.schedule import learning_rate
from sslskel.errors import UsageError
from sslskel.methods.macdiff import Prediction
from sslskel.nn.diffusion import LEVELS, inverse_cosine, min_snr_weights

SEEDS = pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
SMALL = ("clip.frames=16", "backbone.dim=16", "backbone.depth=1", "backbone.heads=2", "method.decoder_depth=1")


def case_of(shared: Path, seed: int) -> Recorded:
    return Recorded(shared / "golden_more" / f"macdiff_seed{seed}.npz")


def recorded_run(case: Recorded) -> Made:
    """The method with the recorded sizes and weights."""
    config = case.config
    kind, curvature = config["schedule"]
    assert (kind, config["diff_steps"], config["self_shift"]) == ("inverse_cosine", LEVELS, False)
    options = {
        "engine.device": "cpu",
        "clip.frames": config["T"],
        "backbone.dim": config["dim_feat"],
        "backbone.depth": config["depth"],
        "backbone.heads": config["num_heads"],
        "method.mean": config["input_mean"],
        "method.variance": config["input_var"],
        "method.one_person": config["one_person"],
        "method.source_noise": 1.0,
        "method.mask_ratio": config["mask_ratio"],
        "method.tau": config["tau"],
        "method.curvature": curvature,
        "method.prediction": config["diff_prediction"],
        "method.min_snr": config["reweight"] is not None,
        "method.uniformity_weight": config["lambda_loss_uni"],
        "method.unconditional": config["uncond_ratio"],
        "method.layer_mask": config["layer_mask_ratio"],
        "method.decoder_depth": config["decoder_depth"],
        "method.decoder_dim": config["dim_feat"],
        "method.decoder_heads": config["num_heads"],
        "train.batch_size": config["N"],
        "train.schedule": "constant",
        "train.warmup_epochs": 0,
        "train.epochs": config["steps"],
    }
    run = made("macdiff", *(f"{name}={value}" for name, value in options.items()))
    missing, unexpected = run.method.load_state_dict(group(case, "state/"), strict=False)
    assert not unexpected
    assert set(missing) == {"scale.mean", "scale.deviation"}
    return run


@pytest.mark.parametrize("curvature", [0.0, 0.5])
def test_schedules_of_other_curvature(curvature: float) -> None:
    t = torch.arange(1, LEVELS, dtype=torch.float64) / LEVELS
    quarter = torch.pi / 2 / 1.008
    bent = ((t + 0.008) * quarter).cos().square() / torch.tensor(0.008 * quarter, dtype=torch.float64).cos().square()
    torch.testing.assert_close(inverse_cosine(curvature)[:-1], (1 + curvature) * (1 - t) - curvature * bent)
    assert 0 < float(inverse_cosine(curvature)[-1]) < 1e-5


@SEEDS
def test_levels_of_noise(shared: Path, seed: int) -> None:
    case = case_of(shared, seed)
    method: Any = recorded_run(case).method
    left = inverse_cosine(case.config["schedule"][1])
    torch.testing.assert_close(left, case.tensor("const/alphas_cumprod"), rtol=1e-12, atol=0)
    beta = 1 - left / torch.cat([left.new_ones(1), left[:-1]])
    torch.testing.assert_close(beta, case.tensor("const/betas"), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(method.weights, case.tensor("const/loss_reweight"))


def check_gradients(run: Made, case: Recorded) -> None:
    """Norms of all recorded gradients, their total and the full ones that were kept, relative to the whole."""
    gradients = {name: p.grad for name, p in run.method.named_parameters()}
    total, full = float(case["grad/total_norm"]), group(case, "gradfull/")
    assert float(torch.stack([g.norm() for g in gradients.values()]).norm()) == pytest.approx(total, rel=2e-5)
    for name, norm in zip(case["grad/names"], case["grad/norms"], strict=True):
        own = gradients.pop(in_macdiff(str(name)))
        if norm > 1e-6 * total:
            assert float(own.norm()) == pytest.approx(float(norm), abs=2e-5 * total), name
        if (theirs := full.pop(in_macdiff(str(name)), None)) is not None:
            assert float((own - theirs).norm()) < 2e-5 * total, name
    assert not gradients
    assert not full


@SEEDS
def test_training(shared: Path, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(shared, seed)
    run = recorded_run(case)
    method: Any = run.method
    seen, made_of = spied(monkeypatch, method, "latent"), spied(monkeypatch, method.decoder, "forward")

    def on_step(step: int, output: StepOutput) -> None:
        for name in ("diffusion", "uniformity"):
            assert value(output, name) == pytest.approx(case[f"loss/{name}"][step], rel=1e-5), name
        assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=1e-5)
        if step == 0:
            check_gradients(run, case)

    train(
        run, [Batch.from_dense(case.tensor("in/x"))], tmp_path, on_step, draws=lambda step: recorded_draws(case, step)
    )
    latent, order = seen[0][1]
    (noisy, *_), predicted = made_of[0]
    close(latent.detach(), case.tensor("out/latent"), 2e-5)
    close(latent.detach().mean(1, keepdim=True), case.tensor("out/pooled_token"), 2e-5)
    assert torch.equal(order.argsort(-1), case.tensor("out/ids_restore"))
    mask = torch.ones(order.shape).scatter(1, order[:, : method.num_kept], 0.0)
    assert torch.equal(mask, case.tensor("out/mask"))
    close(predicted.detach(), case.tensor("out/pred"), 2e-5)
    close(noisy.detach(), tokens_of(case.tensor("out/noisy")), 2e-5)
    for name, wanted in group(case, "state_after/").items():
        close(run.method.state_dict()[name], wanted, 1e-2)


def tokens_of(clip: Tensor, segment: int = 4) -> Tensor:
    """(P, T, V, C) -> (P, L, segment * C)."""
    return clip.unflatten(1, (-1, segment)).transpose(2, 3).flatten(3).flatten(1, 2)


@SEEDS
def test_features(shared: Path, seed: int) -> None:
    case = case_of(shared, seed)
    encoder: Any = recorded_run(case).method.encoders()["joint"].eval()
    batch = Batch.from_dense(case.tensor("in/x"))
    with torch.no_grad():
        pooled, joints = encoder.clip(batch), encoder.level("joints", batch)
    close(pooled, case.tensor("down/feature_mean"), 2e-5)
    # Untrained statistics of the recorded heads: mean 0, variance 1, epsilon 1e-6.
    for name, feature in (("linprobe", pooled), ("linprobe2", joints)):
        normed = feature / (1 + 1e-6) ** 0.5
        logits = functional.linear(normed, case.tensor(f"down/{name}/weight"), case.tensor(f"down/{name}/bias"))
        close(logits, case.tensor(f"down/{name}/logits_eval"), 2e-5)
    assert set(encoder.state_dict()) >= {"prepare.mean", "prepare.deviation"}, "constants are kept with the weights"


@SEEDS
def test_rows_and_the_source(shared: Path, seed: int) -> None:
    case = case_of(shared, seed)
    method: Any = recorded_run(case).method
    batch, first = method.rows(Batch.from_dense(case.tensor("in/x")))
    assert torch.equal(batch.tracks, rows(case, case.tensor("in/x")))
    assert first.tolist() == [clip * (1 if case.config["one_person"] else 2) for clip in range(case.config["N"])]


@pytest.mark.long
def test_the_released_recipe() -> None:
    run = made("macdiff")
    training = run.resolved.train
    assert (training.epochs, training.batch_size, training.weight_decay, training.clip_norm) == (400, 128, 0.05, 0.0)
    assert [learning_rate(training, epoch) for epoch in (10, 20, 400)] == pytest.approx([5e-4, 1e-3, 1e-5])
    assert run.resolved.clip.rotation == 0.0
    method: Any = run.method
    assert (method.num_kept, method.num_tokens) == (75, 750)
    assert sum(p.numel() for p in method.parameters()) == pytest.approx(11.95e6, rel=1e-3)
    assert sum(p.numel() for p in method.decoder.parameters()) == pytest.approx(5.62e6, rel=1e-3)


def test_errors_with_little_noise_count_less() -> None:
    left = inverse_cosine(1.0)
    weights = min_snr_weights(left)
    ratio = left / (1 - left + 1e-3)
    assert float(weights.mean()) == pytest.approx(1.0)
    low = ratio < 5
    assert bool((weights[low] == weights[-1]).all())
    torch.testing.assert_close(weights[~low], weights[-1] * 5 / ratio[~low])
    assert 0 < int(low.sum()) < LEVELS
    method: Any = made("macdiff", *SMALL, "method.min_snr=true").method
    torch.testing.assert_close(method.weights, weights.float())


def test_what_is_predicted() -> None:
    clean, added = torch.tensor([[2.0]]), torch.tensor([[3.0]])
    left = torch.tensor([[0.36]])
    wanted = {"noise": 3.0, "joint": 2.0, "v": 0.8 * 3 - 0.6 * 2}
    method: Any = made("macdiff", *SMALL).method
    for name, number in wanted.items():
        method.config.prediction = Prediction(name)
        assert float(method.wanted(clean, added, left)) == pytest.approx(number)


def test_constants_are_measured_where_none_are_given() -> None:
    method: Any = made("macdiff", *SMALL, "method.mean=[]", "method.variance=[]").method
    assert not method.scale.mean.any()

    class Clips:
        def share(self) -> None:
            return None

        def batches(self, view: object, noise: object, size: int, share: object) -> list[Batch]:
            tracks = torch.arange(2 * 3 * 16 * 25, dtype=torch.float32).reshape(2, 3, 16, 25, 1)
            return [Batch.from_dense(tracks + 1)]

    method.on_epoch_start(Clips(), Noise(0), Progress(0, 1, 1))
    assert method.scale.mean.tolist() == pytest.approx([800.5, 1200.5, 1600.5])
    with pytest.raises(UsageError, match="give \\[\\] for both"):
        made("macdiff", *SMALL, "method.mean=[]")
    with pytest.raises(UsageError, match="joints have 3 coordinates"):
        made("macdiff", *SMALL, "method.mean=[0,0]", "method.variance=[1,1]")


def test_present_persons_alone() -> None:
    dense = Noise(0).normal("x", (3, 3, 16, 25, 2), "batch")
    dense[0, ..., 0] = 0
    method: Any = made("macdiff", *SMALL, "method.empty_bodies=present").method
    batch, first = method.rows(Batch.from_dense(dense))
    assert batch.slot.tolist() == [1, 0, 0]
    assert first.tolist() == [0, 1, 2]
    method.config.one_person = False
    batch, first = method.rows(Batch.from_dense(dense))
    assert (len(batch.owner), first.tolist()) == (5, [0, 1, 3])


def test_who_is_kept_apart_and_which_halves_see_the_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    run = made("macdiff", *SMALL, "method.one_person=false", "method.layer_mask=0.5")
    method: Any = run.method
    seen = spied(monkeypatch, method.decoder, "forward")
    batch = Batch.from_dense(Noise(0).normal("x", (3, 3, 16, 25, 2), "batch"))
    output = method([batch], Noise(1), Progress(0, 1, 1))
    assert int(output.terms["diffusion"].count) == 6
    assert int(output.terms["uniformity"].count) == 3 * method.num_kept**2
    for chance, share in ((0.0, 1.0), (1.0, 0.0)):
        method.config.layer_mask = chance
        method([batch], Noise(1), Progress(0, 1, 1))
        [_, ((_, _, _, shown), _)] = seen
        assert float(shown.float().mean()) == share
        seen.pop()
