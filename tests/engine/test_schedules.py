"""Numbers that change over steps: schedules, and weight decay by them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_engine import Toy, ToyConfig, lines, run, train_config

from sslskel import ConstantSchedule, CosineSchedule, LinearSchedule, Progress
from sslskel.config.compose import compose, shaping
from sslskel.config.groups import TrainConfig
from sslskel.engine.checkpoint import read_state
from sslskel.engine.optim import build_optimiser, set_decay
from sslskel.engine.schedule import weight_decay
from sslskel.errors import CheckpointError, UsageError


def over(schedule: Any, steps: int = 8, epochs: int = 2) -> list[float]:
    return [schedule.at(Progress(step, steps // epochs, epochs)) for step in range(steps)]


def test_schedules_go_from_start_to_end_step_by_step() -> None:
    assert over(ConstantSchedule(0.3)) == [0.3] * 8
    assert over(LinearSchedule(1.0, 3.0)) == [1 + step / 4 for step in range(8)]
    wanted = [1 - 0.05 * (math.cos(math.pi * step / 8) + 1) for step in range(8)]
    assert over(CosineSchedule(0.9, 1.0)) == pytest.approx(wanted)


def test_schedules_stay_before_and_after_their_epochs() -> None:
    assert over(LinearSchedule(0.0, 1.0, 0.5, 1.0)) == [0, 0, 0, 0.5, 1, 1, 1, 1]
    assert over(LinearSchedule(0.0, 1.0, 1.0, 1.0)) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert over(CosineSchedule(2.0, 1.0, 1.0))[:5] == [2] * 5


def test_weight_decay_changes_over_steps_where_a_group_has_none_of_its_own() -> None:
    train = train_config(weight_decay=0.1, weight_decay_course="cosine", weight_decay_end=0.5)
    optimiser = build_optimiser(Toy(ToyConfig()).parameter_groups(), train)
    set_decay(optimiser, weight_decay(train).at(Progress(4, 4, 2)))
    assert [group["weight_decay"] for group in optimiser.param_groups] == [pytest.approx(0.3), 0.0]
    set_decay(optimiser, weight_decay(train_config()).at(Progress(4, 4, 2)))
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.05, 0.0]


def test_a_run_decays_by_the_course_and_is_another_run(tmp_path: Path) -> None:
    still: dict[str, Any] = {"lr": 0.1, "min_lr": 0.1, "warmup_epochs": 0, "weight_decay": 0.0, "epochs": 2}
    moved = {**still, "weight_decay_course": "linear", "weight_decay_end": 0.5}
    assert lines(run_in(tmp_path / "a", still))[-1]["loss"] != lines(run_in(tmp_path / "b", moved))[-1]["loss"]
    assert not [name for name in read_state(tmp_path / "a")["settings"] if "weight_decay_" in name]
    assert read_state(tmp_path / "b")["settings"]["train.weight_decay_course"] == "linear"
    for folder, train in (("a", moved), ("b", still)):
        with pytest.raises(CheckpointError, match="weight_decay_course"):
            run_in(tmp_path / folder, train)


def run_in(folder: Path, train: dict[str, Any]) -> Path:
    run(folder, train=train)
    return folder


def test_a_constant_decay_leaves_no_word_in_configurations() -> None:
    plain = compose("mamp", backbone="transformer", preset="cpu").plain()["train"]
    assert not [name for name in plain if name.startswith("weight_decay_")]
    other = compose("mamp", backbone="transformer", preset="cpu", overrides=["train.weight_decay_course=linear"])
    assert shaping("train", other.plain()["train"]) == {
        **shaping("train", plain), "weight_decay_course": "linear"
    }  # fmt: skip
    with pytest.raises(UsageError, match=r"weight_decay_end=0.1 needs train.weight_decay_course"):
        TrainConfig(weight_decay_end=0.1)


def test_a_temperature_of_a_schedule_compiles() -> None:
    schedule = CosineSchedule(0.2, 0.1)

    def scaled(values: torch.Tensor, progress: Progress) -> torch.Tensor:
        return values / schedule.at(progress)

    compiled = torch.compile(scaled, backend="eager", dynamic=True, fullgraph=True)
    for step in (0, 1, 5):
        progress = Progress(step, 4, 2)
        assert torch.equal(compiled(torch.ones(2), progress), scaled(torch.ones(2), progress))
