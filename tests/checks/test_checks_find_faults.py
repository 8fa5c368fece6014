"""Each check can fail: a plugin with one fault fails the check that is there for it."""

from __future__ import annotations

import copy
import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sslskel.api.backbone import Backbone
from sslskel.api.batch import Batch, StepOutput, Term
from sslskel.api.benchmark import Benchmark, Split
from sslskel.api.encoder import Encoder, PooledEncoder
from sslskel.api.method import PretextMethod
from sslskel.api.noise import Noise
from sslskel.api.protocol import EvaluationProtocol, Outcome
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.checks import (
    CheckResult,
    backbone_checks,
    check_backbone,
    check_dataset,
    check_method,
    check_protocol,
    dataset_checks,
    method_checks,
    protocol_checks,
    small_config,
)
from sslskel.checks.fixtures import MemoryDataset, dataset_info, make_dataset
from sslskel.config.groups import require
from sslskel.errors import UsageError
from sslskel.protocols.knn import Knn, KnnConfig


def failed(results: Sequence[CheckResult]) -> dict[str, str]:
    return {result.name: result.detail for result in results if result.failed}


# Methods


@dataclass
class Config:
    jitter: float = 0.05

    def __post_init__(self) -> None:
        require(self.jitter > 0, f"method.jitter is {self.jitter}; it must be positive")


class Sound(PretextMethod[Config]):
    """Denoising of joints, with nothing wrong about it."""

    Config = Config

    def __init__(self, config: Any, build_backbone: Any, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip)
        self.head = nn.Linear(self.backbone.dim, clip.coordinates)

    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        tracks = views[0].tracks
        jitter = noise.on(views[0]).normal("jitter", tuple(tracks.shape[1:]), dtype=tracks.dtype)
        return tracks + self.config.jitter * jitter

    def error(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        predicted = self.head(self.backbone(self.tracks(views, noise)))
        target = views[0].tracks.unflatten(1, (predicted.shape[1], -1)).mean(2)
        return (predicted - target).square()

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        error = self.error(views, noise)
        return StepOutput({"recover": Term(error.sum(), error.new_tensor(float(error.numel())))})

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": PooledEncoder(self.backbone, self.clip)}


def scaled(output: StepOutput, factor: Any) -> StepOutput:
    return StepOutput({name: term._replace(total=term.total * factor) for name, term in output.terms.items()})


class NoDefault(Sound):
    @dataclass
    class Config:
        jitter: float


class TakesAnything(Sound):
    @dataclass
    class Config:
        jitter: float = 0.05


class WrongError(Sound):
    @dataclass
    class Config:
        jitter: float = 0.05

        def __post_init__(self) -> None:
            if not self.jitter > 0:
                raise ValueError("no")


class Writes(Sound):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        with open("/dev/null", "w"):
            pass


class NoViews(Sound):
    def views(self) -> tuple[()]:
        return ()


class NoLiterals(Sound):
    @dataclass
    class Config:
        kind: Literal["a", "b"] = "a"


def jolt(batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
    return batch._replace(tracks=batch.tracks + noise.normal("jolt", tuple(batch.tracks.shape), "batch"))


class BatchAugment(Sound):
    def views(self) -> tuple[ViewSpec, ...]:
        return (ViewSpec(self.clip.train_view.sample, (jolt,)),)


def global_jolt(batch: Batch, noise: Noise, clip: ClipSpec) -> Batch:
    return batch._replace(tracks=batch.tracks + torch.randn(1))


class GlobalAugment(Sound):
    def views(self) -> tuple[ViewSpec, ...]:
        return (ViewSpec(self.clip.train_view.sample, (global_jolt,)),)


class Infinite(Sound):
    def forward(self, *args: Any) -> StepOutput:
        return scaled(super().forward(*args), float("inf"))


class Vector(Sound):
    def forward(self, *args: Any) -> StepOutput:
        return scaled(super().forward(*args), torch.ones(3))


class AttachedMetric(Sound):
    def forward(self, *args: Any) -> StepOutput:
        output = super().forward(*args)
        return StepOutput(output.terms, {"loss": output.loss()})


class Detached(Sound):
    def error(self, *args: Any) -> Tensor:
        return super().error(*args).detach()


class Unused(Sound):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.extra = nn.Linear(3, 3)


class Ungrouped(Sound):
    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.head.parameters())}]


