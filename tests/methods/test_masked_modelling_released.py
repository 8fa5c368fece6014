"""Equality with recorded runs of the released MAMP and SkeletonMAE codes (shared/golden)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from undrawn_clips import star, undrawn

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.method import Progress
from sslskel.api.noise import ReplayNoise
from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.config.groups import EmptyBodies
from sslskel.methods.masked_modelling import MaskedModelling
from sslskel.methods.masked_modelling.config import MaskedModellingConfig, Masking, Signal
from sslskel.methods.masked_modelling.masking import mask_order
from sslskel.nn.transformer_blocks import patchify
from sslskel.transforms.clip import motion

CASES = [f"{kind}_seed{seed}" for kind in ("mamp_motion", "mamp_random", "mae") for seed in (0, 1, 2)]
PROGRESS = Progress(0, 1, 1)


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
        self.data = {name: np.asarray(value) for name, value in np.load(path, allow_pickle=False).items()}
        self.config: dict[str, Any] = json.loads(str(self.data["config_json"]))
        self.dense = self.tensor("in/x")
        self.rows = self.dense.permute(0, 4, 2, 3, 1).flatten(0, 1)

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self.data[name])

    def method(self) -> MaskedModelling:
        c = self.config
        clip = undrawn(star(c["V"]), c["T"])
        backbone = TransformerConfig(c["dim"], c["depth"], c["heads"], c["mlp"], c["t_patch_size"], c["qkv_bias"])
        config = MaskedModellingConfig(
            target=Signal.joint if c["kind"] == "mae" else Signal.motion,
            masking=Masking.motion_aware if c["kind"] == "mamp_motion" else Masking.random,
            mask_ratio=c["mask"],
            tau=c["tau"],
            motion_stride=c["stride"],
            decoder_depth=c["ddepth"],
            decoder_dim=c["dec"],
            decoder_heads=c["heads"],
            decoder_mlp_ratio=c["mlp"],
            normalise_target=c["norm"],
            empty_bodies=EmptyBodies.reference,
        )
        method = MaskedModelling(config, lambda spec: Transformer(backbone, spec), clip)
        state = {name[6:]: self.tensor(name) for name in self.data if name.startswith("state/")}
        method.load_state_dict({our_name(name): our_value(name, value) for name, value in state.items()})
        return method

    def order(self, method: MaskedModelling) -> Tensor:
        return mask_order(self.rows, method.segment, self.tensor("in/noise_uniform"), method.config)

    def step(self, method: MaskedModelling) -> StepOutput:
        batch = Batch.from_dense(self.dense)
        assert batch.tracks.shape[0] == 3, "one person of the case is empty"
        return method([batch], ReplayNoise({"mask": self.tensor("in/noise_uniform")}), PROGRESS)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, shared: Path) -> Case:
    return Case(shared / "golden" / f"{request.param}.npz")


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    """Equal within a tolerance that is scaled by the largest recorded value."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * max(float(theirs.abs().max()), 1e-30))


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
    method = case.method()
    moved = motion(case.rows, case.config["stride"])
    raw = patchify(case.rows if case.config["kind"] == "mae" else moved, method.segment)
    close(raw, case.tensor("out/target_raw"))
    every = torch.arange(method.num_tokens).expand(len(raw), -1)
    target = method.targets(case.rows, every)
    close(target, case.tensor("out/target"))
    assert not target[1].any(), "an empty body's target is exactly zero"


def test_loss_and_gradients(case: Case) -> None:
    method = case.method()
    loss = case.step(method).loss()
    loss.backward()
    torch.testing.assert_close(loss.detach(), case.tensor("out/loss"), rtol=1e-5, atol=0)

    ours = dict(method.named_parameters())
    names = [str(name) for name in case.data["grad/names"]]
    assert sorted(our_name(name) for name in names) == sorted(ours)
    for name, norm in zip(names, case.data["grad/norms"], strict=True):
        gradient = ours[our_name(name)].grad
        assert gradient is not None, name
        own_norm = float(gradient.norm())
        assert own_norm == pytest.approx(
            float(norm), rel=1e-4 if norm >= 1e-6 else 0, abs=0 if norm >= 1e-6 else 1e-6
        ), name
    total = torch.stack([p.grad.norm() for p in method.parameters() if p.grad is not None]).norm()
    assert float(total) == pytest.approx(float(case.data["grad/total_norm"]), rel=1e-4)

    full = [name for name in case.data if name.startswith("gradfull/")]
    assert len(full) == 6
    for name in full:
        theirs = our_value(name[9:], case.tensor(name))
        gradient = ours[our_name(name[9:])].grad
        assert gradient is not None
        close(gradient, theirs, 1e-4)


def test_the_plain_form_agrees_too(case: Case) -> None:
    """What speed is measured against computes the recorded loss and gradients, over all bodies as released."""
    method = case.method()
    batch = Batch.from_dense(case.dense).filled(method.clip.persons)
    loss = method.as_released([batch], ReplayNoise({"mask": case.tensor("in/noise_uniform")}), PROGRESS).loss()
    loss.backward()
    torch.testing.assert_close(loss.detach(), case.tensor("out/loss"), rtol=1e-5, atol=0)
    total = torch.stack([p.grad.norm() for p in method.parameters() if p.grad is not None]).norm()
    assert float(total) == pytest.approx(float(case.data["grad/total_norm"]), rel=1e-4)


def test_float64_agrees_with_the_record(case: Case) -> None:
    """Our double-precision loss lies within the record's own rounding: the match is no accident of float32."""
    method = case.method().double()
    case.dense = case.dense.double()
    assert float(case.step(method).loss().detach()) == pytest.approx(float(case.data["out/loss"]), rel=1e-5)
