"""Supervised references: trained by protocols that train on labels, and refused everywhere else; labels stay there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import supervised
from torch import Tensor

import sslskel
from sslskel.api.batch import Batch
from sslskel.errors import UsageError
from sslskel.plugins.registry import METHODS

SHORT = ["protocol.epochs=3", "protocol.warmup_epochs=1", "protocol.batch_size=6", "protocol.lr=0.01"]
SMALL = ["backbone.dim=8", "backbone.heads=2", "backbone.depth=1"]
METHOD = """
import supervised


class Mine(supervised.{name}):
    pass
"""
STAGES = """
stages:
  - {method: {first}, epochs: 1}
  - {method: {last}, epochs: 1, from: encoder}
"""


@pytest.fixture(autouse=True)
def plugins(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "sslskel_plugins"
    (folder / "methods").mkdir(parents=True)
    (folder / "configs" / "method").mkdir(parents=True)
    for file, name in (("reference", "Reference"), ("flat", "FlatReference"), ("eager", "Pretrained")):
        (folder / "methods" / f"{file}.py").write_text(METHOD.format(name=name))
    for file, first, last in (("before", "reference", "skeletonmae"), ("after", "skeletonmae", "reference")):
        text = STAGES.replace("{first}", first).replace("{last}", last)
        (folder / "configs" / "method" / f"{file}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)


SPY = """
import sound_method


class Spy(sound_method.Sound):
    seen = []

    def forward(self, views, noise, progress):
        self.seen.append(views[0].label)
        return super().forward(views, noise, progress)

    def on_epoch_start(self, clips, noise, progress):
        self.seen.extend(batch.label for batch in clips.batches(self.clip.test_view, noise, 4))
"""


def test_no_label_reaches_a_pretraining(tmp_path: Path) -> None:
    (tmp_path / "sslskel_plugins" / "methods" / "spy.py").write_text(SPY)
    sslskel.pretrain(sslskel.GridRequest(methods=("spy",), benchmarks=("tiny",), overrides=("train.epochs=1",)))
    seen = METHODS.get("spy").seen  # type: ignore[attr-defined]
    assert len(seen) > 1
    assert all((label == -1).all() for label in seen)


def bench(method: str, protocol: str, *overrides: str) -> Any:
    return sslskel.bench([method], [protocol], ["tiny"], overrides=[*overrides])


@pytest.mark.parametrize("protocol", ["finetune", "scratch", "semi"])
def test_it_is_trained_with_its_own_head_and_loss(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    forward = supervised.Anchored.forward

    def noted(self: supervised.Anchored, batch: Batch, noise: sslskel.Noise) -> sslskel.StepOutput:
        seen.append(batch.label)
        return forward(self, batch, noise)

    monkeypatch.setattr(supervised.Anchored, "forward", noted)
    more = ["protocol.fraction=0.9", "protocol.draws=1"] if protocol == "semi" else []
    result = bench("reference", protocol, *SHORT, *SMALL, *more)
    assert result.failures == []
    [record] = result.records
    assert record.extra["details"]["head"] == "its own"
    assert seen
    assert all((label >= 0).all() for label in seen)
    again = bench("reference", protocol, *SHORT, *SMALL, *more)
    assert (again.ran, again.reused) == (0, 1)


def test_it_needs_no_tokens_where_it_brings_a_classifier() -> None:
    assert bench("flat", "finetune", *SHORT).failures == []


def test_it_learns_the_classes_and_is_the_same_each_time() -> None:
    one, other = (
        sslskel.bench(["reference"], ["finetune"], ["tiny"], output=name, overrides=[*SMALL, *SHORT])
        for name in ("one", "other")
    )
    assert one.records[0].scores == other.records[0].scores


@pytest.mark.parametrize("protocol", ["knn", "linear"])
def test_a_protocol_that_does_not_train_it_is_refused(protocol: str) -> None:
    with pytest.raises(
        UsageError, match=rf"'reference' is a supervised reference.*'{protocol}' would judge it untrained.*finetune"
    ):
        bench("reference", protocol)
    assert not Path("runs").exists()


def test_pretraining_it_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'reference' is a supervised reference.*there is nothing to pretrain"):
        sslskel.pretrain(sslskel.GridRequest(methods=("reference",), benchmarks=("tiny",)))
    with pytest.raises(UsageError, match=r"Mine reads labels, which pretraining withholds: set trains = False"):
        bench("eager", "finetune")
    assert not Path("runs").exists()


def test_its_checkpoint_is_not_judged_untrained() -> None:
    bench("reference", "finetune", *SHORT, *SMALL)
    [folder] = Path("runs/pretrain").iterdir()
    with pytest.raises(UsageError, match="'knn' would judge it untrained"):
        sslskel.evaluate(folder, "knn")


def test_it_may_be_the_last_stage_and_no_other() -> None:
    assert bench("after", "finetune", *SHORT, *SMALL).failures == []
    with pytest.raises(UsageError, match=r"'reference' is a supervised reference.*there is nothing to pretrain"):
        bench("before", "finetune", *SHORT, *SMALL)
