"""``train.probe`` scores an encoder on clips held out of the training part, and leaves the training as it is."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from board_page import unpacked
from recorder import Recorder

import sslskel
from sslskel import BENCHMARKS, PROTOCOLS, GridRequest, Split, open_benchmark
from sslskel.cli import main
from sslskel.errors import DataError, UsageError
from sslskel.files import read_regular
from sslskel.grid.probe import held_out, probed_clips
from sslskel.grid.run import pretrain, run_grid
from sslskel.leaderboard.folder import board_of
from sslskel.leaderboard.formats.html import html_text
from sslskel.protocols.knn import Knn

MEETING = Path(__file__).resolve().parents[1] / "support" / "meeting"
SMALL = (
    *("backbone.dim=8", "backbone.depth=1", "backbone.heads=2", "method.decoder_depth=1", "clip.frames=8"),
    *("clip.min_frames=4", "train.epochs=2", "train.batch_size=9", "train.warmup_epochs=0", "backbone.segment=4"),
)
PROBED = ("train.probe=knn", "train.probe_epochs=1")


def request(folder: Path, *options: str, protocols: tuple[str, ...] = ()) -> GridRequest:
    return GridRequest(
        methods=("mamp",),
        protocols=protocols,
        benchmarks=("tiny",),
        output=folder,
        preset="quick",
        overrides=(*SMALL, *options),
    )


def curve(folder: Path) -> dict[float, float]:
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    entries = [json.loads(line) for line in text.splitlines()]
    return {line["epoch"]: line["probe/knn/subjects"] for line in entries if "probe/knn/subjects" in line}


def test_a_probe_changes_no_bit_and_the_last_score_is_that_of_the_checkpoint(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _ = pretrain(request(tmp_path / "plain"))
    evaluate = Knn.evaluate

    def careless(*arguments: Any) -> Any:
        """A protocol that draws from every global generator, as plugins of others may."""
        torch.rand(3), np.random.rand(3), random.random()
        return evaluate(*arguments)

    monkeypatch.setattr(Knn, "evaluate", careless)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    probed, _ = pretrain(request(tmp_path / "probed", *PROBED))
    after = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert plain.name == probed.name
    for file in ("model.safetensors", "optimiser.safetensors"):
        [one], [other] = ([*run.glob(f"step-*/{file}")] for run in (plain, probed))
        assert read_regular(one) == read_regular(other)
    recorder = Recorder()
    pretrain(request(tmp_path / "plain", *PROBED), recorder)
    pretrain(request(tmp_path / "probed", *PROBED), recorder)
    assert [line for line in recorder.lines if "finished before train.probe" in line] == recorder.lines[1:2]
    record = sslskel.evaluate(probed, "knn", split="xsub-validation", output=tmp_path / "judged")
    assert [*curve(probed)] == [0, 1, 2]
    assert curve(probed)[2] == record.scores["top1"]


def test_the_curve_is_in_the_details_of_a_board_and_no_label_leaves_the_training_part(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[set[int]] = []
    evaluate = Knn.evaluate

    def watched(self: Knn, encoders: Any, parts: Any, run: Any) -> Any:
        asked.append({len(parts.train), len(parts.test), int(parts.test.labels.max())})
        return evaluate(self, encoders, parts, run)

    monkeypatch.setattr(Knn, "evaluate", watched)
    [record] = run_grid(request(tmp_path, *PROBED, protocols=("knn",))).records
    # Subjects 0 and 1 are learnt from, subject 2 is asked for; the record's own evaluation comes last.
    assert asked == [{12, 6, -1}] * 3 + [{18, 6, -1}]
    board = board_of(tmp_path, details=True)
    [one] = board.curves
    assert one.probe == "knn/subjects"
    assert [epoch for epoch, _ in one.scores] == [0, 1, 2]
    assert any("knn on held-out training subjects: first " in note for note in board.notes)
    words = ["leaderboard", "--results", str(tmp_path), "--format", "markdown"]
    assert main([*words, "--details"]) == 0
    assert "knn on held-out training subjects: first " in capsys.readouterr().out
    assert main(words) == 0
    assert "knn on held-out training subjects" not in capsys.readouterr().out
    [drawn] = unpacked(html_text(board))["curves"]
    assert drawn["probe"] == one.probe
    assert drawn["scores"] == [list(point) for point in one.scores]
    assert not any("probe" in note for note in board_of(tmp_path).notes)
    assert "chosen_epoch" not in record.extra.get("details", {})


@pytest.mark.long
def test_a_record_says_which_epoch_a_probe_chose(tiny: str, tmp_path: Path) -> None:
    chooses = ("train.selection=probe",)
    [cell] = request(tmp_path, *PROBED, *chooses, protocols=("knn",)).cells()
    others = [request(tmp_path, *more).cells()[0] for more in ((), PROBED, ("train.probe_epochs=3",))]
    dataset = open_benchmark(BENCHMARKS.get(tiny))
    assert len({other.pretrain_identity(dataset) for other in others}) == 1
    assert cell.pretrain_identity(dataset) != others[0].pretrain_identity(dataset)
    [record] = run_grid(request(tmp_path, *PROBED, *chooses, protocols=("knn",))).records
    chosen = record.extra["details"]["chosen_epoch"]
    assert chosen["probe"] == "knn/subjects"
    assert record.config["train"]["selection"] == "probe"
    notes = board_of(tmp_path).notes
    assert any(f"seed 0: epoch {chosen['epoch']}, of the highest knn score on held-out" in note for note in notes)


@pytest.mark.parametrize(
    "name", ["finetune", *(pytest.param(name, marks=pytest.mark.long) for name in ("transfer", "detection"))]
)
def test_what_cannot_be_a_probe_is_refused_before_any_work(tiny: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"train.probe={name} cannot score an encoder .*knn"):
        pretrain(request(tmp_path / "runs", f"train.probe={name}"))
    with pytest.raises(UsageError, match="there is no protocol 'knm'; did you mean 'knn'"):
        pretrain(request(tmp_path / "runs", "train.probe=knm"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
def test_a_probe_that_the_held_out_clips_do_not_fit_is_named(tiny: str, tmp_path: Path) -> None:
    """One subject is left to learn from, of whom nobody can be held out to choose C by."""
    asked = replace(request(tmp_path / "runs", "train.probe=logreg"), split="xsub-validation")
    with pytest.raises(UsageError, match=r"^train\.probe=logreg: protocol\.c has several values"):
        pretrain(asked)


def test_held_out_clips_are_never_test_clips(tiny: str) -> None:
    benchmark, dataset = BENCHMARKS.get(tiny), open_benchmark(BENCHMARKS.get(tiny))
    official = benchmark.split("xsub")
    tested = set(dataset.keys[official.part(dataset, "test")].tolist())
    for split, held, choosing in (("xsub", {2}, {1}), ("xsub-validation", {1}, set())):
        rule, what = held_out(benchmark, split, dataset, benchmark.split(split).part(dataset, "train"))
        rows = rule.rows(dataset)
        assert what == "subjects"
        assert rule.validation == choosing
        assert set(dataset.subjects[rows.test].tolist()) == held
        assert not set(dataset.keys[np.concatenate([rows.train, rows.test])].tolist()) & tested
        assert not set(rows.train.tolist()) & set(rows.test.tolist())


@pytest.mark.long
def test_of_a_suite_no_clip_is_probed_that_another_split_tests(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``tiny_more`` tests the last three of every six recordings of ``tiny``."""
    monkeypatch.setenv("SSLSKEL_PLUGINS", os.pathsep.join([os.environ["SSLSKEL_PLUGINS"], str(MEETING)]))
    [cell] = replace(request(Path("runs"), *PROBED), pretrain_on="suite:meeting").cells()
    benchmark, dataset = BENCHMARKS.get(cell.benchmark), open_benchmark(BENCHMARKS.get(cell.benchmark))
    assert benchmark.name == tiny
    clips = [int(str(dataset.names[row])[-2:]) for row in probed_clips(cell, dataset, benchmark)]
    assert clips == [number for number in range(18) if number % 6 < 3]


