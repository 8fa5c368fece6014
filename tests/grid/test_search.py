"""``sslskel sweep --trials``: a search that never sees the test part, gives the same trials again, and goes on."""

from __future__ import annotations

import builtins
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sslskel.grid.search
from sslskel.config.grammar import Dimension, dimensions
from sslskel.data.prepare import open_benchmark
from sslskel.errors import RunError, UsageError
from sslskel.grid.request import GridRequest
from sslskel.grid.run import BenchResult, run_grid
from sslskel.grid.search import SearchState, Trial, search
from sslskel.plugins.registry import BENCHMARKS
from sslskel.progress import Reporter
from sslskel.results.store import ResultStore

SPACE = ["train.lr=tag(log,interval(1e-4,1e-1))", "method.mask_ratio=0.5,0.7", "train.epochs=range(1,3)"]


def request(benchmark: str, output: Path, overrides: list[str]) -> GridRequest:
    return GridRequest(
        methods=("mamp",),
        protocols=("knn",),
        benchmarks=(benchmark,),
        output=output,
        overrides=tuple(overrides),
    )


def tried(benchmark: str, output: Path, trials: int, **options: Any) -> SearchState:
    return search(request(benchmark, output, SPACE), trials, **options)


def test_a_split_for_choosing_is_the_training_part_cut_once_more(tiny: str) -> None:
    benchmark = BENCHMARKS.get(tiny)
    dataset, official, choosing = open_benchmark(benchmark), benchmark.split("xsub"), benchmark.split("xsub-validation")
    for mine, theirs in (("train", "fit"), ("test", "validation")):
        assert np.array_equal(choosing.part(dataset, mine), official.part(dataset, theirs))
    assert not choosing.holds_out(dataset)
    assert "held-out training subjects of xsub" in choosing.warning
    with pytest.raises(UsageError, match="no split 'xsub-validation-validation'"):
        benchmark.split("xsub-validation-validation")


def test_words_span_a_space() -> None:
    fixed, space = dimensions(["a.b=1", *SPACE, "a.c=int(interval(2,9))", "a.d=choice([1,2],[3])"])
    assert fixed == ["a.b=1"]
    assert space == [
        Dimension("train.lr", low=1e-4, high=1e-1, log=True),
        Dimension("method.mask_ratio", ("0.5", "0.7")),
        Dimension("train.epochs", ("1", "2"), ordered=True),
        Dimension("a.c", low=2, high=9),
        Dimension("a.d", ("[1,2]", "[3]")),
    ]
    assert [one.option(drawn) for one, drawn in zip(space, (0.01, "0.7", 1, 4, "[3]"), strict=True)] == [
        *("train.lr=0.01", "method.mask_ratio=0.7", "train.epochs=2", "a.c=4", "a.d=[3]")
    ]
    assert space[0].rounded(0.0123456) == 0.01235
    assert space[0].rounded(0.1000001) == space[0].high


@pytest.mark.parametrize(
    "word", ["a.b=interval(2,1)", "a.b=tag(log,interval(0,1))", "a.b=tag(x,interval(0,1))", "a.b=tag(log,1,2)"]
)
def test_what_spans_nothing_is_one_sentence(word: str) -> None:
    with pytest.raises(UsageError, match="interval"):
        dimensions([word])


