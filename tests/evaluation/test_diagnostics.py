"""What every run records of its predictions, by hand-computed numbers, and features kept for the next protocol."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from sslskel.api.protocol import Outcome
from sslskel.evaluation.diagnostics import calibration_error, diagnose
from sslskel.results.feature_cache import FeatureCache


def test_accuracies_confusions_and_an_interval_of_rows_by_hand() -> None:
    labels, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1])
    diagnostics, tables = diagnose(Outcome(np.arange(4), {"predicted": predicted}), labels, 4)
    one = diagnostics["all"]
    assert one["top1"] == 0.75
    assert one["macro"] == pytest.approx((2 / 3 + 1) / 2)
    assert one["per_class"] == [pytest.approx(2 / 3), 1.0, None, None]
    assert one["clips"] == 4
    assert one["interval"][0] <= 0.75 <= one["interval"][1]
    assert "top5" not in one
    assert "ece" not in one
    assert tables["confusion_all"].tolist() == [[2, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_conditions_are_told_apart_and_classes_that_are_not_asked_are_left_out() -> None:
    keys, labels = np.tile(np.arange(3), 2), np.tile([0, 1, 2], 2)
    condition = np.repeat(["clean", "spatial"], 3)
    values = {"predicted": np.array([0, 1, 0, 1, 1, 1])}
    outcome = Outcome(keys, values, condition=condition, info={"classes": [[0, 1]]})
    diagnostics, tables = diagnose(outcome, labels, 3)
    assert diagnostics["clean"]["top1"] == 1
    assert diagnostics["spatial"]["top1"] == 0.5
    assert set(tables) == {"confusion_clean", "confusion_spatial"}
    assert tables["confusion_clean"].sum() == 2


def test_calibration_error_by_hand_and_of_logits() -> None:
    confidence, correct = np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, False, True, True])
    assert calibration_error(confidence, correct, bins=10) == pytest.approx((0.45 * 2 + 0.45 * 2) / 4)
    sure = np.eye(7)[[0, 1, 2]] * 50
    diagnostics, _ = diagnose(Outcome(np.arange(3), {"logits": sure}), np.array([0, 1, 2]), 7)
    assert diagnostics["all"]["ece"] == pytest.approx(0, abs=1e-6)
    assert diagnostics["all"]["top5"] == 1


def test_draws_of_one_clip_are_one_clip_of_the_interval() -> None:
    outcome = Outcome(np.tile(np.arange(2), 5), {"predicted": np.zeros(10, np.int64)}, draw=np.repeat(np.arange(5), 2))
    diagnostics, _ = diagnose(outcome, np.tile([0, 1], 5), 2)
    assert diagnostics["all"]["clips"] == 2


def test_segments_and_other_values_have_no_class_diagnostics() -> None:
    assert diagnose(Outcome(np.arange(2), {"predicted": np.zeros(2)}, item=np.arange(2)), np.zeros(2), 3) == ({}, {})
    assert diagnose(Outcome(np.arange(2), {"cluster": np.zeros(2)}), np.zeros(2), 3) == ({}, {})


def test_a_kept_table_is_made_once_and_made_again_where_it_is_damaged(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> np.ndarray:  # type: ignore[type-arg]
        made.append(1)
        return np.arange(12.0).reshape(4, 3)

    cache = FeatureCache(tmp_path, {"weights": "a"})
    for _ in range(2):
        assert np.array_equal(cache.table({"view": "test"}, make), np.arange(12.0).reshape(4, 3))
    assert len(made) == 1
    assert (cache.encoded, cache.reused) == (4, 4)
    FeatureCache(tmp_path, {"weights": "b"}).table({"view": "test"}, make)
    cache.table({"view": "other"}, make)
    assert len(made) == 3
    for file in tmp_path.glob("*.features"):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    assert np.array_equal(
        FeatureCache(tmp_path, {"weights": "a"}).table({"view": "test"}, make), np.arange(12.0).reshape(4, 3)
    )
    assert len(made) == 4
    assert FeatureCache(tmp_path / "none", {}, keep=False).table({}, make).shape == (4, 3)
    assert not (tmp_path / "none").exists()


def test_tables_that_were_swapped_count_as_missing(tmp_path: Path) -> None:
    """Between two names of one encoder, and between the encoders of two seeds."""
    caches = [FeatureCache(tmp_path / seed, {"weights": seed}) for seed in "ab"]
    for number, cache in enumerate(caches):
        for view in range(2):
            cache.table({"view": view}, functools.partial(np.full, (4, 3), 10.0 * number + view))
    files = sorted(tmp_path.glob("*/*.features"))
    contents = [file.read_bytes() for file in files]
    for file, content in zip(files, (*contents[1:], contents[0]), strict=True):
        file.write_bytes(content)
    for number, cache in enumerate(caches):
        for view in range(2):
            table = cache.table({"view": view}, functools.partial(np.full, (4, 3), -1.0))
            assert (table == -1).all(), (number, view)
