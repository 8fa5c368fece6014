"""A method with a row for every training clip: its checkpoint and its export open with the size of that set."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sslskel import METHODS, GridRequest, export, open_encoders, pretrain
from sslskel.encoders.meta import CheckpointMeta

BANKED = """
import torch

from sslskel import Encoder, PooledEncoder, PretextMethod, StepOutput, Term
from dataclasses import dataclass


@dataclass
class Config:
    pass


class Banked(PretextMethod[Config]):
    Config = Config

    def __init__(self, config, build_backbone, clip):
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip)
        self.encoder = PooledEncoder(self.backbone, clip)
        self.register_buffer("bank", torch.zeros(clip.clips, self.backbone.dim))

    def on_epoch_start(self, clips, noise, progress):
        self.bank.copy_(torch.cat([self.encoder.clip(b) for b in clips.batches(self.clip.test_view, noise, 5)]))

    def forward(self, views, noise, progress):
        error = (self.encoder.clip(views[0]) - self.bank[views[0].position] - 1).square().mean(1)
        return StepOutput({"near": Term(error.sum(), torch.tensor(len(error)))})

    def encoders(self):
        return {"joint": PooledEncoder(self.backbone, self.clip)}
"""


def test_a_buffer_of_the_training_sets_size_comes_back(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = Path(shutil.copytree(os.environ["SSLSKEL_PLUGINS"], tmp_path / "plugins"))
    (plugins / "methods").mkdir()
    (plugins / "methods" / "banked.py").write_text(BANKED)
    monkeypatch.setenv("SSLSKEL_PLUGINS", str(plugins))
    assert METHODS.get("banked").__name__ == "Banked"
    _, result = pretrain(
        GridRequest(
            methods=("banked",),
            protocols=(),
            benchmarks=(tiny,),
            output=tmp_path / "runs",
            overrides=("train.epochs=2",),
        )
    )
    made = CheckpointMeta.read(result.checkpoint).construction
    assert made is not None
    assert made.clips == 18
    opened = open_encoders(result.checkpoint)
    folder, _ = export(result.checkpoint, tmp_path / "packed")
    shutil.rmtree(tmp_path / "runs")
    assert open_encoders(folder).weights_sha256 == opened.weights_sha256
    assert opened.fresh(3)
