"""A probe looks at a training every few epochs: it changes nothing, its curve is whole, and it chooses if asked."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from recorder import Recorder
from torch import Tensor
from toy_engine import Toy, lines, run

from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.config.groups import TrainConfig
from sslskel.engine import train
from sslskel.engine.checkpoint import load_weights, read_state, step_folder
from sslskel.engine.metrics_file import MetricsFile
from sslskel.engine.probing import Probe
from sslskel.errors import CheckpointError, Interrupted, UsageError
from sslskel.files import read_regular

FILES = ("model.safetensors", "optimiser.safetensors")
EVERY = {"probe": "it", "probe_epochs": 1}
"""Four epochs of six steps each, all of them scored."""


class Kill(Exception):
    """Stands for a process that ends in the middle of a step."""


def norm(weights: Mapping[str, Tensor]) -> float:
    """A score that follows from the weights alone."""
    return float(weights["inner.0.weight"].norm()) % 1


def curve(folder: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["probe/it/subjects"]) for line in lines(folder) if "probe/it/subjects" in line]


NORM = Probe("it/subjects", norm)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["Toy", "Adversary"])
def test_a_run_with_a_probe_is_the_same_to_the_last_bit(tmp_path: Path, kind: str) -> None:
    plain, probed = run(tmp_path / "plain", kind=kind), run(tmp_path / "probed", kind=kind, train=EVERY, probe=NORM)
    for file in FILES:
        assert read_regular(plain.checkpoint / file) == read_regular(probed.checkpoint / file)
    assert "probe" not in read_state(plain.checkpoint)
    losses = [[line["loss"] for line in lines(tmp_path / name) if "loss" in line] for name in ("plain", "probed")]
    assert losses[0] == losses[1]


def test_the_untrained_network_every_epoch_asked_for_and_the_last_are_scored(tmp_path: Path) -> None:
    recorder = Recorder()
    run(tmp_path, train={**EVERY, "probe_epochs": 3, "keep_checkpoints": 9}, probe=NORM, reporter=recorder)
    assert [step for step, _ in curve(tmp_path)] == [0, 18, 24]
    for step, score in curve(tmp_path)[1:]:
        assert score == norm(load_weights(step_folder(tmp_path, step)))
    assert "probe" in recorder.details[-1]
    assert "epoch 3, step 18 of 24, probe it/subjects " in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_trackers_get_the_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, dict[str, float]]] = []
    monkeypatch.setattr(train, "tracker", lambda *_: lambda values, step: sent.append((step, values)))
    run(tmp_path, train={**EVERY, "epochs": 1}, probe=NORM)
    assert [(step, values["probe/it/subjects"]) for step, values in sent if "loss" not in values] == curve(tmp_path)
    assert [step for step, _ in curve(tmp_path)] == [0, 6]


@pytest.mark.parametrize("step", [6, *(pytest.param(step, marks=pytest.mark.long) for step in (0, 5, 17))])
def test_a_killed_run_has_the_same_curve(tmp_path: Path, step: int) -> None:
    class Killed(Toy):
        def on_step_end(self, progress: Progress, noise: Noise) -> None:
            super().on_step_end(progress, noise)
            if progress.step == step:
                raise Kill

    options = {"train": {**EVERY, "selection": "probe", "checkpoint_epochs": 2}, "probe": NORM}
    run(tmp_path / "whole", **options)
    with pytest.raises(Kill):
        run(tmp_path / "cut", kind=Killed, **options)
    run(tmp_path / "cut", **options)
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    assert [step for step, _ in curve(tmp_path / "whole")] == [0, 6, 12, 18, 24]
    for file in FILES:
        assert read_regular(tmp_path / "cut/step-00000024" / file) == read_regular(
            tmp_path / "whole/step-00000024" / file
        )


def test_who_wants_a_run_to_stop_does_not_wait_for_a_score(tmp_path: Path) -> None:
    """The score is made up for when the run goes on."""
    scored: list[int] = []

    def counted(weights: Mapping[str, Tensor]) -> float:
        scored.append(int(weights["steps_seen"]))
        return norm(weights)

    class Stopped(Toy):
        def on_step_end(self, progress: Progress, noise: Noise) -> None:
            super().on_step_end(progress, noise)
            if progress.step == 11:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run(tmp_path, kind=Stopped, train=EVERY, probe=Probe("it/subjects", counted))
    assert scored == [0, 6]
    run(tmp_path, train=EVERY, probe=Probe("it/subjects", counted))
    assert scored == [step for step, _ in curve(tmp_path)] == [0, 6, 12, 18, 24]


def test_lines_that_are_written_again_are_not_there_twice(tmp_path: Path) -> None:
    kept = MetricsFile(tmp_path, 0)
    for line in ({"step": 6, "loss": 1.0}, {"step": 6, "probe/it": 0.5}, {"step": 7, "loss": 1.0}):
        kept.write(line)
    MetricsFile(tmp_path, 6, "probe/")
    assert lines(tmp_path) == [{"step": 6, "loss": 1.0}]


def test_the_best_epoch_is_kept_where_the_probe_is_asked_to_choose(tmp_path: Path) -> None:
    """The first epochs of equal scores; the untrained network is no epoch."""
    given = iter([0.9, 0.2, 0.7, 0.7, 0.1])
    chosen = Probe("it/clips", lambda weights: next(given))
    last = run(tmp_path / "last", train={"keep_checkpoints": 9})
    result = run(tmp_path / "chosen", train={**EVERY, "selection": "probe"}, probe=chosen)
    weights, of_epoch_2 = load_weights(result.checkpoint), load_weights(step_folder(last.checkpoint.parent, 12))
    assert all(torch.equal(weights[name], of_epoch_2[name]) for name in of_epoch_2)
    state = read_state(result.checkpoint)
    assert state["probe"]["chosen_epoch"] == 2
    assert state["probe"]["scores"] == [[0, 0.9], [6, 0.2], [12, 0.7], [18, 0.7], [24, 0.1]]
    assert read_regular(result.checkpoint / FILES[1]) == read_regular(last.checkpoint / FILES[1])


def test_a_probe_may_come_and_go_but_not_one_that_chooses(tmp_path: Path) -> None:
    run(tmp_path, train={"epochs": 4, "stop_after": 2})
    with pytest.raises(CheckpointError, match=r"its train\.(probe|selection) is None, not"):
        run(tmp_path, train={**EVERY, "stop_after": 2, "selection": "probe"}, probe=NORM)
    run(tmp_path, train={**EVERY, "stop_after": 2}, probe=NORM)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"selection": "probe"}, "needs train.probe"),
        ({"probe": "it", "probe_epochs": 0}, r"train\.probe_epochs is 0"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object], sentence: str) -> None:
    from sslskel.config.compose import from_plain

    with pytest.raises(UsageError, match=sentence):
        from_plain(TrainConfig, options, "train")
