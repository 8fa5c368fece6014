"""What protocols score is what a board computes again from the predictions that are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sslskel import bench
from sslskel.leaderboard.checked import Doubt, checked
from sslskel.results.store import ResultStore

PROTOCOLS = ["linear", "knn", "retrieval", "few_shot", "cluster", "occlusion", "motion_prediction"]


@pytest.mark.long
def test_scores_of_built_in_protocols_are_those_of_their_predictions(tiny: str, tmp_path: Path) -> None:
    overrides = ["protocol.encode_batch=8"]
    done = bench(["raw_features"], PROTOCOLS, [tiny], output=tmp_path / "runs", overrides=overrides)
    assert not done.failures
    records = ResultStore(tmp_path / "runs").read_all()[0]
    assert {record.protocol["name"] for record in records} == set(PROTOCOLS)
    verdict = checked(ResultStore(tmp_path / "runs"), records)
    assert not verdict.wrong
    assert [(one.primary, doubt) for one, doubt in verdict.doubts] == [("gain", Doubt.unfit)]
    assert not [record for record in records if "scores_of_its_own" in json.dumps(record.extra)]