class Unlearnable(Sound):
    def forward(self, *args: Any) -> StepOutput:
        output = super().forward(*args)
        [term] = output.terms.values()
        return StepOutput({"recover": term._replace(total=term.total * 1e-6 + term.count)})


class Spoils(Sound):
    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return views[0].tracks.mul_(1.01)


class Cheats(Sound):
    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        label = views[0].label[views[0].owner].to(views[0].tracks.dtype)
        error = self.error(views, noise) * (2 + label)[:, None, None, None]
        return StepOutput({"recover": Term(error.sum(), error.new_tensor(float(error.numel())))})


class GlobalDraws(Sound):
    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return views[0].tracks + 0.05 * torch.randn_like(views[0].tracks)


class NumpyDraws(Sound):
    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return views[0].tracks * float(np.random.uniform(0.9, 1.1))


class PythonDraws(Sound):
    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return views[0].tracks * random.uniform(0.9, 1.1)


class PlaceDraws(Sound):
    """Draws for the whole batch by place instead of by clip."""

    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        tracks = views[0].tracks
        return tracks + noise.normal("jitter", tuple(tracks.shape), "batch", tracks.dtype)


class BatchMean(Sound):
    """Centres the batch: clips see each other, and it does not say so."""

    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return views[0].tracks - views[0].tracks.mean((0, 1))


class Declared(BatchMean):
    cross_batch = True


class MeanTerms(Sound):
    """Hands over the mean with a count of one, so that unequal parts do not add up."""

    def forward(self, *args: Any) -> StepOutput:
        loss = super().forward(*args).loss()
        return StepOutput({"recover": Term(loss, loss.new_ones(()))})


