"""Ensembles of records: the recorded fusion of released code, what a fused record says, and what cannot be fused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded import Recorded

from sslskel.cli import main
from sslskel.errors import UsageError
from sslskel.evaluation.metrics import logit_scores
from sslskel.grid.ensemble import fuse_identities, fused_by_seed, parse_weights
from sslskel.leaderboard import build_board
from sslskel.results.record import Record, parse_record
from sslskel.results.store import ResultStore

STORED = parse_record((Path(__file__).resolve().parents[1] / "results" / "record_v1.json").read_text(encoding="utf-8"))
WEIGHTS = {"joint": 0.6, "bone": 0.6, "motion": 0.4}
CLIPS, CLASSES = 30, 7


def stored(folder: Path, stream: str, seed: int = 0, first: int = 0, **changes: object) -> Record:
    """A record of one stream whose logits are random and whose clips come in an order of their own."""
    rng = np.random.default_rng([seed, len(stream)])
    keys = rng.permutation(CLIPS) + first
    config = {**STORED.config, "clip": {**STORED.config.get("clip", {}), "stream": stream}}
    identity = f"{seed:08x}{len(stream):08x}{first:08x}"
    record = replace(STORED, identity=identity, seed=seed, config=config, predictions=None, **changes)  # type: ignore[arg-type]
    logits = rng.normal(0, 1, (CLIPS, CLASSES)) + 2 * np.eye(CLASSES)[keys % CLASSES]
    return ResultStore(folder).write(record, {"keys": keys, "label": keys % CLASSES, "value_logits": logits})


@pytest.mark.parametrize("seed", [0, 1])
def test_records_are_fused_as_released_code_does(shared: Path, seed: int, tmp_path: Path) -> None:
    case = Recorded(shared / "golden_contrastive" / f"down_ensemble_seed{seed}.npz")
    assert case.config["seed"] == seed
    weights, labels = dict(zip(WEIGHTS, case["in/alpha_joint_bone_motion"].tolist(), strict=True)), case["in/labels"]
    order = np.random.default_rng(seed).permutation(len(labels))
    for at, stream in enumerate(weights):
        config = {**STORED.config, "clip": {**STORED.config.get("clip", {}), "stream": stream}}
        record = replace(STORED, identity=f"{at:032x}", seed=seed, config=config, predictions=None)
        scores = case[f"in/scores_{stream}"]
        ResultStore(tmp_path).write(record, {"keys": order, "label": labels[order], "value_logits": scores[order]})
        top1 = logit_scores(scores, labels)["top1"]
        assert 100 * top1 == pytest.approx(100 * float(case[f"out/top1_{stream}"]), abs=1e-6)
    names = (STORED.method["name"], STORED.benchmark["name"], STORED.protocol["name"])
    [record] = fused_by_seed(tmp_path, *names, weights)
    total = ResultStore(tmp_path).predictions(record)["value_logits"]
    assert np.allclose(total, case["out/scores"], atol=1e-5)
    assert np.array_equal(total.argmax(1), case["out/prediction"])
    assert record.scores["top1"] == pytest.approx(float(case["out/top1"]), abs=1e-9)
    assert record.scores["top5"] == pytest.approx(float(case["out/top5"]), abs=1e-9)


def test_a_seed_is_fused_once_and_stands_beside_its_streams(tmp_path: Path) -> None:
    for seed in (0, 1):
        for stream in WEIGHTS:
            stored(tmp_path, stream, seed)
    stored(tmp_path, "joint", 2)
    records = fused_by_seed(tmp_path, STORED.method["name"], STORED.benchmark["name"], STORED.protocol["name"], WEIGHTS)
    assert [record.seed for record in records] == [0, 1]
    one = records[0]
    assert one.streams == ("joint", "bone", "motion")
    assert one.config["ensemble"] == WEIGHTS
    assert "stream" not in one.config["clip"]
    assert one.backbone["parameters"] == 3 * STORED.backbone["parameters"]
    arrays = ResultStore(tmp_path).predictions(one)
    assert arrays["keys"].tolist() == list(range(CLIPS))
    assert one.scores["top1"] == (arrays["value_logits"].argmax(1) == arrays["label"]).mean()
    assert one.diagnostics["all"]["top1"] == one.scores["top1"]
    again = fused_by_seed(tmp_path, STORED.method["name"], STORED.benchmark["name"], STORED.protocol["name"], WEIGHTS)
    assert again == records
    board = build_board(ResultStore(tmp_path).read_all()[0])
    assert len(board.columns) == 1
    assert sorted(len(row.key.streams) for row in board.rows) == [1, 1, 1, 3]


def test_rows_meet_by_clip_and_not_by_place(tmp_path: Path) -> None:
    records = [stored(tmp_path, stream) for stream in WEIGHTS]
    fused_record = fuse_identities(tmp_path, [record.identity for record in records], WEIGHTS)
    arrays = ResultStore(tmp_path).predictions(fused_record)
    wanted = np.zeros((CLIPS, CLASSES))
    for record, weight in zip(records, WEIGHTS.values(), strict=True):
        own = ResultStore(tmp_path).predictions(record)
        wanted[own["keys"]] += weight * own["value_logits"]
    assert np.allclose(arrays["value_logits"], wanted)


def refused(folder: Path, records: list[Record]) -> str:
    with pytest.raises(UsageError) as fault:
        fuse_identities(folder, [record.identity for record in records], {"joint": 1.0, "bone": 1.0})
    return str(fault.value)


def test_records_that_differ_in_test_clips_or_seed_are_refused(tmp_path: Path) -> None:
    joint = stored(tmp_path, "joint")
    assert "other test clips" in refused(tmp_path, [joint, stored(tmp_path, "bone", first=1)])
    assert "differ in seed" in refused(tmp_path, [joint, stored(tmp_path, "bone", seed=4)])
    assert "streams joint, joint" in refused(tmp_path, [joint, joint])
    assert not [r for r in ResultStore(tmp_path).read_all()[0] if "ensemble" in r.config]


def test_a_record_without_logits_is_refused(tmp_path: Path) -> None:
    joint = stored(tmp_path, "joint")
    other = replace(joint, identity="a" * 32, config={**joint.config, "clip": {"stream": "bone"}}, predictions=None)
    keys = np.arange(CLIPS)
    ResultStore(tmp_path).write(other, {"keys": keys, "label": keys, "value_predicted": keys})
    assert "keeps no single row of logits" in refused(tmp_path, [joint, other])


@pytest.mark.parametrize("text", ["joint=1", "joint=0,bone=1", "joint=1,joint=2", "hands=1,bone=1", "joint,bone"])
def test_weights_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--weights"):
        parse_weights(text)


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show: Callable[..., int] = lambda *words: main(["ensemble", "--results", str(tmp_path), *words])  # noqa: E731
    where = ("--method", STORED.method["name"], "--benchmark", STORED.benchmark["name"])
    stored(tmp_path, "joint")
    stored(tmp_path, "bone")
    assert show(*where) == 2
    assert "clip.stream=motion" in capsys.readouterr().err
    assert show(*where, "--weights", "joint=1,bone=1") == 0
    assert "joint 1, bone 1" in capsys.readouterr().out
    assert show() == 2
