"""The check that trains a method on 1, 2 and 4 real processes: who passes, who fails, and with which cause."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import toy_engine
from duels import Duel, MeanCritic
from process_faults import (
    Bank,
    BankOfOwnClips,
    Contrast,
    DetachedGather,
    FailsBeside,
    ForgottenGather,
    MeanWithCountOne,
    OwnStatistics,
)
from sound_method import Sound

from sslskel.checks import CheckResult, check_method
from sslskel.checks.method_processes import Maker
from sslskel.checks.processes import train_in_processes
from sslskel.checks.subjects import method_subject
from sslskel.plugins.scaffold import new_method

CHECK = "processes_train_as_one"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are started on Linux alone")


def checked(method: type) -> CheckResult:
    [result] = check_method(method, only=[CHECK])
    return result


@pytest.mark.parametrize(
    "method", [Sound, *(pytest.param(one, marks=pytest.mark.long) for one in (Contrast, Bank, Duel))]
)
def test_a_method_that_is_right_passes_and_says_how_large_the_differences_are(method: type) -> None:
    result = checked(method)
    assert result.passed, result.detail
    assert "2 processes" in result.detail
    assert "4 processes" in result.detail


@pytest.mark.parametrize(
    ("method", "causes"),
    [
        (ForgottenGather, ["step 1", "loss term 'agree'", "gather_rows"]),
        pytest.param(MeanWithCountOne, ["loss term 'agree'", "count of 1", "sum", "how many"], marks=pytest.mark.long),
        pytest.param(
            BankOfOwnClips, ["'bank'", "differs between processes", "step 1", "gather_rows"], marks=pytest.mark.long
        ),
        pytest.param(DetachedGather, ["gradient", "gather_rows"], marks=pytest.mark.long),
        pytest.param(OwnStatistics, ["norm", "BatchNorm1d", "GlobalBatchNorm"], marks=pytest.mark.long),
        pytest.param(MeanCritic, ["step 1", "loss term 'tell'", "count of 1"], marks=pytest.mark.long),
        (FailsBeside, ["2 processes", "ValueError", "not beside others"]),
    ],
)
def test_a_method_that_is_wrong_on_two_processes_fails_and_hears_the_cause(method: type, causes: list[str]) -> None:
    result = checked(method)
    assert result.failed, result
    for cause in causes:
        assert cause in result.detail


def test_a_run_of_this_process_alone_does_not_keep_the_checked_ones_apart(tmp_path: Path) -> None:
    """Processes are forked from one that may have trained before, and inherit what that left."""
    toy_engine.run(tmp_path, train={"epochs": 1})
    result = checked(Sound)
    assert result.passed, result.detail


@pytest.mark.long
@pytest.mark.parametrize("plugin", [Bank, "mine"])
def test_started_afresh_processes_train_as_forked_ones(
    plugin: type | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is a GPU processes are spawned: they import what they are handed, local plugins included."""
    monkeypatch.chdir(tmp_path)
    if isinstance(plugin, str):
        new_method(plugin)
    make, worlds = Maker(method_subject(plugin).case), {1: 1, 2: 1}
    spawned, forked = (train_in_processes(make, worlds, how) for how in ("spawn", "fork"))
    for world in worlds:
        for one, other in zip(spawned[world], forked[world], strict=True):
            assert [each["totals"] for each in one["passes"]] == [each["totals"] for each in other["passes"]]
            last, wanted = one["passes"][-1]["state"], other["passes"][-1]["state"]
            assert all(last[name].equal(value) for name, value in wanted.items())
