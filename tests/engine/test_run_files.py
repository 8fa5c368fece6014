"""What a run leaves: meta, cost, metrics of each logged step, a log with times, and lines for the reporter."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from recorder import Recorder
from toy_engine import Toy, lines, run

from sslskel.api.batch import StepOutput
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.engine.checkpoint import read_meta, read_state
from sslskel.errors import Diverged


def test_meta_and_cost_are_kept(tmp_path: Path) -> None:
    meta = {"identity": "abc", "layout": {"joints": ["head"]}}
    result = run(tmp_path, meta=meta)
    assert read_meta(tmp_path) == meta
    state = read_state(result.checkpoint)
    assert state["seconds"] == result.seconds > 0
    assert state["peak_memory"] == result.peak_memory > 2**20
    assert result.samples_per_second == pytest.approx(4 * 22 / result.seconds)
    again = run(tmp_path, meta=meta)
    assert (again.seconds, again.loss, again.peak_memory) == (result.seconds, result.loss, result.peak_memory)


def test_metrics_hold_each_logged_step_and_the_last(tmp_path: Path) -> None:
    run(tmp_path, engine={"log_every": 10})
    assert [line["step"] for line in lines(tmp_path)] == [10, 20, 24]
    line = lines(tmp_path)[-1]
    assert line["epoch"] == 4
    assert 0 < line["metric/hidden"] < 1
    assert line["samples_per_second"] > 0


def test_metrics_stay_json_where_a_number_is_not_finite(tmp_path: Path) -> None:
    class Odd(Toy):
        def forward(self, views: Any, noise: Noise, progress: Progress) -> StepOutput:
            return super().forward(views, noise, progress)._replace(metrics={"odd": torch.tensor(torch.nan)})

    run(tmp_path, kind=Odd, train={"epochs": 1})
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()
    assert {line["metric/odd"] for line in lines(tmp_path)} == {None}


def test_every_step_is_reported(tmp_path: Path) -> None:
    recorder = Recorder()
    run(tmp_path, reporter=recorder)
    assert recorder.steps == [("pretraining", step, 24) for step in range(1, 25)]


def test_progress_says_the_memory(tmp_path: Path) -> None:
    recorder = Recorder()
    run(tmp_path, reporter=recorder, train={"epochs": 1})
    assert all(float(str(detail["memory"]).removesuffix(" GiB")) > 0 for detail in recorder.details)


def test_a_log_has_times_and_how_each_attempt_ended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Diverged):
        run(tmp_path, method={"poisoned_step": 8, "poison": "loss"}, train={"checkpoint_epochs": 1})
    (tmp_path / "step-00000006" / "model.safetensors").write_bytes(b"")
    run(tmp_path, train={"checkpoint_epochs": 1})
    written = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    times = [time.strptime(line[:25], "%Y-%m-%d %H:%M:%S %z") for line in written]
    assert times == sorted(times)
    told = [line[27:] for line in written]
    assert told[0] == "step 0 of 24, 1 process(es), cpu"
    assert told[1].startswith("epoch 1, step 6 of 24, loss ")
    assert told[2].startswith("ended: step 9: the loss term")
    assert told[-2].startswith("epoch 4, step 24 of 24, loss ")
    assert told[-1] == "finished"


def test_a_log_that_cannot_be_written_ends_no_run(tmp_path: Path) -> None:
    (tmp_path / "log.txt").mkdir()
    assert run(tmp_path, train={"epochs": 1}).steps == 6
