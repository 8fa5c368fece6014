"""Equality with recorded runs of the released MAMP and SkeletonMAE codes (shared/golden).

Methods are composed and built as a run does it, and take their step in the engine's loop. What the recordings do not
vary, strides and temperatures of motion, is compared with formulas that agree with the recordings where these are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recorded import Recorded
from replays import Made, made, train
from torch import Tensor
from undrawn_clips import star

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.method import Progress
from sslskel.api.noise import ReplayNoise
from sslskel.api.skeleton import NTU25
from sslskel.methods.masked_modelling import MaskedModelling, mask_order
from sslskel.nn.transformer_blocks import take_tokens

CASES = [f"{kind}_seed{seed}" for kind in ("mamp_motion", "mamp_random", "mae") for seed in (0, 1, 2)]
PROGRESS = Progress(0, 1, 1)
SIZES = {
    "clip.frames": "T",
    "backbone.dim": "dim",
    "backbone.depth": "depth",
    "backbone.heads": "heads",
    "backbone.mlp_ratio": "mlp",
    "backbone.segment": "t_patch_size",
    "backbone.qkv_bias": "qkv_bias",
    "method.mask_ratio": "mask",
    "method.tau": "tau",
    "method.motion_stride": "stride",
    "method.decoder_depth": "ddepth",
    "method.decoder_dim": "dec",
    "method.decoder_heads": "heads",
    "method.decoder_mlp_ratio": "mlp",
    "method.normalise_target": "norm",
}
"""Our option -> the recorded one."""


def our_name(name: str) -> str:
    """Where a parameter of the released pretraining model lives in ours."""
    for theirs, ours in (
        ("decoder_temp_embed", "decoder.time_table"),
        ("decoder_pos_embed", "decoder.joint_table"),
        ("decoder_", "decoder."),
        ("mask_token", "decoder.mask_token"),
        ("temp_embed", "backbone.time_table"),
        ("pos_embed", "backbone.joint_table"),
        ("joints_embed.proj.", "backbone.embed."),
    ):
        if name.startswith(theirs):
            return ours + name[len(theirs) :]
    return "backbone." + name


def our_value(name: str, value: Tensor) -> Tensor:
    """A released tensor in our shape: frames before coordinates in the embedding, tables without empty axes."""
    if name == "joints_embed.proj.weight":
        return value.squeeze(-1).transpose(1, 2).flatten(1)
    return value.reshape(-1, value.shape[-1]) if name.endswith(("temp_embed", "pos_embed")) else value


class Case:
    """A recorded step of the released code, and ours on the same numbers."""

    def __init__(self, path: Path) -> None:
        self.data = Recorded(path)
        self.config = self.data.config
        self.tensor = self.data.tensor
        self.dense = self.tensor("in/x")
        self.rows = self.dense.permute(0, 4, 2, 3, 1).flatten(0, 1)

    def run(self, *overrides: str) -> Made:
        """SkeletonMAE, or MAMP; the released code masks at random where tau is 0."""
        config, joints = self.config, self.config["V"]
        values = {mine: config[theirs] for mine, theirs in SIZES.items()}
        values |= {"method.empty_bodies": "reference", "engine.device": "cpu", "train.epochs": 1, "train.batch_size": 2}
        if config["kind"] == "mamp_random":
            values["method.tau"] = 0.0
        name = "skeletonmae" if config["kind"] == "mae" else "mamp"
        body = NTU25 if joints == 25 else star(joints)
        options = [f"{option}={value}" for option, value in values.items()]
        run = made(name, *options, *overrides, body=body)
        state = self.data.group("state/")
        run.method.load_state_dict({our_name(name): our_value(name, value) for name, value in state.items()})
        return run

    def method(self, *overrides: str) -> MaskedModelling:
        method: Any = self.run(*overrides).method
        return method

    def order(self, method: MaskedModelling) -> Tensor:
        return mask_order(self.rows, method.segment, self.tensor("in/noise_uniform"), method.config)

    def draws(self) -> ReplayNoise:
        return ReplayNoise({"mask": self.tensor("in/noise_uniform")})

    def step(self, method: MaskedModelling) -> StepOutput:
        batch = Batch.from_dense(self.dense)
        assert batch.tracks.shape[0] == 3, "one person of the case is empty"
        return method([batch], self.draws(), PROGRESS)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, shared: Path) -> Case:
    return Case(shared / "golden" / f"{request.param}.npz")


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    """Equal within a tolerance that is scaled by the largest recorded value."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * max(float(theirs.abs().max()), 1e-30))


