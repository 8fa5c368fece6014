"""Stops, signals, full disks and damaged checkpoints: the same call continues to the same bytes, or says why not."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor
from toy_engine import Toy, ToySource, lines, run
from trained_weights import assert_equal

from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.engine.checkpoint import read_state
from sslskel.errors import CheckpointError, Interrupted, RunError


@pytest.mark.parametrize("step", [2, 5, 6, 13])
def test_a_stop_in_the_middle_of_an_epoch_continues_to_the_same_bytes(tmp_path: Path, step: int) -> None:
    """The signal falls into the loading of a batch; that step is finished and saved, whatever the epoch says."""
    whole = run(tmp_path / "whole", method={"terms": 2})

    class Stopped(ToySource):
        def batch(self, positions: Tensor, view: Any, noise: Noise, outer: Any = ()) -> Any:
            if len(self.drawn) == step:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().batch(positions, view, noise, outer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("toy_engine.ToySource", Stopped)
        with pytest.raises(Interrupted) as caught:
            run(tmp_path / "cut", method={"terms": 2})
    assert caught.value.exit_code == 75
    assert read_state(tmp_path / "cut")["step"] == step + 1
    resumed = run(tmp_path / "cut", method={"terms": 2})
    assert_equal(whole, resumed)
    assert resumed.loss == whole.loss
    assert [line["loss"] for line in lines(tmp_path / "cut")] == [line["loss"] for line in lines(tmp_path / "whole")]


def test_a_signal_in_the_last_step_is_not_lost(tmp_path: Path) -> None:
    class Late(Toy):
        def on_step_end(self, progress: Progress, noise: Noise) -> None:
            super().on_step_end(progress, noise)
            if progress.step == 23:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        run(tmp_path, kind=Late)
    assert caught.value.exit_code == 130
    assert read_state(tmp_path)["finished"]


def test_a_second_ctrl_c_does_not_wait_for_the_step(tmp_path: Path) -> None:
    class Stuck(Toy):
        def on_step_end(self, progress: Progress, noise: Noise) -> None:
            if progress.step == 8:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, kind=Stuck)
    assert read_state(tmp_path)["step"] == 6


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 4}, "its seed is 3, not 4"),
        ({"meta": {"identity": "other"}}, "its identity is toy, not other"),
        ({"train": {"lr": 0.5}}, "its train.lr is 0.01, not 0.5"),
        ({"clips": 21}, "its clips is 22, not 21"),
        ({"precision": "bf16"}, "its engine.precision is fp32, not bf16"),
    ],
)
def test_a_folder_of_another_run_is_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    run(tmp_path, train={"epochs": 1}) if "train" not in changes else run(tmp_path)
    options = {"train": {"epochs": 1}, **changes}
    if "train" in changes:
        options["train"] = changes["train"]
    with pytest.raises(CheckpointError, match=named):
        run(tmp_path, **options)


def test_what_does_not_change_numbers_may_change_on_resume(tmp_path: Path) -> None:
    first = run(tmp_path)
    again = run(tmp_path, train={"checkpoint_epochs": 2, "keep_checkpoints": 1}, engine={"log_every": 7})
    assert again.checkpoint == first.checkpoint


def test_a_full_disk_ends_the_run_and_the_same_call_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole")
    sync, calls = os.fsync, [0]

    def full(handle: int) -> None:
        calls[0] += 1
        if calls[0] > 10:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"no space left for the checkpoint of step 12 .*free some"):
        run(tmp_path / "cut")
    assert read_state(tmp_path / "cut")["step"] == 6
    monkeypatch.undo()
    assert_equal(whole, run(tmp_path / "cut"))


def test_a_damaged_newest_checkpoint_costs_one_warning_and_no_byte(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = run(tmp_path / "whole")
    last = run(tmp_path / "cut")
    model = last.checkpoint / "model.safetensors"
    content = bytearray(model.read_bytes())
    content[-5] ^= 1
    model.write_bytes(content)
    assert_equal(whole, run(tmp_path / "cut"))
    [line] = caplog.messages
    assert str(last.checkpoint) in line
    assert "model.safetensors" in line
