"""Trackers get the numbers of a run through Accelerate; one that is unknown, missing or broken is a sentence."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker
from toy_engine import run

from sslskel.config.compose import Resolved, compose
from sslskel.config.groups import TRACKERS, EngineConfig
from sslskel.errors import RunError, UsageError

OTHERS = [name for name in TRACKERS if name != "tensorboard"]


class Kept(GeneralTracker):  # type: ignore[misc]
    """A tracker that keeps what it is told, in place of one whose package is not here."""

    requires_logging_directory = False
    told: list[tuple[str, Any]]

    def __init__(self, **options: str) -> None:
        super().__init__(_blank=True)
        self.told.append(("made", options))

    def start(self) -> None:
        self.told.append(("start", None))

    @property
    def tracker(self) -> None:
        return None

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.told.append(("settings", values))

    def log(self, values: dict[str, float], step: int | None = None, **_: object) -> None:
        self.told.append(("log", (step, values["loss"])))

    def finish(self) -> None:
        self.told.append(("finish", None))


def test_tensorboard_gets_the_numbers_where_it_is_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run(tmp_path / "with", engine={"tensorboard": True}, train={"epochs": 1})
    run(tmp_path / "track", engine={"track": ["tensorboard"]}, train={"epochs": 1})
    for folder in ("with", "track"):
        assert list((tmp_path / folder / "tensorboard").rglob("events.out.tfevents*"))
    run(tmp_path / "without", train={"epochs": 1})
    assert not list((tmp_path / "without").rglob("events.out.tfevents*"))


@pytest.mark.parametrize("name", OTHERS)
def test_others_get_name_settings_and_numbers(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type("One", (Kept,), {"name": name, "told": []})
    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, name, kind)
    monkeypatch.setattr(f"accelerate.utils.is_{name}_available", lambda: True)
    run(tmp_path / "mine", engine={"track": [name], "log_every": 4}, train={"epochs": 1})
    (made, options), (start, _), (settings, values), *logged, (finish, _) = kind.told
    assert (made, start, settings, finish) == ("made", "start", "settings", "finish")
    assert "mine" in options.values()
    assert "sslskel" in options.values()
    assert values["train.epochs"] == 1
    assert [step for _, (step, _) in logged] == [4, 6]
    broken = type("Two", (Kept,), {"name": name, "told": [], "start": lambda self: 1 / 0})
    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, name, broken)
    with pytest.raises(RunError, match=f"engine.track={name} did not start: division by zero"):
        run(tmp_path / "other", engine={"track": [name]}, train={"epochs": 1})


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in OTHERS if find_spec(name) is not None])
def test_those_that_are_installed_work_offline(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    run(tmp_path / "mine", engine={"track": [name]}, train={"epochs": 1})
    if name == "mlflow":
        [kept] = importlib.import_module("mlflow").search_runs(experiment_names=["sslskel"], output_format="list")
        assert kept.data.metrics["loss"] > 0
    else:
        assert [path for path in tmp_path.rglob("*") if name in str(path.relative_to(tmp_path)) and path.is_file()]


@pytest.mark.parametrize("name", TRACKERS)
def test_one_that_is_missing_is_one_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"accelerate.utils.is_{name}_available", lambda: False)
    with pytest.raises(UsageError, match=rf"engine.track={name} .*pip install 'sslskel\[{name}\]'"):
        run(tmp_path, engine={"track": [name]})


def composed(*overrides: str) -> Resolved:
    """A configuration with these overrides."""
    return compose("random_init", backbone="transformer", preset="quick", overrides=overrides)


def test_several_are_a_comma_list_and_no_part_of_a_run() -> None:
    asked = composed("engine.track=tensorboard,wandb")
    assert asked.engine.track == ["tensorboard", "wandb"]
    assert composed("engine.track=mlflow").engine.track == ["mlflow"]
    assert "track" not in composed().plain()["engine"]
    assert EngineConfig(tensorboard=True, track=["wandb", "tensorboard"]).trackers == ["tensorboard", "wandb"]
    with pytest.raises(UsageError, match=r"engine\.track names 'comet'; it can be tensorboard, wandb, mlflow, trackio"):
        composed("engine.track=comet")
