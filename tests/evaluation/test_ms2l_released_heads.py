"""MS2L's evaluation with weights really loaded, against recorded runs of the released code: linear and fine-tuned."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import close
from released_sequences import case_of, files, ms2l_clips, ms2l_run
from torch import Tensor
from toy_features import Pass, given, run_of

import sslskel.evaluation.finetune_training
from sslskel.api.batch import Batch
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.config.compose import from_plain
from sslskel.data.loader import ClipSource
from sslskel.evaluation.finetune_config import FineTuneConfig
from sslskel.evaluation.finetune_networks import WithHead
from sslskel.evaluation.finetune_training import fine_tune
from sslskel.evaluation.linear_head import LinearHead, fit_epoch
from sslskel.evaluation.linear_training import LinearConfig, LinearTraining
from sslskel.plugins.registry import PROTOCOLS


def judged(case: Recorded, folder: Path) -> tuple[Encoder, ClipSource]:
    """The encoder that a method with the recorded weights hands to protocols, and the recorded clips."""
    run = ms2l_run(case)
    [encoder] = run.method.encoders().values()
    encoder.backbone.load_state_dict(case.group("state/encoder/"))  # type: ignore[union-attr,operator]
    config = case.config
    shape = (3, config["joints"], config["persons"])
    data = case.tensor("in/frames").unflatten(2, shape).permute(0, 2, 1, 3, 4)
    return encoder, ms2l_clips(case, data, run.method.clip, folder, case["in/labels"].tolist())


def features(encoder: Encoder, clips: ClipSource) -> Tensor:
    """Of all clips, in the view that protocols take."""
    batch = clips.batch(torch.arange(len(clips)), encoder.spec.test_view, Noise(0))
    with torch.no_grad():
        return encoder.eval().clip(batch)


@pytest.mark.parametrize("name", files("ms2l_loadweight_linear"))
def test_linear(shared: Path, name: str, tmp_path: Path) -> None:
    case = case_of(shared, name)
    encoder, clips = judged(case, tmp_path)
    for part, after in case.group("state_after/encoder/").items():
        assert torch.equal(encoder.backbone.state_dict()[part], after), "it does not move"  # type: ignore[union-attr,operator]
    found, labels, classes = features(encoder, clips), case.tensor("in/labels").long(), case.config["labels"]
    close(found, case.tensor("eval/feature"))
    config = from_plain(LinearConfig, PROTOCOLS.preset("linear_ms2l")["config"], name)
    assert config.clip_norm == case.config["clip"]
    assert config.label() == "ms2l"
    parts, _ = given(found, labels, found, labels, classes)
    training = LinearTraining(config, {"joint": Pass(encoder.dim)}, parts.train, classes, run_of())
    contender = training.reported[0]
    head = contender.heads["joint"]
    head.fc.load_state_dict(case.group("state/classifier/classifier."))
    assert len(case["loss"]) == case.config["steps"]
    for wanted in case["loss"]:
        every = [torch.arange(len(labels))]
        loss = fit_epoch(head, contender.optimisers["joint"], found, labels, every, [config.lr], config.clip_norm)
        assert float(loss) == pytest.approx(float(wanted), rel=1e-5)
    for part, after in case.group("state_after/classifier/classifier.").items():
        close(getattr(head.fc, part).detach(), after, 2e-4)
    with torch.no_grad():
        close(head.eval()(found), case.tensor("eval/logits"), 2e-4)


@pytest.mark.parametrize("name", files("ms2l_loadweight_finetune"))
def test_fine_tuning(shared: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    case = case_of(shared, name)
    encoder, clips = judged(case, tmp_path)
    before = {place: tensor.clone() for place, tensor in encoder.state_dict().items()}
    trained: list[tuple[Encoder, LinearHead]] = []
    losses: list[float] = []

    class Watched(WithHead):
        def __init__(self, network: Any, head: Any, smoothing: float, *more: Any) -> None:
            super().__init__(network, head, smoothing, *more)
            wide = (2 / (network.dim + case.config["labels"])) ** 0.5
            assert float(head.fc.weight.detach().std()) == pytest.approx(wide, rel=0.3), "Xavier's, before it is filled"
            head.fc.load_state_dict(case.group("state/classifier/classifier."))
            trained.append((network, head))

        def loss(self, batch: Batch, noise: Noise) -> Tensor:
            value = super().loss(batch, noise)
            losses.append(float(value.detach()))
            return value

    monkeypatch.setattr(sslskel.evaluation.finetune_training, "WithHead", Watched)
    config = from_plain(FineTuneConfig, PROTOCOLS.preset("finetune_ms2l")["config"], name)
    assert config.clip_norm == case.config["clip"]
    config = dataclasses.replace(config, epochs=case.config["steps"], warmup_epochs=0.0)
    tuned = fine_tune(config, {"joint": encoder}, clips, None, clips, case.config["labels"], run_of())
    assert losses == pytest.approx(case["loss"].tolist(), rel=1e-5)
    [(network, head)] = trained
    close(features(network, clips), case.tensor("eval/feature"), 2e-4)
    close(torch.from_numpy(tuned.logits), case.tensor("eval/logits"), 2e-4)
    for part, after in case.group("state_after/encoder/").items():
        close(network.backbone.state_dict()[part], after, 2e-4)  # type: ignore[union-attr,operator]
    for part, after in case.group("state_after/classifier/classifier.").items():
        close(getattr(head.fc, part).detach(), after, 2e-4)
    assert all(torch.equal(tensor, before[place]) for place, tensor in encoder.state_dict().items())