@pytest.mark.long
def test_the_same_call_gives_the_same_trials_and_records_judge_no_test_clip(tiny: str, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    searched = tried(tiny, tmp_path / "one", 4)
    again = tried(tiny, tmp_path / "other", 4)
    assert searched.trials == again.trials
    assert len({trial.options for trial in searched.trials}) > 1
    assert searched.best in searched.trials
    assert searched.best is not None
    assert searched.best.score == max(trial.score or 0 for trial in searched.trials)
    benchmark = BENCHMARKS.get(tiny)
    dataset = open_benchmark(benchmark)
    held = set(dataset.keys[benchmark.split("xsub").part(dataset, "validation")].tolist())
    store = ResultStore(tmp_path / "one")
    records, problems = store.read_all()
    assert not problems
    for record in records:
        assert record.benchmark["split"] == "xsub-validation"
        assert set(store.predictions(record)["keys"].tolist()) == held
        assert [seen["overlap"] for seen in record.seen] == [0]
    [last] = tried(tiny, tmp_path / "two", 1, search_seed=1).trials
    assert last.options != searched.trials[0].options


@pytest.mark.long
def test_an_interrupted_search_goes_on_to_the_same_trials(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    whole, seen = tried(tiny, tmp_path / "whole", 4), []

    def stopped(one: GridRequest, reporter: Reporter) -> BenchResult:
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(one.variants)
        return run_grid(one, reporter)

    with monkeypatch.context() as patch:
        patch.setattr(sslskel.grid.search, "run_grid", stopped)
        with pytest.raises(KeyboardInterrupt):
            tried(tiny, tmp_path / "cut", 4)
    assert tried(tiny, tmp_path / "cut", 2).trials == whole.trials[:2]
    resumed = tried(tiny, tmp_path / "cut", 4)
    assert resumed.trials == whole.trials
    resumed.file.write_text("{}")
    with pytest.raises(UsageError, match=r"cannot be read as trials.*remove it"):
        tried(tiny, tmp_path / "cut", 4)


@pytest.mark.long
def test_trials_side_by_side(tiny: str, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    searched = tried(tiny, tmp_path / "jobs", 3, jobs=2)
    assert [trial.score is not None for trial in searched.trials] == [True] * 3
    assert len(list((tmp_path / "jobs" / "logs").glob("*.log"))) == len({trial.options for trial in searched.trials})


@pytest.mark.long
def test_a_diverged_trial_is_one_of_them_and_another_failure_ends_the_search(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    searched = search(request(tiny, tmp_path / "runs", ["train.lr=1e30,1e31"]), 2)
    assert searched.best is None
    assert all("is not finite" in trial.failure or "is nan" in trial.failure for trial in searched.trials)

    def full(*names: Any, **options: Any) -> Any:
        raise RunError("no space left")

    monkeypatch.setattr("sslskel.grid.run.Run.pretrain", full)
    with pytest.raises(RunError, match=r"the trial .* failed.*no space left"):
        tried(tiny, tmp_path / "full", 2)


def test_what_cannot_be_searched_is_refused_before_anything_runs(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    for words, sentence in (
        (["train.epochs=1"], "needs values to choose from"),
        (["engine.threads=1,2"], "changes no score"),
        (["method.mask_ratio=interval(0.5,1.5)"], "mask_ratio"),
        (["method.mask_rato=0.1,0.2"], "did you mean 'method.mask_ratio'"),
    ):
        with pytest.raises(UsageError, match=sentence):
            search(request(tiny, tmp_path / "runs", words), 2)
    with pytest.raises(UsageError, match="--trials is 0"):
        tried(tiny, tmp_path / "runs", 0)
    benchmark = BENCHMARKS.get(tiny)
    bare = benchmark.splits["xsub"].__class__("xsub", "subject", frozenset({0, 1, 2}), frozenset())
    with monkeypatch.context() as patch:
        patch.setitem(benchmark.splits, "xsub", bare)
        with pytest.raises(UsageError, match="holds out no training subjects, and a search may look at no others"):
            tried(tiny, tmp_path / "runs", 2)
    assert not (tmp_path / "runs").exists()


def test_without_optuna_one_sentence_says_what_to_install(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = builtins.__import__

    def refusing(name: str, *rest: Any) -> Any:
        if name == "optuna":
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(UsageError, match=r"pip install 'sslskel\[search\]'"):
        tried(tiny, tmp_path, 2)


def test_the_command_prints_the_best_and_how_to_judge_it(sslskel: Any, tiny: str, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    words = ["sweep", "--method", "mamp", "--benchmark", tiny, "--protocol", "knn", "--trials", "2"]
    done = sslskel(*words, "method.mask_ratio=0.5,0.7", "train.epochs=1")
    assert done.returncode == 0, done.stderr
    assert "top1 on tiny/xsub-validation" in done.stdout
    best = done.stdout.splitlines()[-1]
    assert "sslskel bench --method mamp --protocol knn --benchmark tiny train.epochs=1 method.mask_ratio=" in best
    [file] = (tmp_path / "runs" / "search").glob("*.json")
    assert [len(Trial(**one).options) for one in json.loads(file.read_text())["trials"]] == [1, 1]
    for more, sentence in (
        (["--launcher", "slurm"], "in a job of its own"),
        (["--method", "mamp,skeletonmae"], "one method at a time"),
    ):
        done = sslskel(*words, *more, "method.mask_ratio=0.5,0.7")
        assert done.returncode == 2
        assert sentence in done.stderr
    done = sslskel(*words, "--dry-run", *SPACE)
    assert "train.lr: 0.0001 to 0.1, log scale" in done.stdout


@pytest.mark.long
def test_a_sweep_in_jobs_or_ranks_makes_the_records_of_one_process(sslskel: Any, tiny: str, tmp_path: Path) -> None:
    words = ["sweep", "--method", "mamp,random_init", "--benchmark", tiny, "--protocol", "knn", "method.tau=0.5,0.8"]
    for name, more in (("plain", []), ("jobs", ["--jobs", "2"]), ("ranks", ["--processes", "2"])):
        done = sslskel(*words, "train.epochs=1", *more, "--results", name)
        assert done.returncode == 0, done.stderr
        if name == "jobs":
            assert len(list((tmp_path / name / "logs").iterdir())) == 3, "no job does what another one does"
    assert "SSLSKEL_LAUNCHED" not in os.environ, "what ranks are told is not left behind"
    plain, jobs, ranks = (ResultStore(tmp_path / name).read_all()[0] for name in ("plain", "jobs", "ranks"))
    assert [one.identity for one in plain] == [one.identity for one in jobs] == [one.identity for one in ranks]
    assert len(plain) == 3, "an option that a method lacks makes one row of it"
