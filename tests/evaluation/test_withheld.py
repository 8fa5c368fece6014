"""What protocols and encoders do not get to see: labels of test clips, their names, their order and their company."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sound_method import failed
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.benchmark import Split
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise, Seal
from sslskel.api.protocol import EvaluationProtocol, Outcome, Parts, ProtocolRun
from sslskel.checks import check_protocol
from sslskel.checks.fixtures import dataset_info, make_clips, make_recordings, make_spec
from sslskel.config.groups import EngineConfig
from sslskel.data.loader import ClipSource
from sslskel.data.memory import MemoryDataset
from sslskel.data.withheld import JudgedPart, without_labels
from sslskel.errors import RunError
from sslskel.evaluation.judge import EvaluationResult, Target, evaluate_stage, in_order
from sslskel.plugins.registry import BENCHMARKS
from sslskel.protocols.knn import Knn, KnnConfig
from sslskel.protocols.motion_prediction import MotionPrediction, MotionPredictionConfig
from sslskel.transforms.occlude import HideParts

INFO = dataset_info(classes=6)
SPEC = make_spec(INFO, 16)
RULE = Split("xsub", "subject", frozenset({0, 1, 2}), frozenset())
BENCHMARK = replace(BENCHMARKS.get("synthetic"), splits={"xsub": RULE}, default_split="xsub", expected={}, recipe={})
DATA = MemoryDataset(INFO, sorted(make_clips(INFO, 240), key=lambda clip: clip.label))
"""Clips that are stored class by class, as those of most datasets are."""


def judged(encoder: Encoder, protocol: EvaluationProtocol | None = None, seed: int = 0) -> EvaluationResult:
    target, engine = Target(BENCHMARK, DATA, "xsub"), EngineConfig(device="cpu")
    return evaluate_stage({"joint": encoder}, protocol or Knn(KnnConfig()), target, engine, seed)


class Spread(Encoder):
    """How far the joints of the first persons move about: something of the class, and each clip by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.spec, self.dim = SPEC, 3 * SPEC.layout.num_joints
        self.batches: list[Batch] = []

    def clip(self, batch: Batch) -> Tensor:
        self.batches.append(batch)
        spread = batch.dense(2)[..., 0].std(2).flatten(1)
        noise = (1e3 * spread.sum(1, keepdim=True) * torch.arange(1, self.dim + 1)).sin()
        return spread + 0.3 * noise


class Averages(Spread):
    """The same, mixed with the clips before and after in the batch."""

    def clip(self, batch: Batch) -> Tensor:
        alone = super().clip(batch)
        return (alone + alone.roll(1, 0) + alone.roll(-1, 0)) / 3


class Whispers(Spread):
    """Says beside the features what the neighbours are, in numbers too small to matter to a distance."""

    def clip(self, batch: Batch) -> Tensor:
        alone = super().clip(batch)
        return torch.cat([alone[:, 1:], 0.003 * alone[:, :1].roll(1, 0)], 1)


class Remembers(Spread):
    """Knows the class of every clip by its key, as a table of names would tell."""

    def clip(self, batch: Batch) -> Tensor:
        usual = super().clip(batch)
        known = dict(zip(DATA.keys.tolist(), DATA.labels.tolist(), strict=True))
        for row, key in enumerate(batch.key.tolist()):
            if key in known:
                usual[row] = torch.nn.functional.one_hot(torch.tensor(known[key]), self.dim)
        return usual


class LooksBehind(Knn):
    """Predicts what the dataset behind the test part says."""

    def evaluate(self, encoders: Any, parts: Any, run: ProtocolRun) -> Outcome:
        outcome = super().evaluate(encoders, parts, run)
        behind = parts.test.dataset
        known = dict(zip(behind.keys.tolist(), behind.labels.tolist(), strict=True))
        seen = [known[key] for key in parts.test.keys.tolist()]
        return replace(outcome, values={"predicted": np.array(seen)})


class LooksBehindTraining(LooksBehind):
    """The same by way of the training part."""

    def evaluate(self, encoders: Any, parts: Any, run: ProtocolRun) -> Outcome:
        return super().evaluate(encoders, parts._replace(test=Both(parts)), run)


class Both:
    """A test part with the dataset of the training part."""

    def __init__(self, parts: Parts) -> None:
        self._test, self.dataset = parts.test, parts.train.dataset  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._test, name)

    def __len__(self) -> int:
        return len(self._test)


def test_a_sound_encoder_is_judged_and_the_record_says_how_it_was_tried() -> None:
    result = judged(Spread())
    assert 0.25 < result.scores["top1"] < 0.95
    tried = result.details["independence"]
    assert tried["clips"] == 16
    assert 0 <= tried["change"] < 1e-3
    assert result.details["test_order_seed"] == 0


@pytest.mark.parametrize("cheat", [Averages, Whispers])
def test_an_encoder_that_mixes_the_clips_of_its_batch_is_refused(cheat: type[Spread]) -> None:
    with pytest.raises(RunError, match=r"clip\(\) of the joint encoder gives a clip other features in other company"):
        judged(cheat())


def test_an_encoder_that_knows_clips_by_their_keys_meets_others_in_the_test_part() -> None:
    assert judged(Remembers()).scores["top1"] < 0.5


@pytest.mark.parametrize("cheat", [LooksBehind, LooksBehindTraining])
def test_no_dataset_lies_behind_a_part(cheat: type[Knn]) -> None:
    with pytest.raises(AttributeError, match="no attribute 'dataset'"):
        judged(Spread(), cheat(KnnConfig()))
    assert "does_not_read_test_labels" in failed(check_protocol(cheat))