class SometimesUnused(Sound):
    """Leaves a layer out in every step but the first."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.extra = nn.Linear(1, 1)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        output = super().forward(views, noise, progress)
        if progress.step:
            return output
        return scaled(output, 1 + self.extra(output.loss().detach().reshape(1, 1))[0, 0])


class Float32Only(Sound):
    def error(self, *args: Any) -> Tensor:
        error = super().error(*args)
        require(not torch.is_autocast_enabled("cpu"), "no mixed precision")
        return error


class OneLength(Sound):
    def error(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        return super().error(views, noise) * torch.ones(24)[: views[0].tracks.shape[1]].mean() + self.fixed(views)

    def fixed(self, views: Sequence[Batch]) -> Tensor:
        return (views[0].tracks[:, :, 0, 0] * torch.zeros(24)).sum()


class OneBody(OneLength):
    def fixed(self, views: Sequence[Batch]) -> Tensor:
        return views[0].tracks[:, :, 24].sum() * 0


class TwoPersons(OneLength):
    def fixed(self, views: Sequence[Batch]) -> Tensor:
        return views[0].dense(self.clip.persons)[..., 1].sum() * 0


class ThreeDimensions(OneLength):
    def fixed(self, views: Sequence[Batch]) -> Tensor:
        return views[0].tracks[..., 2].sum() * 0


class CountsSlots(Sound):
    def forward(self, *args: Any) -> StepOutput:
        return scaled(super().forward(*args), self.clip.persons)


class NoEncoders(Sound):
    def encoders(self) -> dict[str, Encoder]:
        return {}


class WrongDim(Sound):
    def encoders(self) -> dict[str, Encoder]:
        encoders = super().encoders()
        encoders["joint"].dim += 1
        return encoders


class Wrapped(Encoder):
    """An encoder that goes through a function of the method's features."""

    def __init__(self, method: PretextMethod, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.change = PooledEncoder(method.backbone, method.clip), change
        self.spec, self.dim = method.clip, self.inner.dim

    def clip(self, batch: Batch) -> Tensor:
        return self.change(self.inner.clip(batch))


class Constant(Sound):
    def encoders(self) -> dict[str, Encoder]:
        return {"joint": Wrapped(self, torch.zeros_like)}


class RandomFeatures(Sound):
    def encoders(self) -> dict[str, Encoder]:
        return {"joint": Wrapped(self, lambda rows: rows + torch.randn_like(rows))}


class BatchFeatures(Sound):
    def encoders(self) -> dict[str, Encoder]:
        return {"joint": Wrapped(self, lambda rows: rows - rows.mean(0))}


class ModeChanger(Sound):
    def encoders(self) -> dict[str, Encoder]:
        encoders = super().encoders()
        encoders["joint"].eval()
        return encoders


class HiddenState(Sound):
    """Part of the loss depends on a number that no checkpoint holds."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.scale = 1.0

    def forward(self, *args: Any) -> StepOutput:
        return scaled(super().forward(*args), self.scale)

    def on_step_end(self, progress: Any) -> None:
        self.scale *= 0.9


class SecondCopy(Sound):
    def encoders(self) -> dict[str, Encoder]:
        return {"joint": PooledEncoder(copy.deepcopy(self.backbone), self.clip)}


FAULTS: list[tuple[type, str]] = [
    (NoDefault, "builds_from_defaults"),
    (TakesAnything, "refuses_bad_values"),
    (WrongError, "refuses_bad_values"),
    (Writes, "constructor_does_no_io"),
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
]


def test_a_sound_method_passes_every_check() -> None:
    results = check_method(Sound)
    assert [result.name for result in results] == list(method_checks())
    assert all(result.passed for result in results), failed(results)


@pytest.mark.parametrize(("plugin", "check"), FAULTS, ids=[f"{p.__name__}-{c}" for p, c in FAULTS])
def test_a_faulty_method_fails_the_check_for_its_fault(plugin: type, check: str) -> None:
    assert list(failed(check_method(plugin, only=[check]))) == [check]


def test_every_check_of_a_method_has_a_fault_that_it_finds() -> None:
    assert set(method_checks()) == {check for _, check in FAULTS}


class Planar(Sound):
    """For 2D clips alone."""

    def __init__(self, config: Any, build_backbone: Any, clip: ClipSpec) -> None:
        require(clip.coordinates == 2, "2D only")
        super().__init__(config, build_backbone, clip)


def test_a_method_for_other_clips_is_checked_on_those() -> None:
    assert "2D only" in failed(check_method(Planar))["loss_is_finite"]
    assert not failed(check_method(Planar, clips=dataset_info(coordinates=2, persons=1)))


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


# Expected failures, names


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


# Backbones


@dataclass
class Sizes:
    dim: int = 256

    def __post_init__(self) -> None:
        require(self.dim >= 1, f"backbone.dim is {self.dim}; it must be at least 1")


class PlainBackbone(Backbone[Sizes]):
    """One linear layer for every joint of every frame."""

    Config = Sizes

    def __init__(self, config: Any, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim = config.dim
        self.layer = nn.Linear(clip.coordinates, config.dim)

    def forward(self, tracks: Tensor) -> Tensor:
        return self.layer(tracks)


class FlatBackbone(PlainBackbone):
    def forward(self, tracks: Tensor) -> Tensor:
        return super().forward(tracks).flatten(1, 2)


class IdleBackbone(PlainBackbone):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.idle = nn.Parameter(torch.ones(2))


class NoisyBackbone(PlainBackbone):
    def forward(self, tracks: Tensor) -> Tensor:
        return super().forward(tracks + torch.randn_like(tracks))


class DropoutBackbone(PlainBackbone):
    def forward(self, tracks: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(tracks), 0.5, self.training)


class MixingBackbone(PlainBackbone):
    def forward(self, tracks: Tensor) -> Tensor:
        return super().forward(tracks - tracks.mean(0))


class BatchNormBackbone(PlainBackbone):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.norm = nn.BatchNorm2d(self.dim)

    def forward(self, tracks: Tensor) -> Tensor:
        return self.norm(super().forward(tracks).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class HonestBatchNorm(BatchNormBackbone):
    batch_statistics = True


class TokenMess(PlainBackbone):
    segment = 1

    def tokens(self, tracks: Tensor) -> Tensor:
        return self.layer(tracks).flatten(1, 2)

    def encode(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        return tokens if keep is None else tokens[:, : keep.shape[1]] + 1


class StaleBackbone(PlainBackbone):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.hidden = torch.randn(self.dim)

    def forward(self, tracks: Tensor) -> Tensor:
        return super().forward(tracks) + self.hidden.to(tracks.dtype)


BACKBONE_FAULTS: list[tuple[type, str]] = [
    (FlatBackbone, "features_have_the_promised_shape"),
    (IdleBackbone, "every_parameter_gets_a_gradient"),
    (NoisyBackbone, "is_deterministic_in_eval"),
    (DropoutBackbone, "training_uses_no_global_generator"),
    (MixingBackbone, "rows_are_independent_in_eval"),
    (BatchNormBackbone, "rows_are_independent_in_training"),
    (TokenMess, "tokens_and_features_agree"),
    (StaleBackbone, "weights_come_back"),
]


@pytest.mark.parametrize(("plugin", "check"), BACKBONE_FAULTS, ids=[p.__name__ for p, _ in BACKBONE_FAULTS])
def test_a_faulty_backbone_fails_the_check_for_its_fault(plugin: type, check: str) -> None:
    assert list(failed(check_backbone(plugin, only=[check]))) == [check]


@pytest.mark.parametrize("plugin", [PlainBackbone, HonestBatchNorm])
def test_a_sound_backbone_passes(plugin: type) -> None:
    results = check_backbone(plugin)
    assert not failed(results)
    assert sum(result.passed for result in results) >= len(results) - 2


# Protocols


class Peeks(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        outcome = super().evaluate(encoders, parts, run)
        seen = parts.test.labels.numpy()
        return dataclasses.replace(
            outcome, values={"predicted": np.where(seen >= 0, seen, outcome.values["predicted"])}
        )


class Forgets(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        outcome = super().evaluate(encoders, parts, run)
        whole = len(outcome.keys) // self.config.encode_batch * self.config.encode_batch
        return Outcome(outcome.keys[:whole], {"predicted": outcome.values["predicted"][:whole]}, info=outcome.info)

    def score(self, outcome: Any, truth: Any) -> dict[str, float]:
        right = outcome.values["predicted"] == truth.of(outcome.keys)
        return {"top1": float(right.sum()) / max(1, len(right))}


class Trains(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        for encoder in encoders.values():
            encoder.train()
            for batch in parts.train.batches(encoder.spec.test_view, Noise(0), 32):
                encoder.clip(batch)
        return super().evaluate(encoders, parts, run)


class StaysInEval(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        for encoder in encoders.values():
            encoder.eval()
        return super().evaluate(encoders, parts, run)


class Guesses(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        outcome = super().evaluate(encoders, parts, run)
        return dataclasses.replace(outcome, values={"predicted": torch.randint(0, 8, outcome.keys.shape).numpy()})


class Shifts(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        outcome = super().evaluate(encoders, parts, run)
        return dataclasses.replace(outcome, keys=np.roll(outcome.keys, 8))


class Knows(Knn):
    """Has the labels of the dataset of the checks written down."""

    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        outcome = super().evaluate(encoders, parts, run)
        order = np.arange(96, 96 + len(outcome.keys)) % 8
        return dataclasses.replace(outcome, values={"predicted": order})


class NoScore(Knn):
    def score(self, outcome: Any, truth: Any) -> dict[str, float]:
        return {"accuracy": 1.0}


class Sorts(Knn):
    def score(self, outcome: Any, truth: Any) -> dict[str, float]:
        scores = super().score(outcome, truth)
        outcome.values["predicted"].sort()
        return scores


class OneStream(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        return super().evaluate({"joint": dict(encoders).pop("joint")} if len(encoders) == 1 else {}, parts, run)


class SinglePrecision(Knn):
    def evaluate(self, encoders: Any, parts: Any, run: Any) -> Outcome:
        require(run.dtype == torch.float32, "float32 only")
        return super().evaluate(encoders, parts, run)


class OddNeeds(Knn):
    needs = frozenset({"pixels"})


@dataclass
class LooseConfig(KnnConfig):
    softness: float = 0.1


class Loose(Knn):
    Config = LooseConfig


PROTOCOL_FAULTS: list[tuple[type[EvaluationProtocol], str]] = [
    (OddNeeds, "builds_from_defaults"),
    (Loose, "refuses_bad_values"),
    (NoScore, "scores_are_complete"),
    (Sorts, "scoring_is_pure"),
    (Trains, "leaves_the_encoder_as_found"),
    (StaysInEval, "leaves_the_encoder_as_found"),
    (Forgets, "counts_every_test_clip_once"),
    (Guesses, "gives_the_same_twice"),
    (Peeks, "does_not_read_test_labels"),
    (Shifts, "leaked_labels_score_full"),
    (Knows, "random_features_score_at_chance"),
    (OneStream, "takes_several_streams"),
    (SinglePrecision, "runs_in_float64"),
]


@pytest.mark.parametrize(("plugin", "check"), PROTOCOL_FAULTS, ids=[p.__name__ for p, _ in PROTOCOL_FAULTS])
def test_a_faulty_protocol_fails_the_check_for_its_fault(plugin: type, check: str) -> None:
    assert list(failed(check_protocol(plugin, only=[check]))) == [check]


def test_every_check_of_a_protocol_has_a_fault_that_it_finds() -> None:
    assert set(protocol_checks()) == {check for _, check in PROTOCOL_FAULTS}


# Datasets


def benchmark(**changes: Any) -> Benchmark:
    fields: dict[str, Any] = {
        "name": "checks",
        "version": 1,
        "title": "made for tests",
        "info": dataset_info(),
        "read": lambda sources, report: iter(()),
        "splits": {"subjects": Split("subjects", "subject", frozenset({0, 1, 2}), frozenset({2}))},
        "default_split": "subjects",
        "citation": "",
        "licence": "",
    }
    return Benchmark(**(fields | changes))


def split(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": "s",
        "by": "subject",
        "train": frozenset({0, 1, 2}),
        "validation": frozenset({2}),
    }
    return {"splits": {"s": Split(**(fields | changes))}, "default_split": "s"}


def data() -> MemoryDataset:
    return make_dataset(dataset_info(), 40)


def spoilt(**columns: Callable[[Any], Any]) -> MemoryDataset:
    found = data()
    for name, change in columns.items():
        column = getattr(found, name).copy()
        answer = change(column)
        setattr(found, name, column if answer is None else answer)
    return found


def put(at: Any, value: Any) -> Callable[[Any], None]:
    def change(column: Any) -> None:
        column[at] = value

    return change


DATASET_FAULTS: list[tuple[str, MemoryDataset, dict[str, Any], str]] = [
    ("shapes_and_types_fit", spoilt(labels=lambda c: c.astype(np.int32)), {}, "labels is int32"),
    ("shapes_and_types_fit", spoilt(lengths=lambda c: c[1:]), {}, "lengths has shape"),
    ("joints_are_finite", spoilt(joints=put((5, 3, 1), np.nan)), {}, "clip 000"),
    ("joints_are_finite", spoilt(valid=put(5, False)), {}, "not valid but not zero"),
    ("joints_move", spoilt(joints=lambda c: np.ones_like(c)), {}, "0.0%"),
    ("labels_are_in_range", spoilt(labels=put(3, 4)), {}, "to 4"),
    ("labels_are_in_range", spoilt(labels=lambda c: np.minimum(c, 2)), {}, "no clip of class action 3"),
    ("names_and_keys_differ", spoilt(names=put(3, "clip 002")), {}, "share a name"),
    ("names_and_keys_differ", spoilt(keys=put(3, 7)), {}, "not the stable id"),
    ("tracks_lie_in_their_clips", spoilt(track_slot=put(2, 0)), {}, "slot"),
    ("tracks_lie_in_their_clips", spoilt(lengths=put(4, 3)), {}, "clip 004"),
    ("tracks_lie_in_their_clips", spoilt(track_offset=put(4, 3)), {}, "overlap"),
    ("describes_the_benchmark", data(), {"info": dataset_info(persons=1)}, "persons"),
    ("describes_the_benchmark", data(), {"expected": {"clips": 41}}, "41 are expected"),
    ("describes_the_benchmark", data(), {"expected": {"subjects/test": 3}}, "3 are expected"),
    ("describes_the_benchmark", data(), {"default_split": "views"}, "no split 'views'"),
    ("parts_are_disjoint", data(), split(by="camera", train=frozenset({-1}), test=frozenset({-1})), "no clip"),
    ("parts_are_disjoint", data(), split(train=frozenset(range(5))), "no clip in its part 'test'"),
    (
        "validation_lies_in_train",
        data(),
        split(validation=frozenset({4})),
        "validation subject [4] is not in its training part",
    ),
]


@pytest.mark.parametrize(
    ("check", "dataset", "changes", "message"),
    DATASET_FAULTS,
    ids=[f"{i}-{fault[0]}" for i, fault in enumerate(DATASET_FAULTS)],
)
def test_a_faulty_dataset_fails_the_check_for_its_fault(
    check: str, dataset: MemoryDataset, changes: dict[str, Any], message: str
) -> None:
    found = failed(check_dataset(benchmark(**changes), dataset=dataset, only=[check]))
    assert list(found) == [check]
    assert message in found[check]


def test_a_class_without_training_clips_is_found() -> None:
    dataset = data()
    dataset.labels[np.isin(dataset.subjects, [0, 1, 2]) & (dataset.labels == 3)] = 2
    found = failed(check_dataset(benchmark(), dataset=dataset, only=["every_class_is_in_train"]))
    assert "action 3" in found["every_class_is_in_train"]


def test_a_sound_dataset_in_memory_passes_but_for_its_files() -> None:
    results = check_dataset(benchmark(), dataset=data())
    assert [result.name for result in results] == list(dataset_checks())
    assert [result.name for result in results if not result.passed] == ["fingerprint_recomputes"]


def test_a_flipped_byte_on_disk_is_found(tmp_path: Path) -> None:
    from sslskel.api.dataset import Clip, Track
    from sslskel.data.store.store import open_dataset, write_dataset

    joints = np.random.default_rng(0).normal(size=(30, 25, 3)).astype(np.float32)
    track = Track(0, 0, joints, np.ones(30, np.bool_))
    clips = [Clip(f"clip {i}", i % 4, 30, (track,), subject=i % 5) for i in range(40)]
    write_dataset(tmp_path / "set", dataset_info(), clips)
    dataset = open_dataset(tmp_path / "set")
    assert not failed(check_dataset(benchmark(), dataset=dataset))
    content = bytearray((tmp_path / "set" / "joints.npy").read_bytes())
    content[-7] ^= 1
    (tmp_path / "set" / "joints.npy").write_bytes(content)
    assert "joints.npy" in failed(check_dataset(benchmark(), dataset=dataset))["fingerprint_recomputes"]


# Small configurations


@dataclass
class Many:
    dim: int = 256
    decoder_dim: int = 8
    heads: int = 8
    queue_size: int = 16384
    epochs: int = 100
    depth_scale: float = 3.0

    def __post_init__(self) -> None:
        require(self.dim % self.heads == 0, "dim is not divisible by heads")


@dataclass
class Stubborn:
    dim: int = 256

    def __post_init__(self) -> None:
        require(self.dim >= 128, "dim is too small")


def test_small_configurations_cut_sizes_and_nothing_else() -> None:
    assert small_config(Many) == Many(16, 8, 2, 64, 100, 3.0)
    assert small_config(Many, Many(epochs=7)).epochs == 7
    assert small_config(Many, dim=32, unknown=3).dim == 32
    assert small_config(Stubborn) == Stubborn()
