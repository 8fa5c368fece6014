"""Each check of methods can fail: a method with one fault fails the check that is there for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from duels import Duel, DullCritic, HalfCritic
from faulty_encoders import (
    BatchFeatures,
    Constant,
    HiddenState,
    ModeChanger,
    NoEncoders,
    RandomFeatures,
    SecondCopy,
    WrongDim,
)
from faulty_methods import (
    AttachedMetric,
    BatchAugment,
    BatchMean,
    Between,
    Cheats,
    CountsSlots,
    Declared,
    Detached,
    DrawnAssignments,
    Float32Only,
    GlobalAugment,
    GlobalDraws,
    Infinite,
    MeanTerms,
    NoDefault,
    NoLiterals,
    NoViews,
    NumpyDraws,
    OneBody,
    OneLength,
    PlaceDraws,
    PythonDraws,
    ReadsUndeclared,
    ReadsWeights,
    SometimesUnused,
    Spoils,
    StartsOver,
    TakesAnything,
    Taught,
    ThreeDimensions,
    Toggles,
    TwoPersons,
    Ungrouped,
    Unlearnable,
    Unused,
    Vector,
    Writes,
    WrongError,
)
from safetensors.torch import save_file
from sound_method import Sound, failed
from supervised import (
    FlatReference,
    Half,
    Idle,
    Peeking,
    Pretrained,
    Reference,
    Wide,
    WithoutClassifier,
    with_classifier,
)

from sslskel.api.origin import Origin
from sslskel.api.view import ClipSpec
from sslskel.checks import (
    backbone_checks,
    check_method,
    dataset_checks,
    method_checks,
    protocol_checks,
)
from sslskel.checks.fixtures import dataset_info
from sslskel.config.groups import require
from sslskel.errors import UsageError

FAULTS: list[tuple[type, str]] = [
    (NoDefault, "builds_from_defaults"),
    (TakesAnything, "refuses_bad_values"),
    (WrongError, "refuses_bad_values"),
    (Writes, "constructor_does_no_io"),
    (ReadsUndeclared, "declares_what_it_reads"),
    (NoViews, "asks_for_views"),
    (NoLiterals, "builds_from_defaults"),
    (BatchAugment, "views_do_not_depend_on_the_batch"),
    (GlobalAugment, "uses_keyed_noise_only"),
    (Infinite, "loss_is_finite"),
    (Vector, "loss_is_finite"),
    (AttachedMetric, "loss_is_finite"),
    (Detached, "loss_is_finite"),
    (Unused, "every_parameter_gets_a_gradient"),
    (Ungrouped, "every_parameter_gets_a_gradient"),
    (Toggles, "keeps_what_trains"),
    (DrawnAssignments, "epochs_start_the_same_way"),
    (StartsOver, "epochs_start_the_same_way"),
    (Unlearnable, "loss_falls"),
    (Spoils, "leaves_the_batch_alone"),
    (Cheats, "does_not_read_labels"),
    (GlobalDraws, "uses_keyed_noise_only"),
    (NumpyDraws, "uses_keyed_noise_only"),
    (PythonDraws, "uses_keyed_noise_only"),
    (PlaceDraws, "order_of_clips_is_irrelevant"),
    (PlaceDraws, "clips_bring_their_own_draws"),
    (BatchMean, "halves_make_the_whole"),
    (MeanTerms, "halves_make_the_whole"),
    (MeanTerms, "processes_train_as_one"),
    (SometimesUnused, "runs_under_ddp"),
    (Float32Only, "runs_in_bf16"),
    (OneLength, "other_frames"),
    (OneBody, "other_layout"),
    (TwoPersons, "one_person"),
    (ThreeDimensions, "two_dimensions"),
    (CountsSlots, "missing_persons_do_not_matter"),
    (NoEncoders, "features_have_the_promised_shape"),
    (WrongDim, "features_have_the_promised_shape"),
    (Constant, "features_have_the_promised_shape"),
    (RandomFeatures, "features_are_deterministic"),
    (BatchFeatures, "features_do_not_depend_on_the_batch"),
    (ModeChanger, "encoding_changes_nothing"),
    (HiddenState, "weights_come_back"),
    (SecondCopy, "encoders_hold_no_second_copy"),
    (with_classifier(Peeking), "classifier_learns"),
    (with_classifier(Idle), "classifier_learns"),
    (with_classifier(Wide), "classifier_learns"),
    (with_classifier(Half), "classifier_learns"),
    (WithoutClassifier, "classifier_learns"),
    (Pretrained, "classifier_learns"),
]


def test_a_sound_method_passes_every_check() -> None:
    results = check_method(Between)
    assert [result.name for result in results] == list(method_checks())
    assert not failed(results)
    assert [result.name for result in results if not result.passed] == ["classifier_learns"], "it reads no labels"


@pytest.mark.long
def test_a_sound_method_with_several_turns_passes_every_check_of_its_training() -> None:
    results = check_method(Duel)
    assert not failed(results)
    assert {"loss_falls", "runs_under_ddp", "processes_train_as_one"} <= {one.name for one in results if one.passed}


def test_the_loss_of_each_turn_must_fall_while_the_others_stand_still() -> None:
    sentence = failed(check_method(DullCritic, only=["loss_falls"]))["loss_falls"]
    assert "the loss of turn 'critic' has fallen by 0%" in sentence


def test_a_parameter_that_its_turn_does_not_reach_is_named() -> None:
    sentence = failed(check_method(HalfCritic, only=["runs_under_ddp"]))["runs_under_ddp"]
    assert "turn 'critic'" in sentence
    assert "extra.weight" in sentence


@pytest.mark.parametrize("method", [Reference, FlatReference])
def test_a_supervised_reference_passes_every_check_that_applies(method: type) -> None:
    results = check_method(method)
    assert not failed(results)
    assert "classifier_learns" in {result.name for result in results if result.passed}


@pytest.mark.parametrize(("plugin", "check"), FAULTS, ids=[f"{p.__name__}-{c}" for p, c in FAULTS])
def test_a_faulty_method_fails_the_check_for_its_fault(plugin: type, check: str) -> None:
    assert list(failed(check_method(plugin, only=[check]))) == [check]


@pytest.mark.long
def test_a_constructor_that_reads_weights_is_refused_and_pointed_to_load_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file({"start": torch.zeros(2)}, tmp_path / "start.safetensors")
    monkeypatch.setenv("SSLSKEL_TEST_WEIGHTS", str(tmp_path / "start.safetensors"))
    sentence = failed(check_method(ReadsWeights))["constructor_does_no_io"]
    assert "start.safetensors" in sentence
    assert "load_start" in sentence


def test_a_file_that_is_not_declared_is_named() -> None:
    sentence = failed(check_method(ReadsUndeclared, only=["declares_what_it_reads"]))["declares_what_it_reads"]
    assert sentence.startswith("load_start opens files that origins() does not name")
    assert sentence.endswith("pyproject.toml")
    assert not failed(check_method(Declares, only=["declares_what_it_reads"]))


def test_a_file_that_a_step_reads_is_named() -> None:
    sentence = failed(check_method(ReadsInStep, only=["declares_what_it_reads"]))["declares_what_it_reads"]
    assert sentence.startswith("files are read after the start")


class ReadsInStep(Sound):
    """Reads a file that it may not even declare."""

    def on_step_start(self, progress: Any, noise: Any) -> None:
        (Path(__file__).parents[2] / "pyproject.toml").read_bytes()


class Declares(ReadsUndeclared):
    """The same file, declared."""

    @classmethod
    def origins(cls, config: Any) -> tuple[Origin, ...]:
        return (Origin(Path(__file__).parents[2] / "pyproject.toml"),)


def test_every_check_of_a_method_has_a_fault_that_it_finds() -> None:
    assert set(method_checks()) == {check for _, check in FAULTS}


class Planar(Sound):
    """For 2D clips alone."""

    def __init__(self, config: Any, build_backbone: Any, clip: ClipSpec) -> None:
        require(clip.coordinates == 2, "2D only")
        super().__init__(config, build_backbone, clip)


@pytest.mark.long
def test_a_method_for_other_clips_is_checked_on_those() -> None:
    assert "2D only" in failed(check_method(Planar))["loss_is_finite"]
    assert not failed(check_method(Planar, clips=dataset_info(coordinates=2, persons=1)))


def test_a_teacher_that_stays_in_eval_mode_is_no_change_of_mode() -> None:
    [result] = check_method(Taught, only=["encoding_changes_nothing"])
    assert result.passed, result.detail


def test_clips_that_see_each_other_in_the_backbone_are_excused() -> None:
    [result] = check_method(PlaceDraws, backbone="bigru", only=["order_of_clips_is_irrelevant"])
    assert result.skipped
    assert "BiGru" in result.detail
    assert "batch_statistics" in result.detail


@pytest.mark.long
def test_clips_that_see_each_other_are_excused_where_it_is_said() -> None:
    results = {result.name: result for result in check_method(Declared)}
    for name in (
        "views_do_not_depend_on_the_batch",
        "order_of_clips_is_irrelevant",
        "halves_make_the_whole",
        "clips_bring_their_own_draws",
    ):
        assert results[name].skipped
        assert "cross_batch" in results[name].detail


class Excused(Constant):
    expected_failed_checks: Mapping[str, str] = {
        "features_have_the_promised_shape": "it is a joke",
        "loss_is_finite": "not so",
    }


def test_an_expected_failure_is_skipped_with_its_reason_and_reported_when_it_passes() -> None:
    finite, features = check_method(Excused, only=["features_have_the_promised_shape", "loss_is_finite"])
    assert features.skipped
    assert not features.failed
    assert "it is a joke" in features.detail
    assert "the same for all clips" in features.detail
    assert finite.passed
    assert "declared as an expected failure: not so" in finite.detail


class Misspelt(Sound):
    expected_failed_checks: Mapping[str, str] = {"loss_fals": "a slip"}


@pytest.mark.long
def test_an_expected_failure_of_no_check_is_a_fault() -> None:
    assert "loss_fals" in failed(check_method(Misspelt))["expected_failed_checks_exist"]


def test_an_unknown_check_or_method_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no check 'loss_fals'; did you mean 'loss_falls'"):
        check_method(Sound, only=["loss_fals"])
    with pytest.raises(UsageError, match="no method 'mampp'"):
        check_method("mampp")


def test_every_check_says_what_it_holds() -> None:
    for checks in (method_checks(), backbone_checks(), protocol_checks(), dataset_checks()):
        assert len(checks) > 8
        assert all(text.endswith(".") for text in checks.values())
