"""Few-shot classification on features that a test can write down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from toy_features import Pass, problem, run_of

from sslskel.errors import DataError, UsageError
from sslskel.evaluation.diagnostics import diagnose
from sslskel.protocols.few_shot import FewShot, FewShotConfig, nearest_mean


def few_shot(**changes: Any) -> FewShot:
    return FewShot(FewShotConfig(**({"draws": 3} | changes)))


def test_every_draw_uses_exactly_the_shots_and_larger_counts_hold_the_smaller_ones() -> None:
    parts, _ = problem()
    outcome = few_shot(shots=[1, 3]).evaluate({"joint": Pass(12)}, parts, run_of())
    held, support = outcome.info["classes"], outcome.kept["support_keys"]
    assert [len(classes) for classes in held] == [4, 4, 4]
    assert support.shape == (3, 4, 3)
    label_of = dict(zip(parts.train.keys.tolist(), parts.train.labels.tolist(), strict=True))
    for draw, classes in zip(support, held, strict=True):
        assert [[label_of[key] for key in row] for row in draw.tolist()] == [[label] * 3 for label in classes]
    assert outcome.info["labels"] == 12
    assert not np.array_equal(support[0], support[1])
    other = few_shot(shots=[1, 3]).evaluate({"bone": Pass(12)}, parts, run_of(seed=5))
    assert np.array_equal(other.kept["support_keys"], support)


def test_one_shot_is_the_nearest_labelled_clip_among_the_held_out_classes() -> None:
    parts, truth = problem(spread=1.2)
    protocol = few_shot(shots=[1, 5], classes=[6, 1, 3])
    outcome = protocol.evaluate({"joint": Pass(12)}, parts, run_of())
    assert outcome.info["classes"] == [[1, 3, 6]] * 3
    unit = torch.nn.functional.normalize(parts.train.features.double(), dim=1)
    asked = torch.nn.functional.normalize(parts.test.features.double(), dim=1)
    accuracies = []
    for draw in range(3):
        at = torch.searchsorted(parts.train.keys, torch.tensor(outcome.kept["support_keys"][draw, :, 0]))
        model = KNeighborsClassifier(1).fit(unit[at], parts.train.labels[at])
        rows = (outcome.condition == "1-shot") & (outcome.draw == draw)
        assert np.array_equal(outcome.values["predicted"][rows], model.predict(asked))
        scored = np.isin(truth.labels, [1, 3, 6])
        accuracies.append((model.predict(asked) == truth.labels)[scored].mean())
    scores = protocol.score(outcome, truth)
    assert scores["shot_1"] == scores["top1"] == pytest.approx(np.mean(accuracies))
    assert scores["shot_1_sd"] == pytest.approx(np.std(accuracies, ddof=1))
    assert scores["shot_5"] > scores["shot_1"]


def test_every_draw_holds_out_other_classes_and_the_score_says_how_far_they_are_apart() -> None:
    parts, truth = problem(spread=2.0)
    protocol = few_shot(shots=[1], draws=6)
    outcome = protocol.evaluate({"joint": Pass(12)}, parts, run_of())
    held = [tuple(classes) for classes in outcome.info["classes"]]
    assert len(set(held)) > 3
    accuracies = []
    for draw, classes in enumerate(held):
        rows = outcome.draw == draw
        assert set(outcome.values["predicted"][rows]) <= set(classes)
        scored = np.isin(truth.labels, classes)
        accuracies.append((outcome.values["predicted"][rows] == truth.labels)[scored].mean())
    scores = protocol.score(outcome, truth)
    assert scores["top1"] == pytest.approx(np.mean(accuracies))
    assert scores["top1_sd"] == pytest.approx(np.std(accuracies, ddof=1))
    assert scores["draws"] == 6
    facts, _ = diagnose(outcome, truth.of(outcome.keys), 8)
    shares = [np.isin(truth.labels, classes).sum() for classes in held]
    assert facts["1-shot"]["top1"] == pytest.approx(np.average(accuracies, weights=shares))


def test_a_single_draw_has_no_spread() -> None:
    parts, truth = problem()
    protocol = few_shot(draws=1)
    scores = protocol.score(protocol.evaluate({"joint": Pass(12)}, parts, run_of()), truth)
    assert scores["draws"] == 1
    assert "top1_sd" not in scores


def test_the_mean_of_several_shots_decides() -> None:
    supports = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, -0.2], [1.0, -0.2]]])
    assert nearest_mean(torch.tensor([[1.0, 0.9], [1.0, 0.0]]), supports).tolist() == [0, 1]


def test_shots_beyond_the_clips_and_classes_beyond_the_benchmark_are_refused() -> None:
    parts, _ = problem(count=40)
    with pytest.raises(DataError, match=r"6 labelled clips.*'class \d'.* has 5.*at most 5"):
        few_shot(shots=[1, 6]).check(parts)
    with pytest.raises(UsageError, match="has 8, but there are 8 classes, 0 to 7"):
        few_shot(classes=[1, 8]).check(parts)
    parts.train.labels[:] = 2
    with pytest.raises(DataError, match="one class alone"):
        few_shot().check(parts)
    with pytest.raises(UsageError, match="one class leaves nothing"):
        FewShotConfig(classes=[3])
