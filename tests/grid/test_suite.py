"""What a suite runs: floors, methods with and without learning; a folder of its records gives its board again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sslskel.config.suites import read_suite
from sslskel.errors import UsageError
from sslskel.grid.request import GridRequest
from sslskel.grid.suite import bench_suite, requests_of_suite, rules_of
from sslskel.leaderboard.folder import board_of
from sslskel.leaderboard.suite import Training
from sslskel.results.store import ResultStore

NAME = "tiny-suite"


def request(output: Path, *methods: str) -> GridRequest:
    suite = read_suite(NAME)
    seeds = tuple(range(suite.seeds))
    return GridRequest(
        methods=methods, protocols=suite.protocols, benchmarks=suite.benchmarks, seeds=seeds, output=output
    )


def test_a_suite_runs_floors_and_each_method_with_and_without_learning(tiny: str, tmp_path: Path) -> None:
    suite = read_suite(NAME)
    floors, trained = requests_of_suite(suite, request(tmp_path, "mamp", "random_init"))
    assert floors.methods == ("raw_features", "random_init")
    assert floors.variants == ((),)
    assert (trained.methods, trained.variants) == (("mamp",), ((), suite.untrained))
    assert {one.preset for one in (floors, trained)} == {"tiny"}


def test_references_are_grids_of_their_own_that_protocol_chooses_too(tiny: str, tmp_path: Path) -> None:
    suite = replace(read_suite(NAME), references={"scratch": "random_init"})
    whole = replace(request(tmp_path, "mamp"), protocols=suite.judged, pretrain_on="tiny")
    _, trained, reference = requests_of_suite(suite, whole)
    assert trained.protocols == ("knn",)
    assert (reference.methods, reference.protocols, reference.pretrain_on) == (("random_init",), ("scratch",), None)
    assert requests_of_suite(suite, replace(whole, protocols=("scratch",))) == [reference]
    assert ("tiny/xsub", "scratch") in rules_of(suite).columns


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"preset": "cpu"}, "is of preset tiny, not cpu"),
        ({"split": "xsub"}, "leave out --split"),
        ({"benchmarks": ("tiny",)}, "has no benchmark tiny; --benchmark chooses from tiny/xsub, tiny/xsub-validation"),
        ({"protocols": ("linear",)}, "has no protocol linear"),
        ({"seeds": (0, 7)}, "has no seeds 7; --seeds chooses from 0, 1"),
        ({"overrides": ("train.epochs=9",)}, "'train.epochs=9' changes one"),
    ],
)
def test_what_a_suite_fixes_cannot_be_changed(
    tiny: str, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        requests_of_suite(read_suite(NAME), replace(request(tmp_path, "mamp"), **changes))  # type: ignore[arg-type]
    assert sentence in str(caught.value)


@pytest.mark.long
def test_a_suite_s_folder_gives_its_board_again(tiny: str, tmp_path: Path) -> None:
    """In parts, with a run by other options in the same folder, which stays out."""
    suite, whole = read_suite(NAME), request(tmp_path, "mamp")
    bench_suite(suite, requests_of_suite(suite, replace(whole, seeds=(0,))), tmp_path)
    result = bench_suite(suite, requests_of_suite(suite, whole), tmp_path)
    # Two floors of which each seed has a record, and two variants of one method, on two splits.
    assert (result.ran, result.reused, result.failures) == (6, 6, [])
    before = [(row.label, row.rank, row.means) for row in result.board.rows]
    assert {row.label for row in result.board.rows} == {"mamp", "raw_features"}
    [mamp] = [row for row in result.board.rows if row.label == "mamp"]
    assert [mean.title for mean in result.board.means] == ["knn mean", "knn subjects", "knn gain over no learning"]
    assert None not in mamp.means
    other = replace(whole, preset="tiny", seeds=(0,), overrides=("train.epochs=2",))
    from sslskel.grid.run import run_grid

    run_grid(other)
    board = board_of(tmp_path, suite=rules_of(suite))
    assert [(row.label, row.rank, row.means) for row in board.rows] == before
    assert any("other options of clips or training" in warning for warning in board.warnings)


@pytest.mark.long
def test_jobs_make_the_same_suite(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    suite = read_suite(NAME)
    requests = requests_of_suite(suite, replace(request(tmp_path, "mamp"), seeds=(0,), benchmarks=("tiny/xsub",)))
    result = bench_suite(suite, requests, tmp_path, jobs=2)
    assert (result.ran, result.failures) == (3, [])
    assert {row.label for row in result.board.rows} == {"mamp", "raw_features"}


@pytest.mark.long
def test_a_board_imports_no_local_plugin(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record names its method; code of the working folder does not run because of it."""
    suite = read_suite(NAME)
    bench_suite(suite, requests_of_suite(suite, replace(request(tmp_path, "mamp"), seeds=(0,))), tmp_path)
    records, _ = ResultStore(tmp_path).read_all()
    [record, *_] = [one for one in records if one.method["name"] == "mamp" and one.config["train"]["lr"]]
    training = rules_of(suite).training
    assert training(record) is Training.own
    unknown = replace(record, method={**record.method, "name": "nobody"})
    assert training(unknown) is Training.unknown
