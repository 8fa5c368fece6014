"""UmURL against recorded runs of the released code: embeddings, a training, features of every stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_axes import in_umurl, recordings
from released_contrast import batch, check_gradients, close, load, value
from released_sequences import case_of
from replays import Made, made, train
from torch import Tensor
from torch.nn import functional

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.noise import Noise
from sslskel.config.groups import Stream
from sslskel.errors import UsageError
from sslskel.nn.positions import sinusoids

TERMS = {"intra": "intra", "inter": "inter", "spread": "regulariser"}
"""Our name of a term -> the recorded one."""
OUTPUTS = ("joint", "bone", "motion", "from_fused_joint", "from_fused_bone", "from_fused_motion")
FEATURES = {"joint": Stream.joint, "bone": Stream.bone, "motion": Stream.motion, "fused": None}


@pytest.fixture(params=recordings("umurl"))
def case(request: pytest.FixtureRequest, shared: Path) -> Recorded:
    return case_of(shared, request.param)


def recorded_run(case: Recorded) -> tuple[Made, list[Batch]]:
    """The method with the recorded sizes and weights, and the recorded views."""
    config = case.config
    options = {
        "engine.device": "cpu",
        "clip.frames": config["T"],
        "clip.min_frames": 1,
        "backbone.width": config["hidden"],
        "backbone.heads": config["heads"],
        "backbone.layers": config["layers"],
        "method.dim": config["proj"],
        "train.batch_size": config["N"],
        "train.epochs": config["steps"],
    }
    run = made("umurl", *(f"{name}={option}" for name, option in options.items()))
    load(run.method, case, in_umurl)
    return run, [batch(case, f"in/view{at}") for at in range(4)]


def test_embeddings(case: Recorded) -> None:
    run, views = recorded_run(case)
    method: Any = run.method
    embeddings = method.train().embeddings(views, Noise(0))
    for name, embedding in zip(OUTPUTS, embeddings, strict=True):
        close(embedding, case.tensor(f"out/z_{name}"), 2e-5)


def test_training(case: Recorded, tmp_path: Path) -> None:
    run, views = recorded_run(case)

    def on_step(step: int, output: StepOutput) -> None:
        for mine, theirs in TERMS.items():
            assert value(output, mine) == pytest.approx(case[f"loss/{theirs}"][step], rel=1e-5)
        assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=1e-5)
        if step == 0:
            check_gradients(run.method, case, in_umurl, 2e-5)

    train(run, views, tmp_path, on_step)


def test_features_and_linear_head(case: Recorded) -> None:
    run, views = recorded_run(case)
    encoder: Any = run.method.eval().encoders()["joint"]
    tracks = views[0].joined(2)
    with torch.no_grad():
        for name, stream in FEATURES.items():
            close(encoder.backbone.feature(tracks, stream), case.tensor(f"eval/feature_{name}"), 2e-5)
        fused: Tensor = encoder.clip(views[0])
    close(fused, case.tensor("eval/feature_fused"), 2e-5)
    logits = functional.linear(fused, case.tensor("down/weight"), case.tensor("down/bias"))
    close(logits, case.tensor("down/logits"), 2e-5)


def test_positions_of_frames(case: Recorded) -> None:
    table = case.tensor("state/backbone.ma_encoder.pe.pe")
    close(sinusoids(table.shape[2], table.shape[1]).T[None], table, 1e-6)


def test_the_released_recipe() -> None:
    with torch.device("meta"):
        run = made("umurl")
    assert sum(weight.numel() for weight in run.method.parameters()) == pytest.approx(72.4e6, abs=5e4)
    training, clip = run.resolved.train, run.resolved.clip
    assert (training.optimiser.value, training.lr, training.weight_decay, training.beta2) == ("adam", 5e-4, 1e-5, 0.999)
    assert (training.epochs, training.milestones, training.batch_size) == (451, [351], 512)
    assert (clip.frames, clip.crop_min, clip.min_frames, clip.test_crop, clip.rotation) == (64, 0.1, 64, 0.95, 0.0)
    [group] = run.method.parameter_groups()
    assert len(group["params"]) == len(list(run.method.parameters()))
    assert [type(step).__name__ for step in run.method.views()[0].augment][-1] == "Either"


def test_backbones_without_tokens_of_both_axes_are_refused() -> None:
    for name in ("umurl", "usdrl"):
        with pytest.raises(UsageError, match=f"{name} .* backbone BiGru does not have; use --backbone"):
            made(name, "backbone.hidden=4", backbone="bigru")