def test_the_test_part_comes_shuffled_and_without_labels_under_other_keys() -> None:
    seen: list[Parts] = []

    class Keeps(Knn):
        def evaluate(self, encoders: Any, parts: Parts, run: ProtocolRun) -> Outcome:
            seen.append(parts)
            return super().evaluate(encoders, parts, run)

    encoder = Spread()
    first, second, other = (judged(encoder, Keeps(KnnConfig()), seed) for seed in (0, 0, 1))
    rows = RULE.part(DATA, "test")
    keys, again, others = (parts.test.keys for parts in seen)
    assert torch.equal(keys, again)
    assert not torch.equal(keys.sort().values, others.sort().values)
    assert not np.isin(keys.numpy(), DATA.keys).any()
    assert (seen[0].test.labels == -1).all()
    assert all((batch.label == -1).all() for batch in encoder.batches)
    # What is stored is in the dataset's order, under its keys.
    for result in (first, second, other):
        assert np.array_equal(result.outcome.keys, DATA.keys[rows])
        assert np.array_equal(result.labels, DATA.labels[rows])


def test_clips_of_a_class_no_longer_stand_side_by_side() -> None:
    class Numbers(Knn):
        def evaluate(self, encoders: Any, parts: Parts, run: ProtocolRun) -> Outcome:
            return Outcome(parts.test.keys.numpy(), {"predicted": np.arange(len(parts.test))})

    result = judged(Spread(), Numbers(KnnConfig()))
    order = result.outcome.values["predicted"].argsort()
    neighbours = result.labels[order][1:] == result.labels[order][:-1]
    assert (result.labels[1:] == result.labels[:-1]).mean() > 0.9
    assert neighbours.mean() < 0.4


def test_views_of_a_judged_clip_draw_by_its_own_key() -> None:
    source = ClipSource(DATA, RULE.part(DATA, "test"), SPEC)
    part = JudgedPart(source, Seal("any"))
    view, noise = replace(SPEC.test_view, augment=(HideParts(2),)), Noise(3)
    for mine, theirs in zip(part.batches(view, noise, 50), source.batches(view, noise, 50), strict=True):
        assert torch.equal(mine.tracks, theirs.tracks)
        assert torch.equal(Seal("any").open(mine.key), theirs.key)
    some = part.subset(torch.tensor([5, 2]))
    assert torch.equal(some.keys, part.keys[[5, 2]])


def test_rows_of_several_draws_come_back_in_the_order_of_the_dataset() -> None:
    keys, seal = np.array([40, 7, 23], np.int64), Seal("any")
    closed = seal.close(torch.from_numpy(keys)).numpy()
    shuffled = np.concatenate([closed[[2, 0, 1]], closed[[1, 2, 0]]])
    outcome = Outcome(
        shuffled,
        {"predicted": np.array([2, 0, 1, 11, 12, 10])},
        draw=np.repeat([0, 1], 3),
        by_epoch=np.array([[2, 0, 1, 11, 12, 10]]),
    )
    back = in_order(outcome, seal, keys)
    assert back.keys.tolist() == [40, 7, 23] * 2
    assert back.values["predicted"].tolist() == [0, 1, 2, 10, 11, 12]
    assert back.by_epoch is not None
    assert back.by_epoch.tolist() == [[0, 1, 2, 10, 11, 12]]
    assert back.draw is not None
    assert back.draw.tolist() == [0, 0, 0, 1, 1, 1]
    items = in_order(replace(outcome, item=np.arange(6)), seal, keys)
    assert items.keys.tolist() == [23, 40, 7, 7, 23, 40]
    missing = in_order(replace(outcome, keys=shuffled[[0, 0, 2, 3, 4, 5]]), seal, keys)
    assert missing.keys.tolist() == [23, 23, 7, 7, 23, 40]


def test_a_dataset_without_labels_has_those_of_the_rows_shown_alone() -> None:
    shown = RULE.part(DATA, "train")
    other = without_labels(DATA, shown)
    assert np.array_equal(other.labels[shown], DATA.labels[shown])
    hidden = RULE.part(DATA, "test")
    assert (other.labels[hidden] == -1).all()
    assert (other.subjects == -1).all()
    assert (DATA.labels >= 0).all()
    recordings = make_recordings(INFO, 6)
    some = without_labels(recordings, np.array([1, 4])).segments
    assert some is not None
    assert np.unique(some.owner).tolist() == [1, 4]


def test_protocols_that_read_clips_to_score_them_get_them_under_their_own_keys() -> None:
    scores = judged(Spread(), MotionPrediction(MotionPredictionConfig(observed=10, future=4))).scores
    assert 0 <= scores["gain"] <= 1


@pytest.mark.parametrize("size", [1, 7, 500])
def test_a_sound_encoder_is_accepted_at_any_batch_size(size: int) -> None:
    assert judged(Spread(), Knn(KnnConfig(encode_batch=size))).details["independence"]["change"] < 1e-3


def test_an_encoder_that_mixes_large_batches_alone_is_refused_where_it_would_meet_them() -> None:
    class MixesMany(Averages):
        def clip(self, batch: Batch) -> Tensor:
            return super().clip(batch) if batch.num_clips > 20 else Spread.clip(self, batch)

    with pytest.raises(RunError, match="other features in other company"):
        judged(MixesMany())
    assert judged(MixesMany(), Knn(KnnConfig(encode_batch=20))).scores["top1"] > 0.25
