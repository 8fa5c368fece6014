"""Boards compute scores again from predictions, and leave out records that say something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_records import labels_of, made

from sslskel.leaderboard.folder import board_of
from sslskel.results.record import Record
from sslskel.results.schema import digest_of
from sslskel.results.store import ResultStore

LABELS = np.arange(40) % 4
RIGHT = np.arange(40) < 34
PREDICTED = np.where(RIGHT, LABELS, (LABELS + 1) % 4)
CLASSES = {"keys": np.arange(40), "label": LABELS, "value_predicted": PREDICTED}
Edit = Callable[[dict[str, Any]], None]


def kept(folder: Path, arrays: dict[str, np.ndarray], scores: dict[str, float], **changes: Any) -> Record:
    record = replace(made("mamp"), scores=scores, primary=next(iter(scores)), predictions=None, **changes)
    return ResultStore(folder).write(record, arrays)


def edit(folder: Path, record: Record, name: str, score: float) -> None:
    """As somebody does who knows that records bear a digest of themselves."""
    path = ResultStore(folder).path(record.identity)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["scores"][name] = score
    content["digest"] = digest_of(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def rows_and_reports(folder: Path) -> tuple[list[str], list[str]]:
    reports: list[str] = []
    return labels_of(board_of(folder, report=reports.append)), reports


def macro() -> float:
    return float(np.mean([RIGHT[label::4].mean() for label in range(4)]))


def test_an_edited_score_is_named_and_left_out(tmp_path: Path) -> None:
    record = kept(tmp_path, CLASSES, {"top1": 0.85, "macro": macro()})
    assert rows_and_reports(tmp_path) == (["mamp"], [])
    edit(tmp_path, record, "top1", 0.951)
    rows, [report] = rows_and_reports(tmp_path)
    assert rows == []
    assert report.startswith(f"left out {ResultStore(tmp_path).path(record.identity)}: ")
    assert "top1 is 0.951, but they give 0.85" in report
    [warning] = [text for text in board_of(tmp_path, report=lambda _: None).warnings if "do not follow" in text]
    assert record.identity in warning


def test_scores_that_do_not_rank_are_computed_again_too(tmp_path: Path) -> None:
    record = kept(tmp_path, CLASSES, {"top1": 0.85, "macro": macro()})
    edit(tmp_path, record, "macro", 0.86)
    assert rows_and_reports(tmp_path)[0] == []


def ranked() -> tuple[dict[str, np.ndarray], dict[str, float]]:
    first, precision = np.full((4, 2), -1), np.zeros((4, 2))
    first[:, 0], precision[:, 0] = [0, 3, 7, -1], [1.0, 0.5, 0.25, 9.0]
    arrays = {"keys": np.arange(4), "label": np.zeros(4, np.int64)}
    arrays |= {"value_first": first, "value_average_precision": precision}
    return arrays, {"map": 1.75 / 4, "recall_1": 0.25, "recall_5": 0.5, "top1": 0.25}


def clustered() -> tuple[dict[str, np.ndarray], dict[str, float]]:
    clusters = np.where(np.arange(40) < 36, (LABELS + 7) % 4, 2)
    return {"keys": np.arange(40), "label": LABELS, "value_cluster": clusters}, {"accuracy": 37 / 40}


def in_conditions() -> tuple[dict[str, np.ndarray], dict[str, float]]:
    predicted = [LABELS, PREDICTED, np.where(np.arange(40) < 20, LABELS, -1)]
    arrays = {
        "keys": np.tile(np.arange(40), 3),
        "label": np.tile(LABELS, 3),
        "value_predicted": np.concatenate(predicted),
    }
    arrays["condition"] = np.repeat(["clean", "spatial", "temporal"], 40)
    return arrays, {"occluded": (0.85 + 0.5) / 2, "clean": 1.0, "spatial": 0.85, "temporal": 0.5, "top1": 1.0}


def in_draws() -> tuple[dict[str, np.ndarray], dict[str, float]]:
    logits = np.eye(4)[np.concatenate([LABELS, PREDICTED])]
    arrays = {"keys": np.tile(np.arange(40), 2), "label": np.tile(LABELS, 2), "value_logits": logits}
    return arrays | {"draw": np.repeat([0, 1], 40)}, {"top1": 0.925, "draws": 2.0}


@pytest.mark.parametrize("case", [ranked, clustered, in_conditions, in_draws])
def test_every_kind_of_prediction_is_computed_again(
    case: Callable[[], tuple[dict[str, np.ndarray], dict[str, float]]], tmp_path: Path
) -> None:
    arrays, scores = case()
    record = kept(tmp_path, arrays, scores)
    assert rows_and_reports(tmp_path) == (["mamp"], [])
    assert not [note for note in board_of(tmp_path).notes if "computed again" in note]
    edit(tmp_path, record, record.primary, 0.99)
    assert rows_and_reports(tmp_path)[0] == []


@pytest.mark.parametrize("classes", [[[0, 1]], [0, 1]])
def test_classes_that_a_draw_does_not_score_do_not_count(classes: list[Any], tmp_path: Path) -> None:
    own = LABELS < 2
    share = float(RIGHT[own].mean())
    kept(tmp_path, CLASSES, {"top1": share}, extra={"details": {"classes": classes}})
    assert rows_and_reports(tmp_path) == (["mamp"], [])


def test_what_cannot_be_computed_again_is_shown_and_said(tmp_path: Path) -> None:
    record = kept(
        tmp_path, {"keys": np.arange(4), "label": np.zeros(4, int), "value_other": np.zeros(4)}, {"gain": 0.5}
    )
    [note] = [note for note in board_of(tmp_path).notes if "computed again" in note]
    assert note == (
        "scores of 1 of 1 records were not computed again, for that takes more than their predictions (linear gain)"
    )
    assert record.predictions is not None
    file = tmp_path / record.predictions["file"]
    file.write_bytes(b"edited")
    assert "predictions are damaged" in board_of(tmp_path).notes[-1]
    file.unlink()
    assert "predictions are not in the results folder" in board_of(tmp_path).notes[-1]


def test_windows_of_a_clip_are_counted_by_their_protocol_alone(tmp_path: Path) -> None:
    twice = {name: np.tile(array, 2) for name, array in CLASSES.items()}
    kept(tmp_path, twice, {"top1": 0.1})
    assert rows_and_reports(tmp_path) == (["mamp"], [])


def test_scores_that_a_protocol_computes_its_own_way_are_not_called_wrong(tmp_path: Path) -> None:
    kept(tmp_path, CLASSES, {"top1": 0.3}, extra={"details": {"scores_of_its_own": ["top1"]}})
    assert rows_and_reports(tmp_path) == (["mamp"], [])
