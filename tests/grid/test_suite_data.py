"""Pretraining on a suite: which clips are read, one encoder for all of it, and what says so."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from recorder import Recorder
from torch import Tensor

import sslskel.encoders.embed as embedding
from sslskel.cli import main
from sslskel.config.suites import read_suite
from sslskel.data.prepare import open_benchmark
from sslskel.encoders.embed import embed
from sslskel.encoders.export import export
from sslskel.encoders.open import open_encoders
from sslskel.engine.checkpoint import load_weights, read_meta
from sslskel.errors import UsageError
from sslskel.evaluation.leakage import KnownClips
from sslskel.grid.request import GridRequest
from sslskel.grid.run import bench, evaluate, pretrain
from sslskel.grid.suite import bench_suite, requests_of_suite, rules_of
from sslskel.grid.suite_data import read_suite_data, suite_parts
from sslskel.leaderboard.folder import board_of
from sslskel.plugins.registry import BENCHMARKS

MEETING = Path(__file__).resolve().parents[1] / "support" / "meeting"
SHORT = ("train.epochs=1", "train.warmup_epochs=0", "train.drop_last=false")
STEPS = ("train.epochs=2", "train.checkpoint_epochs=1", "train.drop_last=false")
Command = Callable[..., "subprocess.CompletedProcess[str]"]
PLACES = ("upper/xsub", "tiny/xsub", "tiny_more/xsub")


@pytest.fixture
def meeting(tiny: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a suite of three benchmarks: ``tiny_more`` has the recordings of ``tiny``, ``upper`` another body."""
    monkeypatch.setenv("SSLSKEL_PLUGINS", os.pathsep.join([os.environ["SSLSKEL_PLUGINS"], str(MEETING)]))
    return "meeting"


def numbers(text: str) -> dict[str, list[int]]:
    """Numbers of the clips that are trained on, by benchmark and split."""
    return {
        part.name: [int(str(part.dataset.names[row])[-2:]) for row in part.rows.tolist()] for part in suite_parts(text)
    }


def test_no_clip_is_trained_on_that_any_split_tests(meeting: str) -> None:
    """``tiny`` tests clips 18 to 23, ``tiny_more`` the last three of every six."""
    firsts = [number for number in range(36) if number % 6 < 3]
    assert numbers(meeting) == {
        "upper/xsub": list(range(12)),
        "tiny/xsub": [number for number in firsts if number < 18],
        "tiny_more/xsub": [number for number in firsts if number >= 24],
    }


def test_a_dataset_that_is_left_out_takes_its_recordings_with_it(meeting: str) -> None:
    assert numbers("meeting/without-upper").keys() == {"tiny/xsub", "tiny_more/xsub"}
    left = numbers("meeting/without-tiny")
    assert left == {"upper/xsub": list(range(12)), "tiny_more/xsub": [24, 25, 26, 30, 31, 32]}
    assert numbers("meeting/without-tiny_more").keys() == {"upper/xsub"}


