"""``${...}``: never looked up in presets, tables, searches and checkpoints, and within a short list in overrides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sslskel.config.compose import compose, from_plain
from sslskel.config.groups import TrainConfig
from sslskel.config.interpolation import check_override, refuse_interpolations
from sslskel.engine.checkpoint import load_optimiser, load_weights, read_state, resolve, save_checkpoint
from sslskel.errors import UsageError
from sslskel.grid.reproduce import read_table
from sslskel.grid.run import bench, evaluate

SECRET = "${oc.env:SSLSKEL_TEST_SECRET}"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSLSKEL_TEST_SECRET", "7")
    monkeypatch.chdir(tmp_path)


def resolved(**changes: Any) -> Any:
    return compose("mamp", **{"backbone": "transformer", "preset": "quick", **changes})


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("method/secretive", "plugin: masked_modelling\nconfig: {tau: '%s'}\n"),
        ("method/secretive", "plugin: masked_modelling\ntrain: {epochs: '%s'}\n"),
        ("method/secretive", "stages: [{method: skeletonmae}, {method: mamp, train: {epochs: '%s'}}]\n"),
        ("preset/secretive", "train: {also: [a, '%s']}\n"),
        ("protocol/secretive", "plugin: knn\nconfig: {k: '%s'}\n"),
    ],
)
def test_a_preset_looks_nothing_up(place: str, text: str) -> None:
    file = Path("sslskel_plugins/configs", f"{place}.yaml")
    file.parent.mkdir(parents=True)
    file.write_text(text % SECRET)
    kind, _, name = place.partition("/")
    asked = {"method": ["mamp"], "protocol": ["knn"], "preset": "quick", kind: name if kind == "preset" else [name]}
    with pytest.raises(UsageError, match=r"secretive.*SSLSKEL_TEST_SECRET\}' stands for another value, which is never"):
        bench(asked["method"], asked["protocol"], ["synthetic"], preset=str(asked["preset"]))


def test_a_table_looks_nothing_up() -> None:
    file = Path("sslskel_plugins/configs/table/secretive.yaml")
    file.parent.mkdir(parents=True)
    file.write_text(
        "{title: t, paper: p, protocol: knn, published: [], rows: [{name: n, method: mamp, overrides:"
        f" ['method.tau={SECRET}']}}]}}"
    )
    with pytest.raises(UsageError, match=r"table .*secretive\.yaml: .* is never looked up"):
        read_table("secretive")


def test_a_checkpoint_looks_nothing_up(tiny: str) -> None:
    bench(["random_init"], ["knn"], [tiny], overrides=["backbone.dim=8"])
    [run] = Path("runs/pretrain").iterdir()
    step = resolve(run)
    state = read_state(step)
    for group in ("train", "clip"):
        changed = json.loads(json.dumps(state))
        key = "epochs" if group == "train" else "frames"
        changed["meta"][group][key] = SECRET
        changed = {name: value for name, value in changed.items() if name not in ("step", "format")}
        save_checkpoint(run, 0, load_weights(step), load_optimiser(step), changed, keep=1)
        with pytest.raises(UsageError, match="stands for another value, which is never looked up"):
            evaluate(run, "knn", output="theirs")
    assert not Path("theirs/records").exists()


def test_plain_data_looks_nothing_up() -> None:
    with pytest.raises(UsageError, match=r"^train: "):
        from_plain(TrainConfig, {"epochs": SECRET}, "train")
    refuse_interpolations({"a": ["x", {"b": "$100 {and} more"}]}, "a")
    nested: Any = "x"
    for _ in range(10_000):
        nested = [nested]
    with pytest.raises(UsageError, match=r"^train: lists and mappings lie more than 50 deep in each other"):
        from_plain(TrainConfig, {"epochs": nested}, "train")


def test_an_override_of_ones_own_may_look_up_a_variable_or_another_option() -> None:
    assert resolved(overrides=[f"train.epochs={SECRET}"]).train.epochs == 7
    assert (
        resolved(overrides=["train.checkpoint_epochs=${train.epochs}", "train.epochs=9"]).train.checkpoint_epochs == 9
    )
    assert resolved(overrides=["train.epochs='${oc.decode:${oc.env:SSLSKEL_TEST_SECRET}}'"]).train.epochs == 7


@pytest.mark.parametrize(
    "value",
    [
        "${hydra:runtime.cwd}",
        "${oc.create:{a: 1}}",
        "${oc.dict.keys:train}",
        "${oc.deprecated:train.epochs}",
        "${mine:1}",
        "${${oc.env:A}:1}",
        "${oc.env:${mine:1}}",
        "${oc.env:A}${mine:1}",
        "${.epochs",
        "${",
    ],
)
def test_an_override_calls_nothing_else(value: str) -> None:
    with pytest.raises(UsageError, match=r"only another option .* and oc\.env, oc\.select, oc\.decode may stand in"):
        check_override(f"train.epochs={value}")
    with pytest.raises(UsageError):
        resolved(overrides=[f"train.epochs={value}"])
