"""A preset knows which script a paper ran on which dataset, for methods and protocols by the name asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sslskel.config.compose import Resolved, compose, shaping
from sslskel.errors import UsageError
from sslskel.grid.request import GridRequest
from sslskel.plugins.presets import presets, read_preset
from sslskel.plugins.registry import BENCHMARKS, METHODS, PROTOCOLS

OF_MAMP = (
    "masked_modelling", "mamp", "skeletonmae", "joint_to_joint", "joint_to_motion", "motion_to_joint",
    "motion_to_motion",
)  # fmt: skip
OF_NTU120 = ("ntu120", "ntu120_copied", "ntu120_clean", "ntu120_agcn")


def composed(method: str, benchmark: str, protocol: str = "linear", **request: Any) -> Resolved:
    asked = GridRequest(methods=(method,), benchmarks=(benchmark,), protocols=(protocol,), **request)
    return asked.cells()[0].resolved


def options(resolved: Resolved, *names: str) -> list[object]:
    plain = resolved.plain()
    return [plain[group].get(option) for group, option in (name.split(".") for name in names)]


PRETRAINING = ("method.decoder_depth", "method.tau", "train.epochs", "train.stop_after")


@pytest.mark.parametrize("method", OF_MAMP)
@pytest.mark.parametrize(
    ("benchmarks", "expected"),
    [
        (("ntu60", "ntu60_clean", "ntu60_agcn"), [3, 0.8, 400, None]),
        (OF_NTU120, [5, 0.75, 400, None]),
        (("pku_mmd1", "pku_mmd2"), [5, 0.8, 400, 301]),
    ],
)
def test_mamp_pretrains_as_its_script_for_the_dataset(
    method: str, benchmarks: tuple[str, ...], expected: list[object]
) -> None:
    for benchmark in benchmarks:
        assert options(composed(method, benchmark), *PRETRAINING) == expected, benchmark


HEAD = ("protocol.batch_size", "protocol.lr", "protocol.epochs")


@pytest.mark.parametrize(
    ("benchmark", "expected"),
    [
        ("ntu60", [256, 0.1, 100]),
        ("ntu120_copied", [256, 0.1, 100]),
        ("pku_mmd1", [128, 0.1, 100]),
        ("pku_mmd2", [32, 0.01, 100]),
    ],
)
def test_the_linear_head_is_that_of_the_script_for_the_dataset(benchmark: str, expected: list[object]) -> None:
    assert options(composed("mamp", benchmark), *HEAD) == expected
    assert options(composed("skeletonclr", benchmark), *HEAD) == expected


def test_heads_of_other_papers_stay_as_they_are() -> None:
    assert options(composed("cmd", "pku_mmd2", "linear_cmd"), *HEAD) == [64, 0.1, 80]
    assert options(composed("pstl", "pku_mmd1", "linear_pstl"), *HEAD) == [128, 0.01, 150]


def test_schedules_of_isc_and_cmd() -> None:
    schedule = ("train.epochs", "train.milestones")
    assert options(composed("isc", "ntu60_agcn"), *schedule) == [451, [351]]
    assert options(composed("isc", "ntu120_agcn"), *schedule) == [351, [251]]
    assert options(composed("cmd", "ntu120_agcn"), *schedule) == [451, [351]]
    assert options(composed("cmd", "pku_mmd2"), *schedule) == [1001, [801]]


def test_transfer_is_pretrained_as_at_home_and_judged_as_where_it_goes() -> None:
    to_pku = composed("mamp", "pku_mmd2", pretrain_on="ntu60")
    assert options(to_pku, *PRETRAINING, *HEAD) == [3, 0.8, 400, None, 32, 0.01, 100]
    to_ntu = composed("mamp", "ntu60", pretrain_on="pku_mmd2")
    assert options(to_ntu, *PRETRAINING, *HEAD) == [5, 0.8, 400, 301, 256, 0.1, 100]


def test_overrides_and_other_presets_win() -> None:
    assert options(composed("mamp", "ntu120", overrides=("method.decoder_depth=2",)), *PRETRAINING)[:2] == [2, 0.75]
    assert options(composed("mamp", "ntu120", preset="cpu"), *PRETRAINING) == [2, 0.8, 120, None]
    assert options(composed("mamp", "pku_mmd2", preset="quick"), *HEAD) == [256, 0.1, 100]


def test_a_method_preset_of_ones_own_is_not_the_papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sslskel_plugins" / "configs" / "method"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("plugin: masked_modelling\nconfig: {decoder_depth: 4, tau: 0.5}\n")
    assert options(composed("mine", "ntu120"), *PRETRAINING) == [4, 0.5, 400, None]


def test_a_foreign_backbone_gets_none_of_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sslskel_plugins" / "configs" / "preset"
    folder.mkdir(parents=True)
    text = "benchmark: {ntu60: {method: {mamp: {backbone: {drop_path: 0.2}, train: {epochs: 7}}}}}\n"
    (folder / "mine.yaml").write_text(text)
    asked = ("backbone.drop_path", "train.epochs")
    assert options(composed("mamp", "ntu60", preset="mine"), *asked) == [0.2, 7]
    assert options(composed("mamp", "ntu60", preset="mine", backbone="dstformer"), "train.epochs") == [7]


def test_an_option_that_there_is_not_names_preset_method_and_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sslskel_plugins" / "configs" / "preset"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("benchmark: {ntu60: {method: {mamp: {train: {epoch: 7}}}}}\n")
    with pytest.raises(UsageError, match=r"preset 'mine' for method 'mamp' on 'ntu60': .*epoch"):
        composed("mamp", "ntu60", preset="mine")


@pytest.mark.parametrize("name", sorted(presets()))
def test_presets_name_what_there_is(name: str) -> None:
    """A misspelled name would be left out without a word."""
    for benchmark, groups in read_preset(name).get("benchmark", {}).items():
        assert benchmark in BENCHMARKS.names()
        assert set(groups) <= {"method", "protocol"}
        assert set(groups.get("method", {})) <= set(METHODS.names())
        assert set(groups.get("protocol", {})) <= set(PROTOCOLS.names())


def test_an_end_before_the_schedules_is_part_of_an_identity_and_none_is_not() -> None:
    plain = compose("mamp", backbone="transformer", preset="released").plain()["train"]
    assert "stop_after" not in plain
    ended = compose("mamp", backbone="transformer", preset="released", overrides=["train.stop_after=301"]).plain()
    assert shaping("train", ended["train"])["stop_after"] == 301
