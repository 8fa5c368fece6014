"""What a run leaves: meta, cost, metrics of each logged step, TensorBoard, and lines for the reporter."""

from __future__ import annotations

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
from sslskel.errors import UsageError


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


def test_tensorboard_gets_the_numbers_where_it_is_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run(tmp_path / "with", engine={"tensorboard": True}, train={"epochs": 1})
    assert list((tmp_path / "with").rglob("events.out.tfevents*"))
    run(tmp_path / "without", train={"epochs": 1})
    assert not list((tmp_path / "without").rglob("events.out.tfevents*"))


def test_tensorboard_that_is_missing_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelerate.utils.is_tensorboard_available", lambda: False)
    with pytest.raises(UsageError, match=r"pip install 'sslskel\[tensorboard\]'"):
        run(tmp_path, engine={"tensorboard": True})