def moved(rows: np.ndarray, stride: int) -> np.ndarray:
    """(P, T, V, C) -> difference to the frame ``stride`` later, 0 where there is none."""
    later = np.concatenate([rows[:, stride:], rows[:, -1:].repeat(stride, 1)], 1)
    return np.where(np.arange(rows.shape[1])[:, None, None] < rows.shape[1] - stride, later - rows, 0)


def tokens_of(rows: np.ndarray, segment: int = 4) -> np.ndarray:
    """(P, T, V, C) -> (P, T/segment*V, segment*C), frames of a token before coordinates."""
    persons, frames, joints, size = rows.shape
    cut = rows.reshape(persons, frames // segment, segment, joints, size).transpose(0, 1, 3, 2, 4)
    return cut.reshape(persons, frames // segment * joints, segment * size)


def normalised(tokens: np.ndarray) -> np.ndarray:
    """Each token with zero mean and unit unbiased variance."""
    return (tokens - tokens.mean(-1, keepdims=True)) / np.sqrt(tokens.var(-1, ddof=1, keepdims=True) + 1e-6)


def keys_of(rows: np.ndarray, uniform: np.ndarray, tau: float) -> np.ndarray:
    """(P, L) sort keys of motion-aware masking, the smallest are kept."""
    tokens = tokens_of(rows)
    joints = rows.shape[2]
    change = np.abs(tokens[:, joints:] - tokens[:, :-joints]).mean(-1)
    intensity = np.concatenate([change[:, :joints], change], 1)
    scaled = intensity / (intensity.max(-1, keepdims=True) * tau + 1e-10)
    chances = scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))
    return chances - np.log(-np.log(uniform + 1e-10) + 1e-10)


def test_masks_are_exact(case: Case) -> None:
    method = case.method()
    order = case.order(method)
    assert method.num_kept == case.config["len_keep"]
    assert torch.equal(order[:, : method.num_kept], case.tensor("out/ids_keep"))
    assert torch.equal(order.argsort(-1), case.tensor("out/ids_restore"))
    mask = torch.ones(order.shape).scatter(1, order[:, : method.num_kept], 0.0)
    assert torch.equal(mask, case.tensor("out/mask"))


def test_latent_and_prediction(case: Case) -> None:
    method = case.method()
    order = case.order(method)
    hidden = order[:, method.num_kept :]
    with torch.no_grad():
        latent = method.latent(case.rows, order[:, : method.num_kept])
        predicted = method.decoder(latent, order)
    close(latent, case.tensor("out/latent"))
    theirs = case.tensor("out/pred")
    close(predicted, theirs.gather(1, hidden[..., None].expand(-1, -1, theirs.shape[-1])))


def test_targets(case: Case) -> None:
    rows = case.rows.double().numpy()
    raw = case.method("method.normalise_target=false")
    every = torch.arange(raw.num_tokens).expand(len(case.rows), -1)
    close(raw.targets(case.rows, every), case.tensor("out/target_raw"))
    by_hand = tokens_of(rows if case.config["kind"] == "mae" else moved(rows, case.config["stride"]))
    close(torch.from_numpy(by_hand).float(), case.tensor("out/target_raw"))
    target = case.method().targets(case.rows, every)
    close(target, case.tensor("out/target"))
    assert not target[1].any(), "an empty body's target is exactly zero"


def test_a_step(case: Case, tmp_path: Path) -> None:
    run = case.run()

    def on_step(step: int, output: StepOutput) -> None:
        torch.testing.assert_close(output.loss().detach(), case.tensor("out/loss"), rtol=1e-5, atol=0)
        check_gradients(case, run)

    train(run, [Batch.from_dense(case.dense)], tmp_path, on_step, draws=lambda step: case.draws())