def test_held_out_subjects_are_left_out_for_choosing(meeting: str) -> None:
    """Subject 2 of each: clips 8 to 11 of ``upper``, 12 to 17 of ``tiny``, every sixth one of ``tiny_more``."""
    chosen = numbers("meeting/validation")
    assert chosen["upper/xsub-validation"] == list(range(8))
    assert chosen["tiny/xsub-validation"] == [0, 1, 6, 7]
    assert chosen["tiny_more/xsub-validation"] == [24, 25, 30, 31]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nothing", "nothing"),
        ("meeting/without-nobody", r"with a benchmark of the suite \(upper, tiny, tiny_more\)"),
        ("meeting/xsub", "'xsub' is neither 'validation' nor 'without-'"),
        ("meeting/without-itself", "no benchmark is evaluated on here, so that none is left out as 'itself'"),
        ("meeting/without-upper/without-tiny/without-tiny_more", "leaves out every benchmark"),
    ],
)
def test_what_a_suite_does_not_have_is_one_sentence(meeting: str, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_suite_data(text)


def test_a_suite_is_trained_on_in_the_common_body_alone(meeting: str, tmp_path: Path) -> None:
    def cells(*overrides: str, pretrain_on: str | None = None) -> object:
        return GridRequest(
            methods=("mamp",), benchmarks=("tiny",), output=tmp_path, overrides=overrides, pretrain_on=pretrain_on
        ).cells()

    with pytest.raises(UsageError, match=r"add clip\.body=common"):
        cells("train.suite=meeting")
    with pytest.raises(UsageError, match=r"train\.suite=meeting and train\.also both"):
        cells("train.also=[tiny_more]", pretrain_on="suite:meeting")


def test_one_encoder_is_evaluated_on_all_and_says_what_it_was_trained_on(meeting: str, tmp_path: Path) -> None:
    result = bench(["mamp"], ["knn"], PLACES, output=tmp_path, pretrain_on="suite:meeting", overrides=SHORT)
    assert result.failures == []
    assert len({record.pretrain_identity for record in result.records}) == 1
    [folder] = (tmp_path / "pretrain").iterdir()
    assert folder.name.startswith("mamp-suite-meeting-s0-")
    for record in result.records:
        assert record.config["train"]["suite"] == "meeting"
        assert [(seen["dataset"], seen["clips"], seen["overlap"]) for seen in record.seen] == [
            *(("upper", 12, 0), ("tiny", 9, 0), ("tiny_more", 6, 0))
        ]
    facts = {record.benchmark["name"]: record.extra["details"] for record in result.records}
    assert facts["upper"]["frames_per_second"] == {"recorded": 60.0, "read": 30.0}
    assert (facts["upper"]["joints"]["same_joints"], facts["upper"]["joints"]["of_joints"]) == (8, 20)
    assert facts["tiny"]["joints"]["same_joints"] == 20
    [row] = result.board.rows
    assert row.label == "mamp (pretrained on suite:meeting)"
    assert None not in row.cells
    export(folder, tmp_path / "mine")
    card = (tmp_path / "mine" / "README.md").read_text(encoding="utf-8")
    assert "suite:meeting" in card
    assert "20 joints" in card
    assert "upper, split xsub, part train: 12 clips" in card


def test_an_encoder_on_another_body_says_which_joints_were_matched(
    meeting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench(["random_init"], ["knn"], ["tiny"], output=tmp_path)
    [folder] = (tmp_path / "pretrain").iterdir()
    seen = Recorder()
    evaluate(folder, "knn", benchmark="upper", output=tmp_path / "judged", reporter=seen)
    [line] = [text for text in seen.lines if "matched by name" in text]
    assert line.startswith("8 of 25 joints of the encoder's body ('ntu25') are matched by name in 'upper8': ")
    assert "; the others stand where the nearest is: " in line
    opened = open_encoders(folder)
    [encoder] = opened.encoders.values()
    two = replace(opened, encoders={"joint": encoder, "bone": encoder})
    monkeypatch.setattr(embedding, "open_encoders", lambda *_, **__: two)
    again = Recorder()
    embed(folder, tmp_path / "features.npz", benchmark="upper", reporter=again)
    assert again.lines == [line]


@pytest.mark.long
def test_each_benchmark_can_be_judged_by_an_encoder_that_never_saw_it(meeting: str, tmp_path: Path) -> None:
    suite = "suite:meeting/without-itself"
    result = bench(["mamp"], ["knn"], PLACES, output=tmp_path, pretrain_on=suite, overrides=SHORT)
    assert result.failures == []
    seen = {r.benchmark["name"]: {one["dataset"] for one in r.seen} for r in result.records}
    assert seen == {"upper": {"tiny", "tiny_more"}, "tiny": {"upper", "tiny_more"}, "tiny_more": {"upper"}}
    [row] = result.board.rows
    assert row.label == "mamp (pretrained on suite:meeting/without-itself)"
    assert None not in row.cells


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--pretrain-on", "tiny"), "--pretrain-on tiny names no suite; give suite:NAME, or --benchmark"),
        (("--pretrain-on", "suite:meeting", "--benchmark", "tiny"), "leave out --benchmark and --split"),
        (("--pretrain-on", "suite:meeting/without-itself"), "name it: without-upper, without-tiny"),
        (("--pretrain-on", "suite:nowhere"), "there is no suite 'nowhere'"),
    ],
)
def test_what_pretraining_alone_refuses(
    words: tuple[str, ...], message: str, meeting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pretrain", "--method", "mamp", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.long
def test_the_command_pretrains_what_the_grid_reuses(
    meeting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--method", "mamp", "--pretrain-on", "suite:meeting", "--results", str(tmp_path), *SHORT]
    assert main(["pretrain", *words]) == 0
    folder = Path(capsys.readouterr().out.strip())
    result = bench(["mamp"], ["knn"], PLACES, output=tmp_path, pretrain_on="suite:meeting", overrides=SHORT)
    assert result.failures == []
    assert list((tmp_path / "pretrain").iterdir()) == [folder]


def test_what_is_trained_on_is_part_of_the_identity(meeting: str, tmp_path: Path) -> None:
    def identity(pretrain_on: str | None, *overrides: str) -> str:
        request = GridRequest(methods=("mamp",), protocols=(), benchmarks=("tiny",), pretrain_on=pretrain_on)
        [cell] = replace(request, output=tmp_path, overrides=overrides).cells()
        return cell.pretrain_identity(open_benchmark(BENCHMARKS.get(cell.benchmark)))

    suites = ["suite:meeting", "suite:meeting/without-upper", "suite:meeting/validation"]
    ids = [*map(identity, suites), identity("suite:meeting", "clip.align_heading=false")]
    assert len(set(ids)) == len(ids)


@pytest.mark.long
def test_a_run_that_was_interrupted_ends_as_one_that_was_not(meeting: str, tmp_path: Path) -> None:
    def weights(output: Path, *overrides: str) -> tuple[Path, dict[str, Tensor]]:
        request = GridRequest(
            methods=("mamp",), benchmarks=("tiny",), output=output, pretrain_on="suite:meeting", overrides=overrides
        )
        folder, _ = pretrain(request)
        return folder, load_weights(sorted(folder.glob("step-*"))[-1])

    whole, expected = weights(tmp_path / "whole", *STEPS)
    steps = sorted(whole.glob("step-*"))
    assert len(steps) == 2
    part = tmp_path / "part" / "pretrain" / whole.name
    shutil.copytree(whole, part)
    shutil.rmtree(part / steps[-1].name)
    folder, resumed = weights(tmp_path / "part", *STEPS)
    assert folder == part
    assert all(torch.equal(resumed[name], value) for name, value in expected.items())
    assert [entry["clips"] for entry in read_meta(folder)["seen"]] == [12, 9, 6]


@pytest.mark.long
def test_two_processes_train_as_one(meeting: str, command: Command, tmp_path: Path) -> None:
    words = ("bench", "--method", "mamp", "--protocol", "knn", "--benchmark", "upper", "--pretrain-on", "suite:meeting")
    weights = []
    for count in ("1", "2"):
        more = ("--precision", "fp64", "--processes", count, "--results", f"runs{count}", *STEPS)
        done = command(*words, *more, SSLSKEL_PLUGINS=os.environ["SSLSKEL_PLUGINS"])
        assert done.returncode == 0, done.stderr
        [folder] = (tmp_path / f"runs{count}" / "pretrain").iterdir()
        weights.append(load_weights(max(folder.glob("step-*"))))
    one, two = weights
    assert all(torch.allclose(two[name], value, rtol=0, atol=1e-9) for name, value in one.items())


@pytest.mark.long
def test_a_suite_s_board_has_the_encoder_of_all_its_datasets(meeting: str, tmp_path: Path) -> None:
    suite = read_suite(meeting)
    request = GridRequest(
        methods=("mamp",),
        protocols=suite.protocols,
        benchmarks=suite.benchmarks,
        seeds=(0,),
        output=tmp_path,
        pretrain_on="suite:meeting",
    )
    bench_suite(suite, requests_of_suite(suite, request), tmp_path)
    result = bench_suite(suite, requests_of_suite(suite, replace(request, pretrain_on=None)), tmp_path)
    assert result.failures == []
    board = board_of(tmp_path, suite=rules_of(suite))
    assert {row.label for row in board.rows} == {"raw_features", "mamp", "mamp (pretrained on suite:meeting)"}
    assert all(row.rank is not None for row in board.rows)
    gains = [mean.title for mean in board.means].index("knn gain over no learning")
    assert all(row.means[gains] is not None for row in board.rows if row.trained)
    assert not any("left out" in warning for warning in board.warnings)


def test_known_clips_are_known_by_recording_frames_or_movement(meeting: str) -> None:
    tiny, more = (BENCHMARKS.get(name) for name in ("tiny", "tiny_more"))
    here, there = open_benchmark(tiny), open_benchmark(more)
    known = KnownClips()
    every = np.arange(len(there), dtype=np.int64)
    assert not known.among(more, there, every).any()
    known.add(tiny, here, np.array([2, 5]))
    assert np.flatnonzero(known.among(more, there, every)).tolist() == [2, 5]
    assert np.flatnonzero(known.among(None, here, np.arange(24))).tolist() == [2, 5]