def test_without_subjects_every_fifth_clip_of_a_class_is_held_out(tiny: str) -> None:
    benchmark, dataset = BENCHMARKS.get(tiny), open_benchmark(BENCHMARKS.get(tiny))
    keys = sorted(dataset.keys.tolist())
    lone = Split("lone", "clip", frozenset(keys[:18]), frozenset(), frozenset(keys[18:]))
    unknown = replace(benchmark, splits={"lone": lone}, default_split="lone")
    dataset.subjects = np.full_like(dataset.subjects, -1)
    trained = lone.part(dataset, "train")
    rule, what = held_out(unknown, "lone", dataset, trained)
    rows = rule.rows(dataset)
    assert what == "clips"
    assert set(dataset.keys[np.concatenate([rows.train, rows.test])].tolist()) == set(keys[:18])
    learnt = dataset.labels[rows.train]
    for label in np.unique(learnt):
        count = int((dataset.labels[rows.test] == label).sum())
        assert count == -(-(count + int((learnt == label).sum()) - 1) // 5)
    dataset.labels = np.full_like(dataset.labels, -1)
    with pytest.raises(DataError, match=r"'tiny/lone' has none .*0 labelled training clips"):
        held_out(unknown, "lone", dataset, trained)


@pytest.mark.long
@pytest.mark.parametrize("name", ["linear", "logreg"])
def test_a_head_on_frozen_features_can_be_a_probe(tiny: str, tmp_path: Path, name: str) -> None:
    assert PROTOCOLS.get(name).trains == "head"
    plain, _ = pretrain(request(tmp_path / "plain"))
    probed, _ = pretrain(request(tmp_path / "probed", f"train.probe={name}"))
    [one], [other] = ([*run.glob("step-*/model.safetensors")] for run in (plain, probed))
    assert read_regular(one) == read_regular(other)


@pytest.mark.long
def test_two_processes_have_the_same_curve(tiny: str, tmp_path: Path, command: Any) -> None:
    curves = []
    for processes in ("1", "2"):
        words = ("pretrain", "--method", "mamp", "--benchmark", tiny, "--processes", processes, "--preset", "quick")
        folder = tmp_path / processes
        done = command(*words, "--results", str(folder), "--precision", "fp64", *SMALL, *PROBED)
        assert done.returncode == 0, done.stderr
        [run] = (folder / "pretrain").iterdir()
        curves.append(curve(run))
    assert curves[0] == curves[1]
    assert [*curves[0]] == [0, 1, 2]