def check_gradients(case: Case, run: Made) -> None:
    """Norms of all recorded gradients, their total, and the full ones that were kept."""
    ours = dict(run.method.named_parameters())
    names = [str(name) for name in case.data["grad/names"]]
    assert sorted(our_name(name) for name in names) == sorted(ours)
    for name, norm in zip(names, case.data["grad/norms"], strict=True):
        gradient = ours[our_name(name)].grad
        assert gradient is not None, name
        own_norm = float(gradient.norm())
        assert own_norm == pytest.approx(
            float(norm), rel=1e-4 if norm >= 1e-6 else 0, abs=0 if norm >= 1e-6 else 1e-6
        ), name
    total = torch.stack([p.grad.norm() for p in run.method.parameters() if p.grad is not None]).norm()
    assert float(total) == pytest.approx(float(case.data["grad/total_norm"]), rel=1e-4)
    full = case.data.group("gradfull/")
    assert len(full) == 6
    for name, theirs in full.items():
        gradient = ours[our_name(name)].grad
        assert gradient is not None
        close(gradient, our_value(name, theirs), 1e-4)


@pytest.mark.parametrize(("stride", "tau", "share"), [(3, 0.2, 0.6), (1, 2.0, 0.9)])
def test_other_strides_temperatures_and_shares(
    case: Case, stride: int, tau: float, share: float, tmp_path: Path
) -> None:
    rows, uniform = case.rows.double().numpy(), case.tensor("in/noise_uniform").double().numpy()
    aware, moves = case.config["kind"] == "mamp_motion", case.config["kind"] != "mae"
    if aware:
        recorded = keys_of(rows, uniform, case.config["tau"])
        assert np.array_equal(recorded.argsort(-1).argsort(-1), case.data["out/ids_restore"])
    changed = f"method.motion_stride={stride}", f"method.mask_ratio={share}"
    run = case.run(*changed, *([f"method.tau={tau}"] if aware else []))
    method: Any = run.method
    order = torch.from_numpy((keys_of(rows, uniform, tau) if aware else uniform).argsort(-1, kind="stable"))
    kept = int(order.shape[1] * (1 - share))
    with torch.no_grad():
        predicted = method.decoder(method.latent(case.rows, order[:, :kept]), order).double()
    target = torch.from_numpy(normalised(tokens_of(moved(rows, stride) if moves else rows)))
    wanted = float((predicted - take_tokens(target, order[:, kept:])).square().mean())

    def on_step(step: int, output: StepOutput) -> None:
        assert float(output.loss().detach()) == pytest.approx(wanted, rel=1e-4)

    train(run, [Batch.from_dense(case.dense)], tmp_path, on_step, draws=lambda step: case.draws())


def test_the_plain_form_agrees_too(case: Case) -> None:
    """What speed is measured against computes the recorded loss and gradients, over all bodies as released."""
    method = case.method()
    batch = Batch.from_dense(case.dense).filled(method.clip.persons)
    loss = method.as_released([batch], case.draws(), PROGRESS).loss()
    loss.backward()
    torch.testing.assert_close(loss.detach(), case.tensor("out/loss"), rtol=1e-5, atol=0)
    total = torch.stack([p.grad.norm() for p in method.parameters() if p.grad is not None]).norm()
    assert float(total) == pytest.approx(float(case.data["grad/total_norm"]), rel=1e-4)


def test_float64_agrees_with_the_record(case: Case) -> None:
    """Our double-precision loss lies within the record's own rounding: the match is no accident of float32."""
    method = case.method().double()
    case.dense = case.dense.double()
    assert float(case.step(method).loss().detach()) == pytest.approx(float(case.data["out/loss"]), rel=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_encoders_that_see_motion_see_it_at_the_stride_of_training(stride: int) -> None:
    run = made(
        "motion_to_motion", f"method.motion_stride={stride}", "backbone.dim=16", "backbone.depth=1", body=star(5)
    )
    [(stream, encoder)] = run.method.encoders().items()
    assert stream == "motion"
    tracks = torch.randn(2, 12, 5, 3, generator=torch.Generator().manual_seed(0))
    wanted = torch.from_numpy(moved(tracks.numpy(), stride))
    assert torch.equal(encoder.prepare(tracks), wanted)  # type: ignore[operator]
    [(stream, encoder)] = made("mamp", "backbone.dim=16", "backbone.depth=1", body=star(5)).method.encoders().items()
    assert stream == "joint"
    assert torch.equal(encoder.prepare(tracks), tracks)  # type: ignore[operator]
