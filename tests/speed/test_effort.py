"""What a pretraining takes: steps and clips by hand, operations that follow the network's size, what is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from board_records import made, three

from sslskel.cli import main
from sslskel.leaderboard.ladder import Effort
from sslskel.results.store import ResultStore
from sslskel.speed.effort import Efforts, unscored


@pytest.fixture
def efforts() -> Efforts:
    return Efforts()


def hours_of(efforts: Efforts, **changes: Any) -> float:
    effort = efforts.of_record(made(**changes))
    assert effort is not None
    assert effort.gpu_hours is not None
    return effort.gpu_hours


def test_steps_and_clips_are_those_of_the_recorded_training(efforts: Efforts) -> None:
    effort = efforts.of_record(made())
    assert effort is not None
    assert (effort.steps, effort.clips) == (60 * (431 // 64), 60 * 6 * 64)
    assert efforts.of_record(made(config__train__stop_after=5)).steps == 5 * 6  # type: ignore[union-attr]
    effort = efforts.of_record(made(config__train__drop_last=False))
    assert effort is not None
    assert (effort.steps, effort.clips) == (60 * 7, 60 * 431), "a last batch of 47 clips is a step too"


def test_hours_grow_with_epochs_and_with_the_network(efforts: Efforts) -> None:
    hours = hours_of(efforts)
    assert 1e-5 < hours < 1e-1
    assert hours_of(efforts, config__train__epochs=120) == pytest.approx(2 * hours)
    assert hours_of(efforts, config__backbone__depth=16) > hours
    assert hours_of(efforts, precision="bf16") <= hours


def test_what_has_seen_nothing_costs_nothing(efforts: Efforts) -> None:
    assert efforts.of_record(made("random_init", seen=[])) == Effort(parameters=203136)


def test_methods_and_data_that_are_not_installed_are_not_looked_at(efforts: Efforts, tiny: str) -> None:
    assert efforts.of_record(made("a_stranger")) is None
    seen = [{"clips": 18, "dataset": tiny, "fingerprint": "f" * 64, "part": "train", "split": "xsub"}]
    assert efforts.of_record(made(seen=seen)) is None, "its code is in a working folder"


@pytest.mark.long
def test_earlier_stages_count(efforts: Efforts) -> None:
    place = [("utd_mhad", "xsub", 431)]
    stars, mamp = efforts.of_method("stars", "quick", place), efforts.of_method("mamp", "quick", place)
    assert stars is not None
    assert mamp is not None
    assert stars.steps > mamp.steps
    assert (stars.gpu_hours or 0.0) > (mamp.gpu_hours or 1.0)


@pytest.mark.long
def test_every_built_in_method_has_a_cost(efforts: Efforts) -> None:
    rungs = unscored(efforts, [made(preset="cpu"), made(preset="quick"), made(preset="quick")])
    assert len(rungs) > 30
    assert {one.preset for one in rungs} == {"quick"}
    lacking = [
        one.label for one in rungs if one.effort is None or not one.effort.gpu_hours or not one.effort.parameters
    ]
    assert lacking == []


def test_the_command_writes_a_ladder(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr("sslskel.speed.effort.unscored", lambda *given: [])
    store = ResultStore(tmp_path / "runs")
    for record in [*three("mamp", 0.6, 0.7), *three("random_init", 0.3, seen=[])]:
        store.write(record)
    asked = ["leaderboard", "--ladder", "--results", str(tmp_path / "runs")]
    assert main([*asked, "--output", str(tmp_path / "ladder.html")]) == 0
    assert "<svg" not in (tmp_path / "ladder.html").read_text(encoding="utf-8"), "a floor costs nothing"
    assert main([*asked, "--format", "csv"]) == 0
    assert "360,23040" in capsys.readouterr().out
    assert main([*asked, "--format", "latex"]) == 2
    assert "the ladder has no format 'latex'" in capsys.readouterr().err
    assert main([*asked, "--benchmark", "ntu60"]) == 2
